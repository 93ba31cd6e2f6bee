"""What can be wrong with a definition, or go wrong inside a node.

SdkError
├── DefinitionError       a node, socket or marker is declared wrongly; raised where it is declared
├── ManifestError         a pack's pyproject.toml says something we can't use
├── NodeError             a node refuses its inputs while it runs; the message is for the user
└── Cancelled             the job was cancelled; raised out of progress() and passed on untouched
"""

from __future__ import annotations


class SdkError(Exception):
    """Root of everything the SDK raises."""


class DefinitionError(SdkError):
    """A node is declared wrongly.

    Attributes:
        node: id of the node, as far as it is known.
        problem: what is wrong with it.
        remedy: what the author can do.
    """

    def __init__(self, node: str, problem: str, remedy: str) -> None:
        super().__init__(node, problem, remedy)
        self.node, self.problem, self.remedy = node, problem, remedy

    def __str__(self) -> str:
        return f"node {self.node!r}: {self.problem}. {self.remedy}"


class ManifestError(SdkError):
    """A pack's manifest can't be used; ``problems`` holds every fault found, each with its key."""

    def __init__(self, where: str, problems: list[str]) -> None:
        super().__init__(where, problems)
        self.where, self.problems = where, problems

    def __str__(self) -> str:
        return f"{self.where}: " + "; ".join(self.problems)


class NodeError(SdkError):
    """A node can't do what it is asked; say what is wrong and what to do, in one or two sentences."""


class Cancelled(SdkError):
    """The running job was cancelled. Let it pass: the engine turns it into the job's end state."""

    def __init__(self, reason: str = "cancelled by the user") -> None:
        super().__init__(reason)
        self.reason = reason
