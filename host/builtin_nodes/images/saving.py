"""Numbered files that appear whole or not at all, and never in place of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from host.builtin_nodes.images.errors import NotSaved
from sdk.context import SavePlace
from sdk.whole_files import part_file, take_free_name


@dataclass(frozen=True)
class SavedFile:
    """A file as clients are told of it.

    Attributes:
        number: the number it got; the next one of the same stem is at least one more.
    """

    filename: str
    subfolder: str
    root: str
    number: int

    def shown(self) -> dict[str, str]:
        """The entry of an output node's ``ui`` payload."""
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.root}


def save_numbered(
    place: SavePlace, write: Callable[[IO[bytes]], object], *, suffix: str = ".png", number: int = 0, stem: str = ""
) -> SavedFile:
    """Write ``<stem>_<number>_<suffix>`` in the place's folder, with the first number that is free.

    The content goes to a nameless neighbour first, which then takes the name in one step; so a killed
    process, a full disk or another writer of the same stem never leaves half a file or loses one.

    Args:
        write: puts the content into the open binary file it is given.
        number: where to begin looking for a free number; by default at ``place.counter``.
        stem: instead of ``place.stem``.

    Raises:
        NotSaved: the disk refused.
    """
    stem, number = stem or place.stem, number or place.counter
    try:
        with part_file(place.folder) as part:
            with part.open("xb") as file:
                write(file)
            while not take_free_name(part, place.folder / _name(stem, number, suffix)):
                number += 1
    except OSError as error:
        raise NotSaved(place.folder / _name(stem, number, suffix), error.strerror or str(error)) from error
    return SavedFile(_name(stem, number, suffix), place.subfolder, place.root, number)


def _name(stem: str, number: int, suffix: str) -> str:
    return f"{stem}_{number:05}_{suffix}"
