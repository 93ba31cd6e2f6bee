"""Run one node the way the engine would, without an engine."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from typing import Any

from sdk.errors import NodeError
from sdk.nodes import Blocker, NodeResult, NodeType
from sdk.testing.contexts import FakeContext
from sdk.testing.inputs import read_inputs


class NodeUnderTest:
    """A node at one place of a graph: its state, if it has any, lives as long as this object.

    Attributes:
        context: what the node gets as its context, and what it reported there.
    """

    def __init__(self, node: NodeType, context: FakeContext | None = None) -> None:
        self.node = node
        self.context = context or FakeContext()
        self._state = node.create() if node.create else None

    def run(self, **inputs: Any) -> NodeResult:
        """What the node gives for these inputs; missing ones have their defaults, and all are checked.

        Raises:
            NodeError: an input is missing, unknown, out of range or not among the choices; or the node's own error.
        """
        return _settled(self.node.run(self._state, read_inputs(self.node, inputs), self.context))

    def wanted(self, **inputs: Any) -> set[str]:
        """The lazy inputs that the node asks for, given the others; leave those out that are not computed yet."""
        if self.node.lazy is None:
            return set()
        values = read_inputs(self.node, inputs)
        values |= {item.name: values.get(item.name) for item in self.node.inputs if item.lazy}
        answer = self.node.lazy(self._state, values)
        return set((_awaited(answer) if inspect.isawaitable(answer) else answer) or ())


def run_node(node: NodeType, context: FakeContext | None = None, **inputs: Any) -> NodeResult:
    """What the node gives for these inputs; defaults are filled in, ranges and choices are checked.

    Raises:
        NodeError: an input is missing, unknown, out of range or not among the choices; or the node's own error.
    """
    return NodeUnderTest(node, context).run(**inputs)


def map_node(node: NodeType, context: FakeContext | None = None, **lists: list[Any]) -> tuple[list[Any], ...]:
    """The values of each output when these inputs are linked to lists, as the engine maps over them.

    The node is called once for each item of the longest list; shorter lists repeat their last. List outputs are laid
    end to end.

    Raises:
        NodeError: a list is empty, the node takes whole lists (use ``run_node``), or what ``run_node`` raises.
    """
    if node.takes_lists:
        raise NodeError(f"node {node.id!r} takes whole lists: give them to run_node")
    if empty := [name for name, values in lists.items() if not values]:
        raise NodeError(f"node {node.id!r}: the list for {empty[0]!r} is empty")
    subject = NodeUnderTest(node, context)
    columns: tuple[list[Any], ...] = tuple([] for _ in node.outputs)
    for index in range(max((len(values) for values in lists.values()), default=1)):
        item = {name: values[min(index, len(values) - 1)] for name, values in lists.items()}
        for column, output, value in zip(columns, node.outputs, subject.run(**item).outputs, strict=True):
            column += value if output.is_list and not isinstance(value, Blocker) else [value]
    return columns


def _settled(result: NodeResult | Awaitable[NodeResult]) -> NodeResult:
    given: Any = _awaited(result) if inspect.isawaitable(result) else result
    if not isinstance(given, NodeResult):
        raise NodeError(f"the node gave {given!r:.80}, which is no NodeResult")
    return given


def _awaited(awaitable: Awaitable[Any]) -> Any:
    async def wait() -> Any:
        return await awaitable

    return asyncio.run(wait())
