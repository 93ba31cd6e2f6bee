"""Turns the events of a run into the websocket messages that clients of ComfyUI understand.

Messages about a prompt go to the client that sent it. Without one, only progress is sent, to everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from host.engine.events import (
    Event,
    JobEnded,
    JobInterrupted,
    JobStarted,
    JobSucceeded,
    NodeBlocked,
    NodeFailed,
    NodeFinished,
    NodeOutput,
    NodeProgress,
    NodeRef,
    NodesCached,
    NodeStarted,
)

RECORDED = frozenset(
    {"execution_start", "execution_cached", "execution_success", "execution_error", "execution_interrupted"}
)
"""Names of the messages that stand in a history entry, unless they are about a blocked node."""


@dataclass(frozen=True, slots=True)
class Message:
    """One JSON message: ``{"type": …, "data": …}``.

    Attributes:
        client_id: who gets it; None for everybody.
        recorded: part of the job's history.
    """

    type: str
    data: Mapping[str, Any]
    client_id: str | None
    recorded: bool = False

    def as_json(self) -> dict[str, Any]:
        return {"type": self.type, "data": self.data}


def status(remaining: int, session: str | None = None) -> Message:
    """How many jobs are not done; ``session`` tells a client that just connected which id it has."""
    data: dict[str, Any] = {"status": {"exec_info": {"queue_remaining": remaining}}}
    return Message("status", data if session is None else {**data, "sid": session}, None)


class Messages:
    """Translates the events of one job, in order. Previews and node texts are not JSON; they are left to the server.

    Args:
        client_id: the client that sent the job, if it said so.
        full_state: ``progress_state`` names every node that has started, as ComfyUI does, at a cost that grows with the
            square of the number of nodes; otherwise only the one that changed.
    """

    def __init__(self, client_id: str | None, *, full_state: bool = False) -> None:
        self._client_id, self._full_state = client_id, full_state
        self._progress: dict[str, dict[str, Any]] = {}
        self._translations: Mapping[type[Event], Callable[[Any], list[Message]]] = {
            JobStarted: self._started,
            NodesCached: self._cached,
            NodeStarted: self._node_started,
            NodeProgress: self._node_progress,
            NodeOutput: self._node_output,
            NodeFinished: self._node_finished,
            NodeBlocked: self._blocked,
            NodeFailed: self._failed,
            JobInterrupted: self._interrupted,
            JobSucceeded: self._succeeded,
            JobEnded: self._ended,
        }

    def of(self, event: Event) -> list[Message]:
        """The messages for an event, in the order in which they are sent; also those that reach nobody but history."""
        translate = self._translations.get(type(event))
        return translate(event) if translate else []

    def delivered(self, event: Event) -> list[Message]:
        """The messages for an event that go out: without a client, those for everybody alone."""
        messages = self.of(event)
        if self._client_id is not None:
            return messages
        return [message for message in messages if message.type in ("progress", "progress_state")]

    def _send(self, kind: str, data: Mapping[str, Any], *, recorded: bool = False) -> Message:
        return Message(kind, data, self._client_id, recorded)

    def _started(self, event: JobStarted) -> list[Message]:
        return [self._send("execution_start", {"prompt_id": event.job_id, "timestamp": event.at}, recorded=True)]

    def _cached(self, event: NodesCached) -> list[Message]:
        data = {"nodes": list(event.nodes), "prompt_id": event.job_id, "timestamp": event.at}
        return [self._send("execution_cached", data, recorded=True)]

    def _node_started(self, event: NodeStarted) -> list[Message]:
        data = {"node": event.node.node_id, "display_node": event.node.display_id, "prompt_id": event.job_id}
        return [self._state(event, "running", 0.0, 1.0), self._send("executing", data)]

    def _node_progress(self, event: NodeProgress) -> list[Message]:
        data = {"value": event.value, "max": event.total, "prompt_id": event.job_id, "node": event.node.node_id}
        return [self._state(event, "running", event.value, event.total), self._send("progress", data)]

    def _node_output(self, event: NodeOutput) -> list[Message]:
        node = event.node
        output = None if event.output is None else dict(event.output)
        data = {"node": node.node_id, "display_node": node.display_id, "output": output, "prompt_id": event.job_id}
        return [self._send("executed", data)]

    def _node_finished(self, event: NodeFinished) -> list[Message]:
        total = self._progress.get(event.node.node_id, {}).get("max", 1.0)
        return [self._state(event, "finished", total, total)]

    def _blocked(self, event: NodeBlocked) -> list[Message]:
        data = {
            **_where(event.job_id, event.node.node_id, event.node_type, event.executed),
            "exception_message": f"Execution Blocked: {event.message}",
            "exception_type": "ExecutionBlocked",
            "traceback": [],
            "current_inputs": [],
            "current_outputs": [],
        }
        return [self._send("execution_error", data)]

    def _failed(self, event: NodeFailed) -> list[Message]:
        in_node = bool(event.traceback)
        data = {
            **_where(event.job_id, event.node.real_id, event.node_type, event.executed),
            "timestamp": event.at,
            "exception_message": f"{event.message}\n" if in_node else event.message,
            "exception_type": event.error_type,
            "traceback": list(event.traceback),
            "current_inputs": dict(event.inputs or {}) if in_node else [],
            "current_outputs": list(event.prompt_nodes),
        }
        return [self._send("execution_error", data, recorded=True)]

    def _interrupted(self, event: JobInterrupted) -> list[Message]:
        where = _where(event.job_id, event.node.real_id, event.node_type, event.executed)
        data = {**where, "timestamp": event.at}
        return [self._send("execution_interrupted", data, recorded=True)]

    def _succeeded(self, event: JobSucceeded) -> list[Message]:
        return [self._send("execution_success", {"prompt_id": event.job_id, "timestamp": event.at}, recorded=True)]

    def _ended(self, event: JobEnded) -> list[Message]:
        return [self._send("executing", {"node": None, "prompt_id": event.job_id})]

    def _state(
        self, event: NodeStarted | NodeProgress | NodeFinished, state: str, value: float, total: float
    ) -> Message:
        entry = _progress(event.job_id, event.node, state, value, total)
        self._progress[event.node.node_id] = entry
        nodes = dict(self._progress) if self._full_state else {event.node.node_id: entry}
        return self._send("progress_state", {"prompt_id": event.job_id, "nodes": nodes})


def _where(job_id: str, node_id: str, node_type: str, executed: Sequence[str]) -> dict[str, Any]:
    return {"prompt_id": job_id, "node_id": node_id, "node_type": node_type, "executed": list(executed)}


def _progress(job_id: str, node: NodeRef, state: str, value: float, total: float) -> dict[str, Any]:
    return {
        "value": value,
        "max": total,
        "state": state,
        "node_id": node.node_id,
        "prompt_id": job_id,
        "display_node_id": node.display_id,
        "parent_node_id": node.parent_id,
        "real_node_id": node.real_id,
    }
