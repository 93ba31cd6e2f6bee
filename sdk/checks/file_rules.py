"""The rules about which files a pack ships."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sdk.checks.findings import Finding
from sdk.checks.rules import RULES

_NATIVE = (".so", ".dll", ".dylib", ".pyd", ".exe", ".bin.exe", ".node", ".msi", ".app", ".scr", ".com")
_SCRIPTS = (".sh", ".bat", ".cmd", ".ps1", ".vbs", ".command")
_EXECUTABLE_STARTS = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_PLAIN = (".py", ".md", ".txt", ".json", ".js", ".css", ".html", ".toml", ".png", ".jpg", ".webp", ".yaml", ".yml")


def file_findings(folder: Path, names: Iterable[str]) -> Iterator[Finding]:
    """CN120 to CN123, for the files of these relative names."""
    for name in names:
        lower = name.lower()
        if name == "install.py":
            yield RULES["CN122"].found("install.py is never run unless a user allows it", name)
        elif lower.endswith(".pyc"):
            yield RULES["CN123"].found("compiled Python", name)
        elif lower.endswith(_SCRIPTS):
            yield RULES["CN121"].found("a script for a shell", name)
        elif lower.endswith(_NATIVE) or (not lower.endswith(_PLAIN) and _is_executable(folder / name)):
            yield RULES["CN120"].found("a program or native library", name)


def _is_executable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError:
        return False
    return start.startswith(_EXECUTABLE_STARTS) and (not start.startswith(b"MZ") or len(start) == 64)
