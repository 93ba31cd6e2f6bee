"""Why a header can't be one of a family's files."""

from __future__ import annotations


class LayoutError(Exception):
    """A header doesn't have the layout that was looked for; ``reason`` says in a few words where it departs from it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
