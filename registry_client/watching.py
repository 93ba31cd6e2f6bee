"""What an installation tells whoever watches it: a terminal's progress bars, or a test that pulls the plug."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Told of everything before it happens."""

    def step(self, name: str) -> None:
        """The next step begins."""

    def download(self, name: str, size: int) -> None:
        """A download begins; size in bytes, 0 where it is not known."""

    def received(self, name: str, count: int) -> None:
        """So many more bytes of it are here. Called from several threads."""


class Nobody:
    """Watches nothing."""

    def step(self, name: str) -> None:
        pass

    def download(self, name: str, size: int) -> None:
        pass

    def received(self, name: str, count: int) -> None:
        pass
