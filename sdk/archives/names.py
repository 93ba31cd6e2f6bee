"""Which names an archive's entries may have, so that they mean the same file on every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

COMPONENT_BYTES = 255
PATH_BYTES = 1024
_DEVICES = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>"|?*]')
_REORDERING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def name_problem(name: str) -> str | None:
    """What is wrong with an entry's name; None if it may be used. A folder's name ends in ``/``."""
    parts = name.removesuffix("/").split("/")
    if problem := _text_problem(name):
        return problem
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "is an absolute path"
    if ".." in parts:
        return "leads out of the folder"
    if "" in parts or "." in parts:
        return "has an empty part"
    return next(filter(None, map(_part_problem, parts)), None)


def _text_problem(name: str) -> str | None:
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        return "holds control characters"
    if _REORDERING.search(name):
        return "holds characters that reverse the direction of writing"
    if "\\" in name:
        return "holds a backslash, which separates folders on Windows"
    if len(name.encode()) > PATH_BYTES:
        return f"is longer than {PATH_BYTES} bytes"
    return None


def _part_problem(part: str) -> str | None:
    if _DEVICES.fullmatch(part.split(".")[0].rstrip(" ")):
        return "is the name of a device on Windows"
    if ":" in part or _FORBIDDEN.search(part):
        return "holds a character that Windows does not allow"
    if part[-1] in ". ":
        return "has a part that ends in a dot or blank, which Windows drops"
    if len(part.encode()) > COMPONENT_BYTES:
        return f"has a part longer than {COMPONENT_BYTES} bytes"
    return None


def collisions(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names that are the same file as an earlier one, exactly or on some system, each with what is wrong.

    Systems differ in case and in Unicode normalisation; folders on the way count too.
    """
    spelt: dict[str, tuple[str, bool]] = {}
    entries: set[str] = set()
    for name in names:
        if name in entries:
            yield name, "is there twice"
            continue
        entries.add(name)
        parts = name.removesuffix("/").split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            is_folder = depth < len(parts) or name.endswith("/")
            earlier, was_folder = spelt.setdefault(_folded(path), (path, is_folder))
            if earlier != path:
                yield name, f"is the same file as {earlier!r} on systems that ignore case or accents' encoding"
                break
            if is_folder != was_folder:
                yield name, "is both a file and a folder"
                break


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
