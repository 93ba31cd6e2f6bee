from __future__ import annotations

import json
import logging
import re
from datetime import datetime
from pathlib import Path

import pytest
import torch
from PIL import Image

from host.builtin_nodes.images.savers import mask_preview, preview_image, save_image
from host.workflow_files import read_workflow
from sdk import Cancelled, UnfitInput
from tests.support.node_context import LoneContext, context_in

PROMPT = {"1": {"class_type": "SaveImage", "inputs": {}}}
WORKFLOW = {"nodes": [], "name": "ä"}


@pytest.fixture
def context(tmp_path: Path) -> LoneContext:
    return context_in(tmp_path, now=lambda: datetime(2026, 1, 2))


def run(context: LoneContext, images: torch.Tensor, prefix: str = "x") -> list[dict[str, str]]:
    inputs = {"images": images, "filename_prefix": prefix, "prompt": PROMPT, "extra_pnginfo": {"workflow": WORKFLOW}}
    ui = save_image.run(None, inputs, context).ui
    return [dict(entry) for entry in ui["images"]]


def test_a_saved_picture_brings_its_workflow_back(context: LoneContext, tmp_path: Path) -> None:
    (entry,) = run(context, torch.zeros(1, 2, 3, 3), "%year%/p")
    assert entry == {"filename": "p_00001_.png", "subfolder": "2026", "type": "output"}
    found = read_workflow(tmp_path / "output/2026/p_00001_.png")
    assert (found.data, found.extra_pnginfo) == (PROMPT, {"workflow": WORKFLOW})


def test_each_picture_of_a_batch_is_a_file_and_no_run_overwrites_another(context: LoneContext, tmp_path: Path) -> None:
    for _ in range(2):
        run(context, torch.zeros(2, 2, 3, 3), "b%batch_num%")
    names = sorted(path.name for path in (tmp_path / "output").iterdir())
    assert names == ["b0_00001_.png", "b0_00002_.png", "b1_00002_.png", "b1_00003_.png"]


def test_size_tokens_are_width_and_height_of_the_picture(context: LoneContext) -> None:
    assert run(context, torch.zeros(1, 2, 3, 3), "%width%x%height%")[0]["filename"] == "3x2_00001_.png"


def test_values_that_are_no_numbers_are_saved_as_black_with_a_warning(
    context: LoneContext, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        run(context, torch.full((1, 1, 1, 3), float("nan")))
    assert "no numbers" in caplog.text
    with Image.open(tmp_path / "output/x_00001_.png") as picture:
        assert picture.getpixel((0, 0)) == (0, 0, 0)


def test_an_image_of_a_wrong_shape_makes_no_folder(context: LoneContext, tmp_path: Path) -> None:
    with pytest.raises(UnfitInput, match=r"shape \[2, 3, 3\] is not an image"):
        run(context, torch.zeros(2, 3, 3))
    assert not (tmp_path / "output").exists()


def test_a_cancelled_job_saves_nothing_more(context: LoneContext, tmp_path: Path) -> None:
    context.cancel.cancelled = True
    with pytest.raises(Cancelled):
        run(context, torch.zeros(3, 2, 2, 3))
    assert list((tmp_path / "output").iterdir()) == []


def test_previews_get_random_names_in_the_temporary_folder(context: LoneContext, tmp_path: Path) -> None:
    inputs = {"images": torch.zeros(1, 2, 2, 3), "prompt": PROMPT}
    names = [preview_image.run(None, inputs, context).ui["images"][0]["filename"] for _ in range(2)]
    assert names[0] != names[1]
    assert all(re.fullmatch(r"ComfyUI_temp_[a-z]{5}_00001_\.png", name) for name in names)
    with Image.open(tmp_path / "temp" / names[0]) as picture:
        assert json.loads(picture.info["prompt"]) == PROMPT


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3), (1, 1, 2, 3)])
def test_masks_are_shown_in_grey(context: LoneContext, tmp_path: Path, shape: tuple[int, ...]) -> None:
    ui = mask_preview.run(None, {"mask": torch.full(shape, 0.5)}, context).ui
    with Image.open(tmp_path / "temp" / ui["images"][0]["filename"]) as picture:
        assert (picture.mode, picture.size, picture.getpixel((0, 0))) == ("RGB", (3, 2), (127, 127, 127))
