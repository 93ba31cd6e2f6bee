"""From a picture's file to a tensor."""

# ruff: noqa: TID253 - imported inside node bodies, never when the pack is loaded
from __future__ import annotations

import io

import numpy
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor


class NoPicture(ValueError):
    """The bytes are no picture."""


def decode(data: bytes) -> Tensor:
    """[1, height, width, 3] in 0..1.

    Raises:
        NoPicture: the bytes are no picture that Pillow can read.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            pixels = numpy.asarray(picture.convert("RGB"), dtype=numpy.float32)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise NoPicture(f"what the API sent is no picture ({error})") from error
    return torch.from_numpy(pixels / 255)[None]
