from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from host.builtin_nodes.images.animations import save_animated_png, save_animated_webp
from host.workflow_files import read_workflow
from sdk import NodeType
from tests.support.node_context import context_in

PROMPT = {"1": {"class_type": "SaveAnimatedPNG", "inputs": {}}}
FRAMES = torch.linspace(0, 1, 3).reshape(3, 1, 1, 1).expand(3, 4, 4, 3)


@pytest.mark.parametrize(
    ("node", "options", "suffix"),
    [
        (save_animated_png, {"compress_level": 1}, ".png"),
        (save_animated_webp, {"lossless": True, "quality": 80, "method": "fastest"}, ".webp"),
    ],
)
def test_an_animation_keeps_frames_rate_and_workflow(
    node: NodeType, options: dict[str, object], suffix: str, tmp_path: Path
) -> None:
    inputs = {"images": FRAMES, "filename_prefix": "a", "fps": 8.0, "prompt": PROMPT, **options}
    ui = node.run(None, inputs, context_in(tmp_path)).ui
    assert ui == {
        "images": [{"filename": f"a_00001_{suffix}", "subfolder": "", "type": "output"}],
        "animated": (True,),
    }
    path = tmp_path / f"output/a_00001_{suffix}"
    assert read_workflow(path).data == PROMPT
    with Image.open(path) as picture:
        levels = []
        for index in range(3):
            picture.seek(index)
            picture.load()
            levels.append(picture.convert("RGB").getpixel((0, 0))[0])
            assert picture.info["duration"] == 125
    assert levels == [0, 127, 255]


def test_a_single_webp_picture_is_no_animation(tmp_path: Path) -> None:
    inputs = {"images": FRAMES[:1], "method": "default"}
    assert save_animated_webp.run(None, inputs, context_in(tmp_path)).ui["animated"] == (False,)
