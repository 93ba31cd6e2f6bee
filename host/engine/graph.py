"""A validated prompt as nodes and links, and the view of it that nodes with hidden inputs get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from host.engine.events import NodeRef
from host.engine.schemas import Schema

Link = tuple[str, str, int]
"""An input filled from another node's output: input name, source node's id, output slot. A plain tuple, because there
are as many as links in a graph: Python's garbage collector leaves those alone."""


class GraphNode:
    """One node of a graph: its class, its constants and its links.

    Attributes:
        constants: values by input name, including names the class does not declare.
        links: links in the order of the prompt.
        names: names of all inputs in the order of the prompt, declared or not.
    """

    __slots__ = ("_ref", "class_type", "constants", "id", "links", "names", "schema")

    def __init__(
        self,
        node_id: str,
        class_type: str,
        schema: Schema,
        constants: Mapping[str, Any],
        links: tuple[Link, ...],
        names: Iterable[str],
        ref: NodeRef | None = None,
    ) -> None:
        self.id = node_id
        self.class_type = class_type
        self.schema = schema
        self.constants = constants
        self.links = links
        self.names = names
        self._ref = ref

    @property
    def ref(self) -> NodeRef:
        """How events name the node."""
        if self._ref is None:
            self._ref = NodeRef(self.id, self.id, None, self.id)
        return self._ref


def is_link(value: Any) -> bool:
    """Whether a value written in a prompt reads as ``[node id, slot]``."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int


def split_inputs(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Link, ...]]:
    """Constants by name, and links, of a node as it is written in a prompt."""
    links = tuple([(name, value[0], value[1]) for name, value in inputs.items() if is_link(value)])
    if not links:
        return dict(inputs), links
    return {name: value for name, value in inputs.items() if not is_link(value)}, links


class LivePrompt:
    """The graph as it grows during a run; what a ``Hidden.DYNPROMPT`` input gets.

    Args:
        prompt: the prompt in API format, with converted constants.
    """

    def __init__(self, prompt: Mapping[str, Any]) -> None:
        self._prompt = prompt
        self._added: dict[str, tuple[Mapping[str, Any], NodeRef]] = {}

    def add(self, ref: NodeRef, info: Mapping[str, Any]) -> None:
        """Take in a node of an expansion."""
        self._added[ref.node_id] = (info, ref)

    def has_node(self, node_id: str) -> bool:
        return node_id in self._prompt or node_id in self._added

    def get_node(self, node_id: str) -> Mapping[str, Any]:
        """The node as written; KeyError for an unknown id."""
        found: Mapping[str, Any] = self._prompt[node_id] if node_id in self._prompt else self._added[node_id][0]
        return found

    def ref(self, node_id: str) -> NodeRef:
        """How events name a node of this id."""
        return self._added[node_id][1] if node_id in self._added else NodeRef(node_id, node_id, None, node_id)

    def get_real_node_id(self, node_id: str) -> str:
        return self.ref(node_id).real_id

    def get_parent_node_id(self, node_id: str) -> str | None:
        return self.ref(node_id).parent_id

    def get_display_node_id(self, node_id: str) -> str:
        return self.ref(node_id).display_id

    def all_node_ids(self) -> set[str]:
        return {*self._prompt, *self._added}

    def get_original_prompt(self) -> Mapping[str, Any]:
        return self._prompt
