"""What ends a block of statements early."""

from __future__ import annotations

import builtins


class Leaving(Exception):
    """Root of what ends a block early."""


class Return(Leaving):
    """The function returns."""


class Raised(Leaving):
    """An error is certain to be raised; ``reason`` says why, ``kind`` is its builtin class, "" where not known."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.reason, self.kind = reason, kind

    def is_caught_by(self, names: list[str]) -> bool:
        """Whether an ``except`` clause that names these classes takes it; one that names none takes all."""
        if not names or not self.kind:
            return True
        kind = getattr(builtins, self.kind, None)
        caught = [getattr(builtins, name, None) for name in names]
        return isinstance(kind, type) and any(isinstance(each, type) and issubclass(kind, each) for each in caught)


class LoopLeft(Leaving):
    """``break``."""


class RoundLeft(Leaving):
    """``continue``."""
