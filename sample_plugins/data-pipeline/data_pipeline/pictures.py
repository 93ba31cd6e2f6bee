"""Between files and tensors [batch, height, width, 3] in 0..1."""

# ruff: noqa: TID253 - imported inside node bodies, never when the pack is loaded
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy
import torch
from av.error import FFmpegError
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from sdk.whole_files import whole_file


class Unreadable(ValueError):
    """A file is no picture or video that can be read."""

    def __init__(self, path: Path, problem: object) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path.name} can't be read: {self.problem}"


@dataclass(frozen=True)
class Choice:
    """Which frames of a video: from number ``first`` on every ``every``-th, ``most`` in all."""

    first: int
    every: int
    most: int

    @property
    def last(self) -> int:
        return self.first + self.every * (self.most - 1)

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last and (number - self.first) % self.every == 0


def read_frames(path: Path, choice: Choice, report: Callable[[int, int], None]) -> tuple[Tensor, float]:
    """(the chosen frames, frames per second of the chosen ones); the rate is 0 where the file names none.

    Raises:
        Unreadable: there is no video in it that can be decoded, or it has fewer frames than ``first``.
    """
    frames: list[Tensor] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise Unreadable(path, "it has no pictures")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = float(stream.average_rate or 0) / choice.every
            for number, frame in enumerate(container.decode(stream)):
                if number in choice:
                    frames.append(torch.from_numpy(frame.to_ndarray(format="rgb24")))
                    report(len(frames), choice.most)
                if number >= choice.last:
                    break
    except FFmpegError as error:
        raise Unreadable(path, error.strerror or error) from error
    if not frames:
        raise Unreadable(path, f"it has no frame number {choice.first}")
    return torch.stack(frames).float() / 255, rate


def read_picture(path: Path) -> Tensor:
    """[1, height, width, 3], turned as its camera was held.

    Raises:
        Unreadable: it is no picture.
    """
    try:
        with Image.open(path) as picture:
            pixels = numpy.asarray(ImageOps.exif_transpose(picture).convert("RGB"), dtype=numpy.float32)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise Unreadable(path, error) from error
    return torch.from_numpy(pixels / 255)[None]


def write_picture(image: Tensor, path: Path) -> None:
    """Write [height, width, channel] as PNG; the file appears complete."""
    pixels = (image.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    with whole_file(path) as part:
        Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(part, "PNG")
