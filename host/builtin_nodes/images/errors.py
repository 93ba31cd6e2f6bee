"""What goes wrong between pictures and files.

NodeError
├── UnreadableImage   a file that is no image, or a broken one
├── UnfitImage        a tensor that can't be a picture of the wanted kind
└── NotSaved          the disk refused the file; nothing of it was left there
"""

from __future__ import annotations

from pathlib import Path

from sdk.errors import NodeError


class UnreadableImage(NodeError):
    """A file can't be read as an image."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path.name} can't be read as an image: {self.reason}. Export it again from another program."


class UnfitImage(NodeError):
    """A tensor can't be made into a picture."""

    def __init__(self, shape: tuple[int, ...], wanted: str) -> None:
        super().__init__(shape, wanted)
        self.shape, self.wanted = shape, wanted

    def __str__(self) -> str:
        return f"An image tensor of shape {list(self.shape)} can't be used: it must be {self.wanted}."


class NotSaved(NodeError):
    """A file could not be written; the folder is as it was."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} was not saved: {self.reason}. Make room or choose another folder, then run again."
