"""Why a workflow drawn in an editor can't be turned into a prompt.

EngineError
└── UiFormatError
    ├── MalformedWorkflow     the file is not what editors write; lists every fault
    ├── UnknownNodeTypes      active nodes of types nobody offers; lists all, with their ids
    ├── EndlessLinks          links lead round in a circle of nodes that pass values on
    ├── SubgraphContainsItself
    └── WorkflowTooLarge      nested sub-graphs unfold into more nodes than a prompt may have
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from host.engine.errors import EngineError

_SHOWN = 10


class UiFormatError(EngineError):
    """Root of what the conversion raises."""


class MalformedWorkflow(UiFormatError):
    """The workflow's JSON has another shape than editors give it; ``problems`` names each place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        rest = len(self.problems) - _SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        return f"the workflow is damaged: {'; '.join(self.problems[:_SHOWN])}{more}. Save it again in the editor."


class UnknownNodeTypes(UiFormatError):
    """Nodes that take part in the workflow have types nobody offers; ``nodes`` holds ids by type."""

    def __init__(self, nodes: Mapping[str, Sequence[str]]) -> None:
        super().__init__(nodes)
        self.nodes = {kind: tuple(ids) for kind, ids in nodes.items()}

    def __str__(self) -> str:
        named = "; ".join(f"{kind!r} (node {', '.join(ids[:_SHOWN])})" for kind, ids in self.nodes.items())
        groups = any(kind.startswith(("workflow>", "workflow/")) for kind in self.nodes)
        hint = " Turn group nodes into sub-graphs in the editor first." if groups else ""
        return (
            f"the workflow uses node types nobody offers here: {named}. Install their packs, or mute the nodes.{hint}"
        )


class EndlessLinks(UiFormatError):
    """An input is linked through reroutes, bypassed nodes or sub-graphs that lead back to themselves."""

    def __init__(self, node: str, name: str) -> None:
        super().__init__(node, name)
        self.node, self.name = node, name

    def __str__(self) -> str:
        return (
            f"input {self.name!r} of node {self.node!r} is linked in a circle: following its link leads through "
            "reroutes or bypassed nodes back to the same link. Remove one of these links."
        )


class SubgraphContainsItself(UiFormatError):
    """A sub-graph is used inside itself; ``names`` are the sub-graphs on the circle."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.names = tuple(names)

    def __str__(self) -> str:
        return f"a sub-graph contains itself: {' -> '.join(map(repr, self.names))}. Take one of them out of the other."


class WorkflowTooLarge(UiFormatError):
    """Unfolding the sub-graphs exceeds a limit; ``what`` names it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"unfolding the workflow's sub-graphs gives {self.what}. Use fewer sub-graphs inside each other."
