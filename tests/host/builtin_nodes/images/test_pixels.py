from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageFile

from host.builtin_nodes.images.errors import UnfitImage, UnreadableImage
from host.builtin_nodes.images.pixels import checked_batch, read_channel, read_image, to_pillow

RED, CLEAR = (255, 0, 0, 255), (0, 0, 255, 0)


def saved(path: Path, picture: Image.Image, **options: Any) -> Path:
    picture.save(path, **options)
    return path


def test_a_picture_without_transparency_gets_a_small_empty_mask(tmp_path: Path) -> None:
    image, mask, cut_off = read_image(saved(tmp_path / "p.png", Image.new("RGB", (3, 2), (255, 51, 0))))
    assert image.shape == (1, 2, 3, 3)
    assert image.dtype == torch.float32
    torch.testing.assert_close(image[0, 0, 0], torch.tensor([1.0, 0.2, 0.0]))
    assert torch.equal(mask, torch.zeros(1, 64, 64))
    assert not cut_off


def test_the_mask_is_one_where_the_picture_is_transparent(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (2, 1), RED)
    picture.putpixel((1, 0), CLEAR)
    image, mask, _ = read_image(saved(tmp_path / "p.png", picture))
    assert mask.tolist() == [[[0.0, 1.0]]]
    assert image[0, 0, 1].tolist() == [0.0, 0.0, 1.0]  # colours below the transparency are kept


def test_where_only_some_frames_are_transparent_the_others_are_opaque(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 2), "red"), Image.new("RGBA", (4, 2), CLEAR)]
    path = saved(tmp_path / "p.tif", frames[0], save_all=True, append_images=frames[1:])
    image, mask, _ = read_image(path)
    assert image.shape == (2, 2, 4, 3)
    assert mask.amin((1, 2)).tolist() == [0.0, 1.0]


def test_frames_of_another_size_are_left_out(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 2)), Image.new("RGB", (5, 2)), Image.new("RGB", (4, 2))]
    path = saved(tmp_path / "p.tif", frames[0], save_all=True, append_images=frames[1:])
    assert read_image(path)[0].shape == (2, 2, 4, 3)


def test_of_a_multi_picture_file_only_the_main_one_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / "p.mpo", frames[0], save_all=True, append_images=frames[1:])
    image, _, _ = read_image(path)
    assert image.shape == (1, 16, 16, 3)
    assert image[0, 0, 0, 0] > 0.9


def test_a_turned_picture_is_turned_back(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "p.png", Image.new("RGB", (3, 2)), exif=exif)
    assert read_image(path)[0].shape == (1, 3, 2, 3)
    assert read_channel(path, "red")[0].shape == (1, 3, 2)


def test_a_cut_off_file_gives_what_is_left_and_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", Image.effect_noise((64, 64), 80))
    path.write_bytes(path.read_bytes()[:-600])
    assert read_image(path)[2]
    assert read_channel(path, "red")[1]
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a" + b"\xff" * 20])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match=r"odd\.png"):
        read_image(path)
    with pytest.raises(UnreadableImage, match=r"odd\.png"):
        read_channel(path, "alpha")


def test_a_picture_of_absurd_size_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.png", Image.new("1", (9, 9)))
    header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    path.write_bytes(path.read_bytes()[:12] + header + struct.pack(">I", zlib.crc32(header)) + path.read_bytes()[33:])
    with pytest.raises(UnreadableImage, match="exceeds limit"):
        read_image(path)


@pytest.mark.parametrize(
    ("channel", "value"), [("red", 1.0), ("green", 51 / 255), ("blue", 0.0), ("alpha", 1 - 102 / 255)]
)
def test_a_channel_is_read_as_a_mask(tmp_path: Path, channel: str, value: float) -> None:
    mask, _ = read_channel(saved(tmp_path / "p.png", Image.new("RGBA", (3, 2), (255, 51, 0, 102))), channel)
    torch.testing.assert_close(mask, torch.full((1, 2, 3), value))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_channels_decide_the_mode(channels: int, mode: str) -> None:
    picture = to_pillow(torch.full((2, 3, channels), 0.5))
    assert (picture.mode, picture.size) == (mode, (3, 2))
    assert set(picture.tobytes()) == {127}


def test_values_are_cut_to_the_range_and_no_numbers_are_black() -> None:
    values = torch.tensor([-1.0, 2.0, float("nan"), float("inf"), float("-inf"), 0.999])
    assert list(to_pillow(values.reshape(1, 6, 1)).tobytes()) == [0, 255, 0, 255, 0, 254]


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 2), (2, 2, 5), (0, 2, 3)])
def test_other_shapes_are_no_pictures(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnfitImage, match="channels"):
        to_pillow(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 2, 3), (0, 2, 2, 3), (1, 1, 2, 2, 3)])
def test_other_shapes_are_no_batches(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnfitImage, match="at least one picture"):
        checked_batch(torch.zeros(shape))
