"""Which licence a pack has: its name, or the SPDX identifier of the text that its manifest names or its root has."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

LICENCE_FILES = ("license", "licence", "copying", "unlicense")
"""How names of licence files begin, in lower case."""
_LONGEST_NAME = 100
_LONGEST_TEXT = 100_000  # the longest known one, the AGPL's, has 35,000


def declared_licence(folder: Path, declared: Mapping[str, str]) -> Mapping[str, str]:
    """What a manifest says of the licence, with an SPDX identifier as ``text`` where it gives a text that is known.

    Args:
        folder: the pack's.
        declared: ``PackManifest.license``: ``text`` is a name, an expression or the whole text; ``file`` is a path.

    Returns:
        ``{"text": name}``, ``{"file": path, "text": identifier}``, or ``declared`` where the text is not known;
        ``{"file": name}`` of a licence file in the pack's root where nothing is declared.
    """
    text = declared.get("text", "")
    if text and len(text) <= _LONGEST_NAME and "\n" not in text:
        return declared
    if text:
        known = spdx_id(text)
        return {"text": known} if known else declared
    name = declared.get("file") or _file_in_root(folder)
    if not name:
        return declared
    known = spdx_id(read_licence(folder, name) or "")
    return {"file": name, "text": known} if known else {"file": name}


def licence_name(declared: Mapping[str, str]) -> str:
    """A licence in a line: its name, how its text begins, or in which file to see it; "" where nothing is declared."""
    text = declared.get("text", "").strip().partition("\n")[0]
    if text:
        return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
    return f"see {declared['file']}" if declared.get("file") else ""


def read_licence(folder: Path, name: str) -> str | None:
    """The text of a licence file of a pack; ``None`` where that is no file of the pack, or too long for a licence."""
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file() or path.stat().st_size > _LONGEST_TEXT:
            return None
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):  # a name that no file can have
        return None


def spdx_id(text: str) -> str:
    """The SPDX identifier of a licence's whole text; "" where it is none that is known, or differs in more than 5 %.

    Raises:
        OSError: there is no room for a temporary file.
    """
    from identify.identify import license_id  # here, as it is read for packs' texts alone

    lines = [line for line in text[:_LONGEST_TEXT].splitlines() if line.strip()]  # many empty ones would take it hours
    with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as place:
        path = Path(place) / "LICENSE"
        path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
        return license_id(str(path)) or ""


def _file_in_root(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if path.name.lower().startswith(LICENCE_FILES))
    return names[0] if names else ""
