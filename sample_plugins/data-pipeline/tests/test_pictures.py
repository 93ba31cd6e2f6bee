"""Frames of videos, and folders of images."""

from __future__ import annotations

import pytest
import torch  # noqa: TID253 - the nodes give images
from conftest import write_picture, write_video
from data_pipeline.nodes import load_folder, save_folder, video_frames

from sdk import Cancelled, NodeError
from sdk.testing import FakeContext, run_node


def greys(frames: torch.Tensor) -> list[int]:
    return (frames[:, 0, 0, 0] * 255).round().int().tolist()


def test_frames_are_chosen_by_first_every_and_most(context: FakeContext) -> None:
    write_video(context.root / "input" / "v.mkv")
    frames, fps = run_node(video_frames, context, video="v.mkv", first=1, every=3, most=2).outputs
    assert tuple(frames.shape) == (2, 32, 32, 3)
    assert greys(frames) == [20, 80]
    assert fps == pytest.approx(10 / 3)
    frames, fps = run_node(video_frames, context, video="v.mkv").outputs
    assert greys(frames) == list(range(0, 200, 20))
    assert fps == pytest.approx(10)


def test_a_video_that_ends_early_says_so(context: FakeContext) -> None:
    write_video(context.root / "input" / "v.mkv")
    with pytest.raises(NodeError, match="it has no frame number 10"):
        run_node(video_frames, context, video="v.mkv", first=10)


def test_what_is_no_video_is_refused_by_name(context: FakeContext) -> None:
    (context.root / "input" / "v.mp4").write_bytes(b"no video")
    with pytest.raises(NodeError, match=r"v\.mp4 can't be read"):
        run_node(video_frames, context, video="v.mp4")
    with pytest.raises(NodeError, match="leads out of the folder"):
        run_node(video_frames, context, video="../v.mp4")


def test_taking_frames_ends_when_it_is_cancelled(context: FakeContext) -> None:
    write_video(context.root / "input" / "v.mkv")
    context.cancel_after = 2
    with pytest.raises(Cancelled):
        run_node(video_frames, context, video="v.mkv")


def test_a_folder_is_loaded_by_name(context: FakeContext) -> None:
    for name, value in (("b.png", 51), ("a.jpg", 255), ("notes.txt", 0)):
        if name.endswith("txt"):
            (context.root / "input" / "set" / name).write_text("x")
        else:
            write_picture(context.root / "input" / "set" / name, value)
    images, names = run_node(load_folder, context, folder="set").outputs
    assert names == ["a", "b"]
    assert [tuple(image.shape) for image in images] == [(1, 4, 6, 3)] * 2
    assert float(images[1][0, 0, 0, 0]) == pytest.approx(0.2, abs=1e-3)
    assert run_node(load_folder, context, folder="set", pattern="b*").outputs[1] == ["b"]
    assert run_node(load_folder, context, folder="set", most=1).outputs[1] == ["a"]


@pytest.mark.parametrize("folder", ["../", "nowhere", "/etc"])
def test_folders_outside_are_not_there(folder: str, context: FakeContext) -> None:
    with pytest.raises(NodeError, match="There is no folder"):
        run_node(load_folder, context, folder=folder)


def test_links_out_of_the_folder_are_not_followed(context: FakeContext) -> None:
    (context.root / "input" / "l.png").symlink_to(write_picture(context.root / "secret.png"))
    with pytest.raises(NodeError, match="no pictures"):
        run_node(load_folder, context)
    with pytest.raises(NodeError, match="no pictures"):
        run_node(load_folder, context, pattern="../*")


def test_a_broken_picture_is_named(context: FakeContext) -> None:
    (context.root / "input" / "x.png").write_bytes(b"no picture")
    with pytest.raises(NodeError, match=r"x\.png can't be read"):
        run_node(load_folder, context)


def test_a_folder_goes_out_as_it_came_in(context: FakeContext) -> None:
    for name in ("a", "b"):
        write_picture(context.root / "input" / f"{name}.png")
    images, names = run_node(load_folder, context).outputs
    result = run_node(save_folder, context, images=images, names=names, folder="done")
    assert result.outputs == ("done",)
    assert [shown["filename"] for shown in result.ui["images"]] == ["a.png", "b.png"]
    assert sorted(path.name for path in (context.root / "output" / "done").iterdir()) == ["a.png", "b.png"]


def test_images_without_names_are_numbered_and_batches_too(context: FakeContext) -> None:
    result = run_node(save_folder, context, images=[torch.rand(2, 4, 4, 3), torch.rand(1, 4, 4, 1)])
    assert [shown["filename"] for shown in result.ui["images"]] == ["00000.png", "00000-1.png", "00001.png"]


@pytest.mark.parametrize(("names", "said"), [(["x"], "2 images and 1 names"), (["x", "x"], "would be called x.png")])
def test_names_must_fit(names: list[str], said: str, context: FakeContext) -> None:
    with pytest.raises(NodeError, match=said):
        run_node(save_folder, context, images=[torch.rand(1, 4, 4, 3)] * 2, names=names)
    assert not list((context.root / "output").rglob("*.png"))


def test_names_are_no_paths(context: FakeContext) -> None:
    result = run_node(save_folder, context, images=[torch.rand(1, 4, 4, 3)], names=["../../x y"])
    assert result.ui["images"][0]["filename"] == "x_y.png"
