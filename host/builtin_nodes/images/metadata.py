"""The workflow inside a picture: as text chunks of a PNG, or as EXIF tags of a WebP."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

EXIF_PROMPT, EXIF_EXTRA = 0x0110, 0x010F  # camera model, and from camera maker downwards

logger = logging.getLogger(__name__)


def png_text(prompt: Any, extra: Mapping[str, Any] | None) -> PngInfo:
    """Text chunks ``prompt`` and one for each extra entry, in JSON."""
    text = PngInfo()
    for key, value in _entries(prompt, extra):
        text.add_text(key, value)
    return text


def animated_png_text(prompt: Any, extra: Mapping[str, Any] | None) -> PngInfo:
    """The same in private ``comf`` chunks behind the pixels, where animated PNGs carry it."""
    text = PngInfo()
    for key, value in _entries(prompt, extra):
        text.add(b"comf", key.encode("latin-1") + b"\0" + value.encode("latin-1"), after_idat=True)
    return text


def exif(prompt: Any, extra: Mapping[str, Any] | None) -> Image.Exif:
    """EXIF tags ``prompt:{…}`` and one ``key:{…}`` for each extra entry."""
    tags = Image.Exif()
    tag = EXIF_EXTRA
    for key, value in _entries(prompt, extra):
        if key == "prompt":
            tags[EXIF_PROMPT] = f"{key}:{value}"
        else:
            tags[tag] = f"{key}:{value}"
            tag -= 1
    return tags


def _entries(prompt: Any, extra: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    entries = dict(extra or {}) if prompt is None else {"prompt": prompt} | {**(extra or {}), "prompt": prompt}
    for key, value in entries.items():
        if _is_keyword(key):
            yield key, json.dumps(value)
        else:  # losing the picture would be worse than losing an odd note beside it
            logger.warning("metadata %r is not saved: a PNG keyword has 1 to 79 Latin-1 characters", key)


def _is_keyword(key: str) -> bool:
    return 0 < len(key) < 80 and "\0" not in key and all(ord(character) < 256 for character in key)
