from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from host.builtin_nodes.images.vector import save_svg
from sdk import NodeError
from tests.support.node_context import context_in

PICTURE = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="4"><rect width="1"/></svg>'


class Held:
    data = (io.BytesIO(PICTURE.encode()), io.BytesIO(PICTURE.encode()))


@pytest.mark.parametrize(("svg", "count"), [(PICTURE, 1), (PICTURE.encode(), 1), ([PICTURE, PICTURE], 2), (Held(), 2)])
def test_each_picture_becomes_a_file(svg: Any, count: int, tmp_path: Path) -> None:
    result = save_svg(context_in(tmp_path), svg)
    assert [file["filename"] for file in result.ui["images"]] == [f"ComfyUI_0000{n}_.svg" for n in range(1, count + 1)]
    assert (tmp_path / "output" / "svg" / "ComfyUI_00001_.svg").read_text() == PICTURE


def test_the_workflow_is_inside_and_the_picture_still_parses(tmp_path: Path) -> None:
    prompt = {"1": {"text": "a ]]> b <svg>"}}
    save_svg(context_in(tmp_path), PICTURE, "p", prompt=prompt, extra_pnginfo={"workflow": {"nodes": []}})
    root = ElementTree.parse(tmp_path / "output" / "p_00001_.svg").getroot()
    note = root.findtext("{http://www.w3.org/2000/svg}metadata")
    assert note is not None
    assert json.loads(note) == {"prompt": prompt, "workflow": {"nodes": []}}
    assert root.find("{http://www.w3.org/2000/svg}rect") is not None


@pytest.mark.parametrize("svg", ["no picture", b"", 7 * [3]])
def test_what_is_no_svg_is_refused_before_anything_is_written(svg: Any, tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="no SVG"):
        save_svg(context_in(tmp_path), [PICTURE, *svg] if isinstance(svg, list) else svg)
    assert not (tmp_path / "output").exists()
