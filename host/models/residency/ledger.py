"""Counts the bytes a module holds on its device."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Ledger:
    """What a module holds now, exactly.

    Attributes:
        mapped: pages of its file, which the system may drop and read again.
        own: bytes that only leave when the module does.
        room: bytes of its own that it may still add for speed alone.
    """

    mapped: int = 0
    own: int = 0
    room: int = 0

    @property
    def total(self) -> int:
        return self.mapped + self.own

    def keep(self, bytes_: int) -> bool:
        """Whether a copy for speed may be kept; what is granted is taken from the room."""
        granted = bytes_ <= self.room
        if granted:
            self.room -= bytes_
        return granted

    def clear(self) -> None:
        """Nothing is held any more."""
        self.mapped = self.own = self.room = 0
