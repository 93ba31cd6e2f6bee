from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from host.builtin_nodes.images.loaders import load_image, load_image_mask, load_image_output, webcam_capture
from host.builtin_nodes.images.savers import save_image
from host.engine.outcome import RunState
from sdk import NodeError, NodeType
from tests.support.lone_host import LoneHost
from tests.support.node_context import LoneContext, context_in


@pytest.fixture
def context(tmp_path: Path) -> LoneContext:
    (tmp_path / "input").mkdir()
    Image.new("RGBA", (3, 2), (255, 0, 0, 255)).save(tmp_path / "input/p.png")
    return context_in(tmp_path)


def test_a_picture_comes_with_its_mask(context: LoneContext) -> None:
    image, mask = load_image.run(None, {"image": "p.png"}, context).outputs
    assert image.shape == (1, 2, 3, 3)
    assert mask.shape == (1, 2, 3)


def test_a_channel_comes_as_a_mask(context: LoneContext) -> None:
    (mask,) = load_image_mask.run(None, {"image": "p.png", "channel": "red"}, context).outputs
    assert mask.tolist() == [[[1.0] * 3] * 2]


@pytest.mark.parametrize("name", ["gone.png", "../p.png", "gone.png [output]"])
def test_a_file_that_is_not_there_is_an_invalid_image_file(context: LoneContext, name: str) -> None:
    with pytest.raises(NodeError) as caught:
        load_image.run(None, {"image": name}, context)
    assert str(caught.value).startswith(f"Invalid image file: {name}. ")


def test_a_cut_off_file_is_loaded_with_a_warning(
    context: LoneContext, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "input/cut.jpg"
    Image.effect_noise((64, 64), 80).save(path)
    path.write_bytes(path.read_bytes()[:-600])
    with caplog.at_level(logging.WARNING):
        load_image.run(None, {"image": "cut.jpg"}, context)
        load_image_mask.run(None, {"image": "cut.jpg", "channel": "blue"}, context)
    assert caplog.text.count("cut.jpg is cut off") == 2


@pytest.mark.parametrize("node", [load_image, load_image_mask])
def test_names_beyond_the_list_are_left_to_the_run(node: NodeType) -> None:
    assert node.validation is not None
    assert node.validation.names == {"image"}
    assert node.validation.check(image="sub/p.png [output]") is True
    assert node.validation.check(image="") == "Invalid image file: "


def test_a_changed_file_makes_results_stale() -> None:
    assert load_image.reads == load_image_mask.reads == ("image",)


def prompt_for(name: str) -> dict[str, Any]:
    nodes = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    return {"prompt": nodes}


@pytest.mark.parametrize("name", ["p.png", "sub/q.png", "r.png [output]"])
def test_the_engine_lets_names_beyond_the_list_pass(context: LoneContext, tmp_path: Path, name: str) -> None:
    for copy in ("input/sub/q.png", "output/r.png"):
        (tmp_path / copy).parent.mkdir(exist_ok=True)
        shutil.copy(tmp_path / "input/p.png", tmp_path / copy)
    host = LoneHost([load_image, save_image], context.folders)
    assert host.run(prompt_for(name)).state is RunState.SUCCEEDED


def test_a_missing_file_fails_the_run_with_its_name(context: LoneContext) -> None:
    outcome = LoneHost([load_image, save_image], context.folders).run(prompt_for("gone.png"))
    assert outcome.state is RunState.FAILED
    assert outcome.failure is not None
    assert "Invalid image file: gone.png" in outcome.failure.message


def test_a_file_is_read_again_only_once_it_changed(context: LoneContext, tmp_path: Path) -> None:
    host = LoneHost([load_image, save_image], context.folders)
    assert host.run(prompt_for("p.png")).executed == 2
    assert host.run(prompt_for("p.png")).executed == 0
    Image.new("RGB", (30, 20)).save(tmp_path / "input/p.png")
    assert host.run(prompt_for("p.png")).executed == 2


def test_a_saved_picture_is_loaded_again_by_the_name_the_browser_lists(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    Image.new("RGB", (5, 3), (255, 0, 0)).save(tmp_path / "output" / "made.png")
    picture, _ = load_image_output("made.png [output]", context_in(tmp_path))
    assert picture.shape == (1, 3, 5, 3)
    declared = load_image_output.input("image")
    assert declared is not None
    kind, options = declared.config()
    assert (kind, options["remote"]["route"], "options" in options) == ("COMBO", "/internal/files/output", False)


def test_a_picture_from_the_camera_is_read_where_the_browser_put_it(tmp_path: Path) -> None:
    (tmp_path / "temp").mkdir()
    Image.new("RGB", (5, 3), (0, 255, 0)).save(tmp_path / "temp" / "shot.png")
    picture = webcam_capture("shot.png [temp]", context_in(tmp_path))
    assert picture[0, 0, 0].tolist() == [0, 1, 0]
