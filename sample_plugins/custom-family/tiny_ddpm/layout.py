"""What a file's names and shapes say of the network in it."""

from __future__ import annotations

from dataclasses import dataclass

from sdk import Header

PREFIX = "ddpm."
_PIXELS_PER_CELL = 4


class NotTinyDdpm(Exception):
    """The file is none of this family; ``reason`` is for the message about files that nobody knows."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Layout:
    """Channels of the images, and widths of the network."""

    channels: int
    width: int
    time_width: int


def read_layout(header: Header) -> Layout:
    """The widths of the network in a file.

    Raises:
        NotTinyDdpm: a weight is missing, or the shapes do not fit each other.
    """
    first = _shape(header, "conv_in.weight", 4)
    last = _shape(header, "conv_out.weight", 4)
    time = _shape(header, "time_in.weight", 2)
    width, cells = first[0], first[1]
    if last[:2] != (cells, width) or cells % _PIXELS_PER_CELL:
        raise NotTinyDdpm("its first and last convolutions do not fit each other")
    if _shape(header, "down.weight", 4)[:2] != (2 * width, width):
        raise NotTinyDdpm("its second resolution is not twice as wide as its first")
    return Layout(cells // _PIXELS_PER_CELL, width, time[0])


def _shape(header: Header, name: str, dimensions: int) -> tuple[int, ...]:
    shape = header.shape(PREFIX + name)
    if shape is None or len(shape) != dimensions:
        raise NotTinyDdpm(f"it has no weight {PREFIX}{name} of {dimensions} dimensions")
    return shape
