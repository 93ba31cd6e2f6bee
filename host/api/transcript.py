"""Passes on what happens in a job: to its client as messages, and to its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host.api import frames
from host.api.frames import Frame
from host.api.preview_sender import PreviewSender, Wanted
from host.api.sockets import Sockets
from host.engine.events import Event, NodeFailed, NodeFinished, NodeProgress, NodeStarted, NodeText
from host.engine.messages import Messages
from host.engine.previews import JobPreviews
from sdk.previews import SentPicture


class Transcript:
    """``engine.events.Events`` for one job.

    Attributes:
        recorded: the messages that belong into the job's history, so far.
        node: the node that runs, or ran last.
    """

    def __init__(
        self, client_id: str | None, sockets: Sockets, previews: JobPreviews, preview_sender: PreviewSender
    ) -> None:
        self._client_id, self._sockets = client_id, sockets
        self._previews, self._preview_sender = previews, preview_sender
        self._messages = Messages(client_id, full_state=not sockets.wants_changes(client_id))
        self.recorded: list[tuple[str, Mapping[str, Any]]] = []
        self.node: str | None = None

    def emit(self, event: Event) -> None:
        if isinstance(event, NodeStarted):
            self.node = event.node.node_id
        elif isinstance(event, NodeFinished | NodeFailed):
            self._preview_sender.withdraw()
        for message in self._messages.of(event):
            if message.recorded:
                self.recorded.append((message.type, message.data))
            if self._client_id is not None or message.type in ("progress", "progress_state"):
                self._sockets.send(message)
        if isinstance(event, NodeProgress):
            self._show(event)
        elif isinstance(event, NodeText):
            content = frames.node_text(event.node.node_id, event.text)
            self._sockets.send(Frame(self._client_id, content, content))

    def close(self) -> None:
        """Send no more previews of this job."""
        self._preview_sender.withdraw()

    def _show(self, event: NodeProgress) -> None:
        if event.preview is None or not self._sockets.connected(self._client_id):
            return
        if isinstance(event.preview, SentPicture):
            content = frames.sent_picture(event.preview, event.node, event.job_id)
            self._sockets.send(Frame(self._client_id, *content))
            return
        make = self._previews.picture(event.preview)
        if make is not None:
            self._preview_sender.show(Wanted(self._client_id, event.job_id, event.node, make))
