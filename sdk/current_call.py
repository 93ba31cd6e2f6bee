"""Which job and which node the code at work belongs to, for those deep below a node that only report."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple


class NodeCall(NamedTuple):
    """A node of a job; both ids are None outside of nodes."""

    job_id: str | None = None
    node_id: str | None = None


_NOWHERE = NodeCall()

current_call: ContextVar[NodeCall] = ContextVar("sdk.current_call", default=_NOWHERE)
"""Set by the engine while it calls a node, for the thread or task that the call runs in."""
