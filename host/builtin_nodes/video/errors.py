"""What goes wrong between videos or sounds and files.

NodeError
├── UnreadableMedia   a file that is neither video nor sound, or a broken one
└── UnfitFrames       frames that can't become a video of the wanted kind
"""

from __future__ import annotations

from pathlib import Path

from sdk.errors import NodeError


class UnreadableMedia(NodeError):
    """A file can't be read as a video or a sound."""

    def __init__(self, path: Path, wanted: str, reason: str) -> None:
        super().__init__(path, wanted, reason)
        self.path, self.wanted, self.reason = path, wanted, reason

    def __str__(self) -> str:
        return f"{self.path.name} can't be read as {self.wanted}: {self.reason}. Export it again from another program."


class UnfitFrames(NodeError):
    """Frames can't be encoded."""

    def __init__(self, width: int, height: int, codec: str, reason: str) -> None:
        super().__init__(width, height, codec, reason)
        self.width, self.height, self.codec, self.reason = width, height, codec, reason

    def __str__(self) -> str:
        return f"Frames of {self.width} x {self.height} pixels can't be saved as {self.codec}: {self.reason}."
