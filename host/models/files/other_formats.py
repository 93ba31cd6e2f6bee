"""Tells by its first bytes what a file is that has the suffix of another format, or is no model at all.

Such files are common: a site's page or message saved in the place of a download, a pointer to a large file.
"""

from __future__ import annotations

import re
from pathlib import Path

from host.models.errors import OtherFormat

_LOOKED_AT = 4096
_SAFETENSORS = re.compile(rb'.{7}\x00\{[" }]', re.DOTALL)
_FORMATS = (
    (_SAFETENSORS, (".safetensors", ".sft"), "is a safetensors file", "Rename it to end in .safetensors."),
    (re.compile(rb"GGUF"), (".gguf",), "is a GGUF file", "Rename it to end in .gguf."),
    (
        re.compile(rb"PK\x03\x04|\x80[\x02-\x05][\]}(cX\x8a\x95]"),
        (".ckpt", ".pt", ".pth", ".bin"),
        "is a file of torch's, or another archive or pickle",
        "If it holds a model, rename it to end in .ckpt.",
    ),
    (
        re.compile(rb"version https://git-lfs"),
        (),
        "is a pointer of Git LFS to the model, not the model itself",
        "Fetch it with `git lfs pull`, or download the file from the site.",
    ),
    (
        re.compile(rb"(?:\xef\xbb\xbf)?\s*<[!?a-zA-Z]"),
        (),
        "is a web page",
        "The site may want you to sign in, or to accept a licence; then download the file again.",
    ),
    (
        re.compile(rb"\s*\{\s*\"[ -~\s]{6}"),
        (),
        "is text, such as a site's message or a configuration",
        "Open it to see what it says, and download the model again.",
    ),
    (re.compile(rb"\x08[\x01-\x20]\x12.[\x20-~]"), (), "is an ONNX model", "Such files can't be used; find another."),
    (re.compile(rb"\x00{64}"), (), "begins with nothing but zeros", "Its download was broken off; begin it anew."),
)
"""How each begins, the suffixes it rightly has, what it is, and what to do."""


def other_format(path: Path) -> OtherFormat | None:
    """What to raise for a file that can't be read because it is something else; None where that isn't known."""
    try:
        with path.open("rb", buffering=0) as file:
            start = file.read(_LOOKED_AT)
    except OSError:
        return None
    for begins, suffixes, problem, remedy in _FORMATS:
        if begins.match(start):
            return None if path.name.lower().endswith(suffixes) else OtherFormat(path, problem, remedy)
    return None
