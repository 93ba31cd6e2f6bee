"""Names for files and folders that are still being written, and the removal of those whose writer is gone.

What is to appear whole or not at all is written under a hidden name beside its place and then renamed
(``sdk.whole_files``). A process that is killed meanwhile leaves the hidden one behind; its name says who wrote it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"\.[0-9a-f]{16}-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)\.part")
_SECONDS = 24 * 3600.0
"""Nothing is written for longer; of writers on other machines nothing else is known."""


def part_name() -> str:
    """A new hidden name for a file or folder that this process begins to write."""
    return f".{secrets.token_hex(8)}-{_machine()}-{os.getpid()}.part"


def remove_stale_parts(folder: Path, names: Iterable[str] | None = None) -> None:
    """Remove what lies under such names and whose writers are gone; what can't be removed stays.

    Args:
        names: of the folder's files, where they are known already.
    """
    if names is None:
        with suppress(OSError):
            names = os.listdir(folder)
    for name in names or ():
        if name.endswith(".part") and (known := _NAME.fullmatch(name)):
            with suppress(OSError):
                path = folder / name
                is_here = known["machine"] == _machine()
                if (is_here and not _runs(int(known["process"]))) or path.stat().st_mtime < time.time() - _SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _runs(process: int) -> bool:
    """Whether there is a process of that number; True where the system has no harmless way to ask."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
