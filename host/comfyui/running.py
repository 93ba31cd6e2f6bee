"""Which node's code runs at the moment, for the functions that packs call without saying who they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sdk.context import NodeContext
from sdk.errors import NodeError

_current: ContextVar[Running | None] = ContextVar("host.comfyui.running", default=None)


@dataclass
class Running:
    """One call of one node.

    Attributes:
        context: the node's context.
        item: number of this call among those of the same node in the same prompt; above 0 for mapped lists.
        graphs: how many graph builders this call has made.
    """

    context: NodeContext
    item: int = 0
    graphs: int = 0

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make this the running node for the length of a ``with`` block, in this thread or task alone."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


def running() -> Running | None:
    """The call under way in this thread or task, or None outside of nodes."""
    return _current.get()


class OutsideOfNodes(NodeError):
    """Something that needs a running node is used where none runs; ``what`` says what."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what} works only while a node runs, and on the node's own thread. Call it from the node's function."
        )


def node_context(what: str) -> NodeContext:
    """The context of the running node; OutsideOfNodes, which names ``what`` needs it, where none runs."""
    call = running()
    if call is None:
        raise OutsideOfNodes(what)
    return call.context


class NodeState:
    """What a node keeps while it stays in a prompt: the pack's object, and the number of calls so far."""

    def __init__(self, node: Any = None) -> None:
        self.node = node
        self._prompt: str | None = None
        self._calls = 0

    def start_call(self, context: NodeContext) -> Running:
        """Count one more call of this node in the context's prompt."""
        if context.prompt_id != self._prompt:
            self._prompt, self._calls = context.prompt_id, 0
        call = Running(context, item=self._calls)
        self._calls += 1
        return call
