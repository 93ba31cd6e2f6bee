"""Content types of files by their names: fixed where browsers depend on them, whatever the system's tables say."""

from __future__ import annotations

import mimetypes
from pathlib import PurePath

UNKNOWN = "application/octet-stream"
JAVASCRIPT = "application/javascript; charset=utf-8"
_FIXED = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": JAVASCRIPT,
    ".json": "application/json; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": JAVASCRIPT,
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tga": UNKNOWN,
    ".txt": "text/plain",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


def media_type(name: str) -> str:
    """The content type of a file of that name."""
    fixed = _FIXED.get(PurePath(name).suffix.lower())
    if fixed is not None:
        return fixed
    guessed, encoding = mimetypes.guess_type(name, strict=False)
    return guessed if guessed and encoding is None else UNKNOWN


def inert_type(name: str) -> str:
    """The same for files that anybody may have uploaded: a page or a style sheet is only bytes."""
    guessed = media_type(name)
    return UNKNOWN if guessed.startswith(("text/html", "text/css", "application/xhtml")) else guessed
