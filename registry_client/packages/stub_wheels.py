"""Wheels without content, which tell uv what is: the host's packages, and packs with what they need.

The host's ``torch 2.13.0+cpu`` need be on no index; given to uv as the address of a file, it is not looked for there.
A pack as a wheel of its own makes uv's explanations speak of the pack.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

_WHEEL = "Wheel-Version: 1.0\nGenerator: comfy-nodes\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_TIME = (1980, 1, 1, 0, 0, 0)


def write_stub(folder: Path, name: str, version: str, requires: Iterable[str] = (), extras: Iterable[str] = ()) -> str:
    """Write the wheel; the requirement that names it.

    Args:
        requires: its requirements (PEP 508).
        extras: which it has.
    """
    stem = f"{name.replace('-', '_').replace('.', '_')}-{version.replace('-', '.')}"
    path = folder / f"{stem}-py3-none-any.whl"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    with zipfile.ZipFile(path, "w") as wheel:
        for entry, content in (("METADATA", "\n".join(lines) + "\n"), ("WHEEL", _WHEEL), ("RECORD", "")):
            wheel.writestr(zipfile.ZipInfo(f"{stem}.dist-info/{entry}", _TIME), content)
    return f"{name} @ {path.as_uri()}"
