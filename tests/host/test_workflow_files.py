from __future__ import annotations

import json
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from host import workflow_files
from host.workflow_files import (
    BrokenJson,
    DamagedImage,
    NotAnImage,
    NoWorkflow,
    TooDeep,
    TooLarge,
    UnreadableFile,
    WorkflowKind,
    parse_workflow,
    read_workflow,
)
from sdk.png_texts import SIGNATURE

API: dict[str, Any] = {"1": {"class_type": "Nothing", "inputs": {"seed": 2**64 - 1, "text": "ä"}}}
UI: dict[str, Any] = {"nodes": [{"id": 1, "type": "Nothing"}], "links": [], "version": 0.4}
TINY = Image.new("RGB", (3, 2))


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def png(path: Path, *, packed: bool = False, **texts: str) -> Path:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text, zip=packed)
    TINY.save(path, "PNG", pnginfo=info)
    return path


def with_exif(path: Path, **texts: str) -> Path:
    exif = Image.Exif()
    for tag, (key, text) in zip((0x0110, 0x010F), texts.items(), strict=False):
        exif[tag] = f"{key}:{text}"
    TINY.save(path, exif=exif)
    return path


def test_api_format_is_recognised(tmp_path: Path) -> None:
    found = read_workflow(write(tmp_path / "w.json", API))
    assert (found.kind, found.data, found.extra_pnginfo) == (WorkflowKind.API, API, {})


def test_ui_format_is_recognised_and_goes_into_saved_pictures(tmp_path: Path) -> None:
    found = read_workflow(write(tmp_path / "w.json", UI))
    assert (found.kind, found.data, found.extra_pnginfo) == (WorkflowKind.UI, UI, {"workflow": UI})


def test_a_posted_request_brings_its_drawing_along(tmp_path: Path) -> None:
    request = {"prompt": API, "client_id": "x", "extra_data": {"extra_pnginfo": {"workflow": UI}}}
    found = read_workflow(write(tmp_path / "w.json", request))
    assert (found.kind, found.data, found.extra_pnginfo) == (WorkflowKind.API, API, {"workflow": UI})


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parse_workflow(b"\xef\xbb\xbf" + json.dumps(API).encode(), Path("w")).data == API


@pytest.mark.parametrize("packed", [False, True])
def test_a_picture_gives_what_made_it_together_with_the_drawing(tmp_path: Path, packed: bool) -> None:
    long = {**API, "2": {"class_type": "Text", "inputs": {"text": "word " * 400_000}}}
    found = read_workflow(png(tmp_path / "p.png", packed=packed, prompt=json.dumps(long), workflow=json.dumps(UI)))
    assert (found.kind, found.data, found.extra_pnginfo) == (WorkflowKind.API, long, {"workflow": UI})


def test_a_picture_with_the_drawing_alone_gives_the_drawing(tmp_path: Path) -> None:
    found = read_workflow(png(tmp_path / "p.png", workflow=json.dumps(UI)))
    assert (found.kind, found.data, found.extra_pnginfo) == (WorkflowKind.UI, UI, {"workflow": UI})


def test_words_of_other_programs_called_prompt_are_passed_over(tmp_path: Path) -> None:
    found = read_workflow(png(tmp_path / "p.png", prompt="a cat, 4k", workflow=json.dumps(UI)))
    assert found.kind is WorkflowKind.UI


@pytest.mark.parametrize("suffix", [".webp", ".jpg"])
def test_exif_tags_are_read(tmp_path: Path, suffix: str) -> None:
    path = with_exif(tmp_path / f"p{suffix}", prompt=json.dumps(API), workflow=json.dumps(UI))
    found = read_workflow(path)
    assert (found.kind, found.data, found.extra_pnginfo) == (WorkflowKind.API, API, {"workflow": UI})


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = png(tmp_path / "p.json", prompt=json.dumps(API))
    assert read_workflow(path).data == API


def test_not_a_number_and_infinity_survive_as_floats() -> None:
    found = parse_workflow(b'{"1": {"class_type": "N", "inputs": {"a": NaN, "b": -Infinity}}}', Path("w"))
    inputs = found.data["1"]["inputs"]
    assert math.isnan(inputs["a"])
    assert inputs["b"] == -math.inf


def test_traces_of_an_earlier_run_are_left_out(tmp_path: Path) -> None:
    text = '{"1": {"class_type": "N", "inputs": {"is_changed": 1}, "is_changed": [NaN]}}'
    found = read_workflow(png(tmp_path / "p.png", prompt=text))
    assert found.data == {"1": {"class_type": "N", "inputs": {"is_changed": 1}}}


def test_broken_json_is_located(tmp_path: Path) -> None:
    with pytest.raises(BrokenJson, match=r"w\.json: it is broken JSON.*line 2, column 3") as caught:
        read_workflow(write(tmp_path / "w.json", "{\n  oops}"))
    assert (caught.value.line, caught.value.column) == (2, 3)


def test_broken_embedded_json_is_located(tmp_path: Path) -> None:
    with pytest.raises(BrokenJson, match=r"its embedded prompt is broken JSON.*line 1, column 2"):
        read_workflow(png(tmp_path / "p.png", prompt="{oops}"))


@pytest.mark.parametrize("content", ["[]", "3", '"x"', "{}", '{"a": 1}', '{"prompt": {}}', "null", "1" * 5000])
def test_json_without_nodes_is_no_workflow(content: str) -> None:
    with pytest.raises(NoWorkflow):
        parse_workflow(content.encode(), Path("w.json"))


def test_bytes_that_are_no_text_are_no_workflow(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_bytes(b"\xff\xfe{\0}\0")
    with pytest.raises(NoWorkflow, match="neither a picture nor text"):
        read_workflow(path)


def test_a_picture_without_a_workflow_says_so(tmp_path: Path) -> None:
    for path in (png(tmp_path / "p.png", Software="x"), with_exif(tmp_path / "p.jpg", Make="x")):
        with pytest.raises(NoWorkflow, match="without a workflow inside"):
            read_workflow(path)


@pytest.mark.parametrize("depth", [200, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(TooDeep):
        parse_workflow(b'{"a": ' * depth + b"1" + b"}" * depth, Path("w"))


def test_too_much_json_is_refused() -> None:
    with pytest.raises(TooLarge):
        parse_workflow(b" " * (workflow_files.MAX_BYTES + 1), Path("w"))


def test_an_embedded_bomb_is_refused(tmp_path: Path) -> None:
    body = b"prompt\0\0" + zlib.compress(b" " * (workflow_files.MAX_BYTES + 1), 9)
    path = tmp_path / "p.png"
    path.write_bytes(
        SIGNATURE + struct.pack(">I4s", len(body), b"zTXt") + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    )
    with pytest.raises(TooLarge):
        read_workflow(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"<svg/>"])
def test_a_file_called_like_a_picture_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(content)
    with pytest.raises(NotAnImage, match=r"p\.png"):
        read_workflow(path)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_a_picture_cut_off_before_its_workflow_is_damaged(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    TINY.save(path)
    path.write_bytes(path.read_bytes()[:16])
    with pytest.raises(DamagedImage):
        read_workflow(path)


def test_a_png_cut_off_behind_its_workflow_still_gives_it(tmp_path: Path) -> None:
    path = png(tmp_path / "p.png", prompt=json.dumps(API))
    path.write_bytes(path.read_bytes()[:-20])
    assert read_workflow(path).data == API


def test_a_missing_file_or_a_folder_can_not_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(UnreadableFile, match="can't be read"):
            read_workflow(path)
