"""Passes on what happens in a job: to its client as messages, and to its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host.api import frames
from host.api.frames import Frame
from host.api.sockets import Sockets
from host.engine.events import Event, NodeProgress, NodeStarted, NodeText
from host.engine.messages import Messages


class Transcript:
    """``engine.events.Events`` for one job.

    Attributes:
        recorded: the messages that belong into the job's history, so far.
        node: the node that runs, or ran last.
    """

    def __init__(self, client_id: str | None, sockets: Sockets) -> None:
        self._client_id, self._sockets = client_id, sockets
        self._messages = Messages(client_id, full_state=not sockets.wants_changes(client_id))
        self.recorded: list[tuple[str, Mapping[str, Any]]] = []
        self.node: str | None = None

    def emit(self, event: Event) -> None:
        plain, with_metadata = self._preview(event) if isinstance(event, NodeProgress) else (None, None)
        messages = self._messages.of(event)
        self.recorded += [(message.type, message.data) for message in messages if message.recorded]
        if isinstance(event, NodeStarted):
            self.node = event.node.node_id
        for message in messages:
            if with_metadata is not None and message.type == "progress":
                self._sockets.send(Frame(self._client_id, None, with_metadata))
            if self._client_id is not None or message.type in ("progress", "progress_state"):
                self._sockets.send(message)
        if plain is not None:
            self._sockets.send(Frame(self._client_id, plain, None))
        if isinstance(event, NodeText):
            content = frames.node_text(event.node.node_id, event.text)
            self._sockets.send(Frame(self._client_id, content, content))

    def _preview(self, event: NodeProgress) -> tuple[bytes | None, bytes | None]:
        if event.preview is None or not self._sockets.connected(self._client_id):
            return None, None
        return frames.preview(event.preview, event.node, event.job_id) or (None, None)
