"""What can be wrong with the files this pack reads.

PlacementError
├── BadRules     the rules file can't be used; every fault is listed
└── BadNote      a note beside a model file can't be used; every fault is listed
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdk import SdkError


class PlacementError(SdkError):
    """A file can't be used; ``problems`` holds every fault found."""

    remedy = ""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(path, problems)
        self.path, self.problems = path, tuple(problems)

    def __str__(self) -> str:
        return f"{self.path}: {'; '.join(self.problems)}. {self.remedy}"


class BadRules(PlacementError):
    """The rules file can't be used."""

    remedy = "Mend it, or unset PLACEMENT_RULES, and start again."


class BadNote(PlacementError):
    """A note beside a model file can't be used."""

    remedy = "Mend it, or take it away to have the file recognised by its tensors."
