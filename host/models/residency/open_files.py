"""How many files the process may have open: each mapped model file is one of them."""

from __future__ import annotations

import sys
from contextlib import suppress

MANY = 1 << 16


def allow_many_files() -> None:
    """Let this process have as many files open as the system allows, up to ``MANY``; where it doesn't, nothing."""
    if sys.platform == "win32":
        return  # no such limit
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MANY if hard == resource.RLIM_INFINITY else min(hard, MANY)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):  # macOS has a lower limit than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
