"""What can be wrong with a file of weight changes.

NodeError
├── NothingMatches      none of its keys fits the models it is meant for
└── MalformedLayer      a layer's tensors can't be what their names say
RuntimeError
└── DeltaMisfit         a change has another shape than the weight; the model manager names file and weight
"""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.lora.unread import unread_kinds
from sdk.errors import NodeError

_LISTED = 4


def first_of(names: Sequence[str]) -> str:
    """The first few of many names, with a count of the rest."""
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"


class NothingMatches(NodeError):
    """None of a file's keys fits any of the models it is meant for.

    Attributes:
        file: the file's name.
        models: what it was meant for, in words.
        keys: the file's keys.
    """

    def __init__(self, file: str, models: Sequence[str], keys: Sequence[str]) -> None:
        super().__init__(file, models, keys)
        self.file, self.models, self.keys = file, tuple(models), tuple(keys)

    def __str__(self) -> str:
        found = f"Its keys are like {first_of(self.keys)}" if self.keys else "It holds no tensors"
        kinds = ", ".join(unread_kinds(self.keys))
        stored = f"is stored as {kinds}, which can't be read" if kinds else "is stored in a way nobody here knows"
        return (
            f"{self.file!r} changes no weight of {' or '.join(self.models)}: it was made for another kind of model, "
            f"or {stored}. {found}. Pick a file made for this model."
        )


class MalformedLayer(NodeError):
    """A layer's tensors can't be what their names say; ``stem`` is what their keys begin with."""

    def __init__(self, stem: str, problem: str) -> None:
        super().__init__(stem, problem)
        self.stem, self.problem = stem, problem

    def __str__(self) -> str:
        return f"The change stored under {self.stem!r} can't be used: {self.problem}. Get the file again, or another."


class DeltaMisfit(RuntimeError):
    """A change doesn't have the shape of the weight it is for."""

    def __init__(self, found: Sequence[int], wanted: Sequence[int]) -> None:
        super().__init__(found, wanted)
        self.found, self.wanted = tuple(found), tuple(wanted)

    def __str__(self) -> str:
        return f"a change of shape {list(self.found)} does not fit a weight of shape {list(self.wanted)}"
