"""What can go wrong in the engine.

    EngineError
    ├── DuplicateNode         two packs, or one twice, offer one node id; names them, with versions
    ├── PackUnavailable       a node is described, but its pack can't be imported
    ├── UnknownCache          a cache setting nobody answers to
    ├── BadCacheSetting       a known cache kind with an unreadable argument
    └── RunError              the graph can't be run on; ends a job as a node's failure
        ├── DuplicateGraphNode    an expansion reuses an id of the graph
        ├── UnknownGraphNode      an expansion names a class nobody offers, or links to a node that is not there
        ├── DependencyCycle       nodes wait for each other
        ├── EmptyListInput        a mapped node got an empty list beside other values
        └── NotANodeResult        a node returned something other than a NodeResult

``reported_as`` is the type name that clients of ComfyUI know for the same mistake.
"""

from __future__ import annotations

from collections.abc import Sequence


class EngineError(Exception):
    """Root of everything the engine raises itself."""


class DuplicateNode(EngineError):
    """Two packs, or one pack twice, offer the same name for a node.

    Attributes:
        name: the id or alias both claim.
        owner: ``(pack, version)`` that has it.
        claimant: ``(pack, version)`` that was refused.
    """

    def __init__(self, name: str, owner: tuple[str, str], claimant: tuple[str, str]) -> None:
        super().__init__(name, owner, claimant)
        self.name, self.owner, self.claimant = name, owner, claimant

    def __str__(self) -> str:
        owner, claimant = " ".join(self.owner).strip(), " ".join(self.claimant).strip()
        if owner == claimant:
            return f"pack {owner} offers two nodes named {self.name!r}. Give one of the two another id."
        return (
            f"node {self.name!r} is offered by both {owner} and {claimant}. "
            f"Remove one of the two packs, or ask the author of {claimant} to rename the node."
        )


class PackUnavailable(EngineError):
    """A node is known from its pack's description, but the pack can't be imported; ``reason`` is a sentence."""

    def __init__(self, pack: str, reason: str) -> None:
        super().__init__(pack, reason)
        self.pack, self.reason = pack, reason

    def __str__(self) -> str:
        return self.reason


class UnknownCache(EngineError):
    """No cache answers to this setting."""

    def __init__(self, spec: str) -> None:
        super().__init__(spec)
        self.spec = spec

    def __str__(self) -> str:
        known = "'memory:4GiB', 'lru:100', 'disk:/path', 'last' or 'none'"
        return f"no cache answers to the setting {self.spec!r}. Try {known}."


class BadCacheSetting(EngineError):
    """A cache setting whose argument can't be read."""

    def __init__(self, spec: str, expected: str) -> None:
        super().__init__(spec, expected)
        self.spec, self.expected = spec, expected

    def __str__(self) -> str:
        return f"the cache setting {self.spec!r} can't be read: expected {self.expected}."


class RunError(EngineError):
    """The graph can't be run on."""

    reported_as = ""


class DuplicateGraphNode(RunError):
    """An expansion adds a node under an id that the graph has already."""

    reported_as = "execution.DuplicateNodeError"

    def __init__(self, node_id: str, expanded_by: str) -> None:
        super().__init__(node_id, expanded_by)
        self.node_id, self.expanded_by = node_id, expanded_by

    def __str__(self) -> str:
        return (
            f"node {self.expanded_by!r} expands into a node {self.node_id!r}, but the graph has one of that id. "
            "Prefix the ids of an expansion with the id of the node that makes it."
        )


class UnknownGraphNode(RunError):
    """An expansion uses a class or a node that does not exist."""

    reported_as = "graph.NodeNotFoundError"

    def __init__(self, what: str, expanded_by: str) -> None:
        super().__init__(what, expanded_by)
        self.what, self.expanded_by = what, expanded_by

    def __str__(self) -> str:
        return f"the expansion of node {self.expanded_by!r} refers to {self.what}, which does not exist."


class DependencyCycle(RunError):
    """Nodes wait for each other; ``nodes`` holds the ids along the cycle."""

    reported_as = "graph.DependencyCycleError"

    def __init__(self, nodes: Sequence[str]) -> None:
        super().__init__(nodes)
        self.nodes = tuple(nodes)

    def __str__(self) -> str:
        return f"Dependency cycle detected: {' -> '.join((*self.nodes, self.nodes[0]))}"


class EmptyListInput(RunError):
    """A node that is called once per item got an empty list for one input and values for others."""

    reported_as = "IndexError"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"list index out of range: input {self.name!r} got an empty list, so there is nothing to call with."


class NotANodeResult(RunError):
    """A node's function returned something other than a NodeResult."""

    reported_as = "TypeError"

    def __init__(self, value: object) -> None:
        super().__init__(value)
        self.kind = type(value).__name__

    def __str__(self) -> str:
        return f"the node returned a {self.kind} where a NodeResult is needed; tell the author of the pack."
