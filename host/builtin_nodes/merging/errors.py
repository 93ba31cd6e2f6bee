"""What can go wrong when models are merged or saved.

NodeError
├── NothingInCommon     two models have no weight of the same name and shape
└── UnsuitableLayout    a part can't be put where it should be saved
"""

from __future__ import annotations

from sdk.errors import NodeError


class NothingInCommon(NodeError):
    """Two models have no weight of the same name and shape.

    Attributes:
        one, other: their families.
    """

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one, other)
        self.one, self.other = one, other

    def __str__(self) -> str:
        return f"A {self.one} and a {self.other} can't be merged: no weight of theirs is alike. Choose two of one kind."


class UnsuitableLayout(NodeError):
    """A part can't be put into the file that is asked for.

    Attributes:
        part: in words.
        family: of the file.
        remedy: what to do instead.
    """

    def __init__(self, part: str, family: str, remedy: str) -> None:
        super().__init__(part, family, remedy)
        self.part, self.family, self.remedy = part, family, remedy

    def __str__(self) -> str:
        return f"This {self.part} can't be put into a checkpoint of {self.family}. {self.remedy}"
