"""``comfy_execution.graph_utils``: builds the sub-graph a node expands into.

Ids are ``<node>.<call>.<builder>.<name>``: unique in the run, and the same each time for the same inputs, so that
results of expanded nodes can be cached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from host.comfyui.running import running
from sdk.nodes import Blocker as ExecutionBlocker

__all__ = ["ExecutionBlocker", "GraphBuilder", "Node", "add_graph_prefix", "is_link"]


def is_link(value: Any) -> bool:
    """Whether a value of an input is a link: ``[node id, output number]``."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    return isinstance(value[0], str) and isinstance(value[1], int | float) and not isinstance(value[1], bool)


class Node:
    """A node of the graph being built."""

    def __init__(self, id: str, class_type: str, inputs: Mapping[str, Any]) -> None:
        self.id = id
        self.class_type = class_type
        self.inputs = dict(inputs)
        self.override_display_id: str | None = None

    def out(self, index: int) -> list[Any]:
        """A link to this node's output of that number."""
        return [self.id, index]

    def set_input(self, key: str, value: Any) -> None:
        """Set an input to a value or a link; None removes it."""
        if value is None:
            self.inputs.pop(key, None)
        else:
            self.inputs[key] = value

    def get_input(self, key: str) -> Any:
        """The value or link of an input, or None."""
        return self.inputs.get(key)

    def set_override_display_id(self, override_display_id: str) -> None:
        """Show this node's progress and outputs at another node of the prompt."""
        self.override_display_id = override_display_id

    def serialize(self) -> dict[str, Any]:
        """The node in API format."""
        node = {"class_type": self.class_type, "inputs": self.inputs}
        return node if self.override_display_id is None else node | {"override_display_id": self.override_display_id}


class GraphBuilder:
    """Makes nodes and gives them as a graph in API format.

    Args:
        prefix: begins every id; by default one that is unique to this builder in the run.
    """

    def __init__(self, prefix: str | None = None) -> None:
        self.prefix = self.alloc_prefix() if prefix is None else prefix
        self.nodes: dict[str, Node] = {}
        self.id_gen = 1

    @classmethod
    def alloc_prefix(
        cls, root: str | None = None, call_index: int | None = None, graph_index: int | None = None
    ) -> str:
        """A prefix nobody else has in this run; parts not given are those of the running node."""
        call = running()
        if root is None:
            root = call.context.node_id if call else ""
        if call_index is None:
            call_index = call.item if call else 0
        if graph_index is None:
            graph_index = call.graphs if call else 0
            if call is not None:
                call.graphs += 1
        return f"{root}.{call_index}.{graph_index}."

    def node(self, class_type: str, id: str | None = None, **kwargs: Any) -> Node:
        """A new node with these inputs; the one already there if ``id`` was used before."""
        full_id = self.prefix + (str(self.id_gen) if id is None else id)
        if id is None:
            self.id_gen += 1
        return self.nodes.setdefault(full_id, Node(full_id, class_type, kwargs))

    def lookup_node(self, id: str) -> Node | None:
        """The node made under that id, or None."""
        return self.nodes.get(self.prefix + id)

    def replace_node_output(self, node_id: str, index: int, new_value: Any) -> None:
        """Put ``new_value`` wherever that output is used; None removes the inputs that used it."""
        old = [self.prefix + node_id, index]
        for node in self.nodes.values():
            for key in [key for key, value in node.inputs.items() if is_link(value) and list(value) == old]:
                node.set_input(key, new_value)

    def remove_node(self, id: str) -> None:
        """Take the node out; links to it stay."""
        del self.nodes[self.prefix + id]

    def finalize(self) -> dict[str, dict[str, Any]]:
        """The whole graph in API format, to be returned as ``expand``."""
        return {node_id: node.serialize() for node_id, node in self.nodes.items()}


def add_graph_prefix(
    graph: Mapping[str, Mapping[str, Any]], outputs: Sequence[Any], prefix: str
) -> tuple[dict[str, dict[str, Any]], tuple[Any, ...]]:
    """The graph and the links into it, with every id and every link inside prefixed."""

    def moved(value: Any) -> Any:
        return [prefix + value[0], value[1]] if is_link(value) else value

    renamed = {
        prefix + node_id: {**node, "inputs": {key: moved(value) for key, value in node["inputs"].items()}}
        for node_id, node in graph.items()
    }
    return renamed, tuple(moved(value) for value in outputs)
