"""What happens in a run, as data: one frozen record per kind of event, and where they go.

Events carry changes only. Who needs whole states (``messages.py``) keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class NodeRef(NamedTuple):
    """Which node an event is about.

    Attributes:
        node_id: the node itself; made up by its expander if it comes from an expansion.
        display_id: the node at which a front end shows it.
        parent_id: the node whose expansion made it; None for nodes of the prompt.
        real_id: the node of the prompt it stems from.
    """

    node_id: str
    display_id: str
    parent_id: str | None
    real_id: str


@dataclass(frozen=True, slots=True)
class Event:
    """Anything that happens in the run of one job."""

    job_id: str


@dataclass(frozen=True, slots=True)
class JobStarted(Event):
    """The run begins. ``at``: milliseconds since the epoch, as in every event that has it."""

    at: int


@dataclass(frozen=True, slots=True)
class NodesCached(Event):
    """The nodes of the prompt whose results the cache holds, in the prompt's order; sent once, even if empty."""

    nodes: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class NodeStarted(Event):
    """A node is about to be called, or asked which of its lazy inputs it needs."""

    node: NodeRef


@dataclass(frozen=True, slots=True)
class NodeProgress(Event):
    """A step of a running node, with an image to show if it made one. Steps that follow too fast are left out."""

    node: NodeRef
    value: float
    total: float
    preview: Any = None


@dataclass(frozen=True, slots=True)
class NodeText(Event):
    """A line of text to show at a running node."""

    node: NodeRef
    text: str


@dataclass(frozen=True, slots=True)
class NodeOutput(Event):
    """What a node shows. From the cache, ``output`` is None for a node that shows nothing."""

    node: NodeRef
    output: Mapping[str, list[Any]] | None
    cached: bool = False


@dataclass(frozen=True, slots=True)
class NodeFinished(Event):
    """A node's result is there."""

    node: NodeRef
    cached: bool = False


@dataclass(frozen=True, slots=True)
class NodeBlocked(Event):
    """A node was skipped because an input is blocked with a message; the run goes on."""

    node: NodeRef
    node_type: str
    message: str
    executed: Sequence[str]


@dataclass(frozen=True, slots=True)
class NodeFailed(Event):
    """A node raised, which ends the run.

    Attributes:
        node: the node that raised; clients are told its ``real_id``.
        node_type: class of the node of the prompt.
        executed: ids of the nodes that ran so far.
        error_type: qualified name, bare for built-in exceptions.
        traceback: formatted frames; empty where no node's code was running.
        inputs: the node's inputs, shortened for display; None if they were not at hand.
        prompt_nodes: ids of the prompt's nodes.
        for_users: the message is a sentence meant for users, so that its type need not be shown.
    """

    node: NodeRef
    node_type: str
    executed: Sequence[str]
    message: str
    error_type: str
    traceback: tuple[str, ...]
    inputs: Mapping[str, Sequence[Any]] | None
    prompt_nodes: tuple[str, ...]
    at: int
    for_users: bool = False


@dataclass(frozen=True, slots=True)
class JobInterrupted(Event):
    """The job was cancelled while this node ran or was about to."""

    node: NodeRef
    node_type: str
    executed: Sequence[str]
    at: int


@dataclass(frozen=True, slots=True)
class JobSucceeded(Event):
    """Every wanted output is there."""

    at: int


@dataclass(frozen=True, slots=True)
class JobEnded(Event):
    """Nothing more comes of this job, however it ended. Sent by whoever has stored the job's outputs."""


class Events(Protocol):
    """Where events go. ``emit`` is called from the run's threads, one call at a time, and must not block for long."""

    def emit(self, event: Event) -> None: ...


class NoEvents:
    """Forgets every event."""

    def emit(self, event: Event) -> None:
        return
