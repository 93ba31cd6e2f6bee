"""What can be wrong with a definition, or go wrong inside a node.

SdkError
├── DefinitionError       a node, socket or marker is declared wrongly; raised where it is declared
├── ManifestError         a pack's pyproject.toml says something we can't use
├── NodeError             a node refuses its inputs while it runs; the message is for the user
│   ├── UnfitInput        one input is not what its socket promises, or not what the node can work on
│   └── UnfitInputs       inputs that are right by themselves do not go together, or need more memory than there is
└── Cancelled             the job was cancelled; raised out of progress() and passed on untouched
"""

from __future__ import annotations

from collections.abc import Mapping


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


class UnfitInput(NodeError):
    """One input is not what its socket promises, or not what the node can work on.

    Attributes:
        node: id of the node.
        name: of the input.
        problem: what it was given, and what is wrong with that.
        remedy: what the user can do.
    """

    def __init__(self, node: str, name: str, problem: str, remedy: str) -> None:
        super().__init__(node, name, problem, remedy)
        self.node, self.name, self.problem, self.remedy = node, name, problem, remedy

    def __str__(self) -> str:
        return f"{self.node} can't use its input {self.name!r}: {self.problem}. {self.remedy}"


class UnfitInputs(NodeError):
    """Inputs that are right by themselves do not go together, or need more memory than there is.

    Attributes:
        node: id of the node.
        given: sizes of what it was given, by input.
        reason: what the tensor library said.
        is_memory: they go together, and are too large.
    """

    def __init__(self, node: str, given: Mapping[str, str], reason: str, *, is_memory: bool = False) -> None:
        super().__init__(node, given, reason)
        self.node, self.given, self.reason, self.is_memory = node, dict(given), reason, is_memory

    def __str__(self) -> str:
        given = ", ".join(f"{name} {size}" for name, size in self.given.items())
        if self.is_memory:
            return f"{self.node} needs more memory than there is for {given}: choose smaller sizes or fewer items."
        return (
            f"{self.node} can't work on what it was given ({given}): the sizes don't go together, or are too small. "
            f"Use pictures, sounds, prompts and models that are made for one another. The reason: {self.reason}"
        )


class Cancelled(SdkError):
    """The running job was cancelled. Let it pass: the engine turns it into the job's end state."""

    def __init__(self, reason: str = "cancelled by the user") -> None:
        super().__init__(reason)
        self.reason = reason
