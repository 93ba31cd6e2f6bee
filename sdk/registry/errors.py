"""What can be wrong with an index.

SdkError
└── BadIndexDocument    a document of an index is not what its format says
"""

from __future__ import annotations

from sdk.errors import SdkError


class BadIndexDocument(SdkError):
    """A document of an index is not what its format says."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(where, problem)

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.problem}. The index is damaged or of a newer format: update comfy-nodes, or tell "
            "the registry's operator."
        )
