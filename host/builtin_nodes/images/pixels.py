"""Between image files, Pillow images and tensors."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageFile, ImageOps, ImageSequence, UnidentifiedImageError
from torch import Tensor

from host.builtin_nodes.images.errors import UnfitImage, UnreadableImage

NO_MASK_SIDE = 64  # the side of the empty mask of a picture without transparency
PICTURE_CHANNELS = (1, 3, 4)  # grey, RGB, RGBA
# What Pillow's readers raise on files that are cut short or damaged.
BROKEN_FILE: tuple[type[Exception], ...] = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError)
BROKEN_FILE += (TypeError, OverflowError, struct.error, zlib.error)
UNDECODABLE: tuple[type[Exception], ...] = (*BROKEN_FILE, Image.DecompressionBombError)

T = TypeVar("T")
_pillow_setting = Lock()  # Pillow's tolerance of cut-off files is one setting for the whole process


def read_image(path: Path) -> tuple[Tensor, Tensor, bool]:
    """The frames of an image file, upright, with their transparency.

    Frames of another size than the first are left out; of an MPO file (a camera's main picture with
    companions) only the first counts.

    Returns:
        image [frames, height, width, 3], float32 in 0..1; mask, 1 where the picture is transparent:
        [frames, height, width], or [frames, 64, 64] of zeros where no frame has transparency; and whether the
        file was cut off, so that its last rows are missing.

    Raises:
        UnreadableImage: the file is no image, or too damaged or too large to be decoded.
    """
    frames, cut_off = _decoded(path, _frames)
    image = torch.from_numpy(np.stack([colours for colours, _ in frames])).float() / 255.0
    if all(alpha is None for _, alpha in frames):
        return image, torch.zeros(len(frames), NO_MASK_SIDE, NO_MASK_SIDE), cut_off
    opaque = np.full(image.shape[1:3], 255, np.uint8)
    alphas = np.stack([opaque if alpha is None else alpha for _, alpha in frames])
    return image, 1.0 - torch.from_numpy(alphas).float() / 255.0, cut_off


def read_channel(path: Path, channel: str) -> tuple[Tensor, bool]:
    """One channel of an image file's first frame as a mask.

    Args:
        channel: "red", "green", "blue", or "alpha", which is turned round: 1 where the picture is transparent.

    Returns:
        mask [1, height, width], float32 in 0..1; and whether the file was cut off.

    Raises:
        UnreadableImage: the file is no image, or too damaged or too large to be decoded.
    """
    band = channel[0].upper()
    values, cut_off = _decoded(path, lambda image: np.array(_upright(image).convert("RGBA").getchannel(band)))
    mask = torch.from_numpy(values).float() / 255.0
    return (1.0 - mask if channel == "alpha" else mask)[None], cut_off


def to_pillow(image: Tensor) -> Image.Image:
    """An 8-bit picture of a tensor [height, width, channel]; values are cut off below, not rounded.

    Raises:
        UnfitImage: the tensor has not three dimensions with 1, 3 or 4 channels, or no pixels.
    """
    if image.ndim != 3 or image.shape[2] not in PICTURE_CHANNELS or image.numel() == 0:
        raise UnfitImage(tuple(image.shape), "[height, width, channel] with 1, 3 or 4 channels")
    scaled = torch.nan_to_num(image.detach().float() * 255.0, nan=0.0).clamp(0, 255)
    pixels = scaled.to("cpu", torch.uint8).numpy()
    return Image.fromarray(pixels[:, :, 0] if image.shape[2] == 1 else pixels)


def checked_batch(images: Tensor) -> Tensor:
    """The tensor itself, if it is a batch of pictures.

    Raises:
        UnfitImage: it is not [batch, height, width, channel] with at least one picture.
    """
    if images.ndim != 4 or images.numel() == 0:
        raise UnfitImage(tuple(images.shape), "[batch, height, width, channel] with at least one picture")
    return images


def _decoded(path: Path, read: Callable[[Image.Image], T]) -> tuple[T, bool]:
    """What ``read`` makes of the opened file, and whether that took tolerance of a cut-off file."""
    try:
        try:
            with Image.open(path) as image:
                return read(image), False
        except UnidentifiedImageError as error:
            raise UnreadableImage(path, "its content is of no image format known here") from error
        except BROKEN_FILE:
            with tolerating_cut_off_files(), Image.open(path) as image:
                return read(image), True
    except UNDECODABLE as error:
        raise UnreadableImage(path, str(error) or type(error).__name__) from error


@contextmanager
def tolerating_cut_off_files() -> Iterator[None]:
    """Let Pillow read files that lack their end, for one reader at a time: that is a setting of the whole process."""
    with _pillow_setting:
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def _frames(image: Image.Image) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Colours [height, width, 3] and transparency [height, width] or None of each frame, 8 bits."""
    frames: list[tuple[np.ndarray, np.ndarray | None]] = []
    first_only = image.format == "MPO"
    for frame in ImageSequence.Iterator(image):
        upright = _upright(frame)
        colours = np.array(upright.convert("RGB"))
        if not frames or colours.shape == frames[0][0].shape:
            frames.append((colours, _alpha(upright)))
        if first_only:
            break
    return frames


def _upright(frame: Image.Image) -> Image.Image:
    """The frame turned as its EXIF orientation says, 32-bit greys in 8 bits, transparency of palettes as a channel."""
    turned = ImageOps.exif_transpose(frame)
    if turned.mode == "I":
        return turned.point(lambda value: value * (1 / 255))
    return turned.convert("RGBA") if turned.mode == "P" and "transparency" in turned.info else turned


def _alpha(frame: Image.Image) -> np.ndarray | None:
    # LAB has a colour axis of that name; existing workflows get it as their mask.
    return np.array(frame.getchannel("A")) if "A" in frame.getbands() else None
