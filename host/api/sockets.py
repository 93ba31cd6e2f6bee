"""Who is connected by websocket, and what waits to be sent to them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from host.api.answers import dumps
from host.api.frames import Frame
from host.engine.messages import Message

logger = logging.getLogger(__name__)

MAX_WAITING = 20_000
"""Messages that wait for a client; one that falls further behind is cut off, and may come back."""

MANY_NODES = 32
SECONDS_BETWEEN_STATES = 0.05
"""``progress_state`` names every node that has started. From ``MANY_NODES`` on, a client gets one this often, and the
last one before the run ends: sent with every step, they would grow with the square of the nodes."""

_ENDS = ("execution_success", "execution_error", "execution_interrupted")


class Channel(Protocol):
    """The sending half of a websocket."""

    async def send_text(self, data: str) -> None: ...
    async def send_bytes(self, data: bytes) -> None: ...
    async def close(self, code: int = 1000) -> None: ...


class Connection:
    """One client's outbox. Used from the event loop alone."""

    def __init__(self, client_id: str, channel: Channel) -> None:
        self.client_id = client_id
        self.flags: Mapping[str, Any] = {}
        self._channel = channel
        self._waiting: deque[Message | Frame | str] = deque()
        self._held_state: Message | None = None
        self._next_state: asyncio.TimerHandle | None = None
        self._more = asyncio.Event()
        self._overrun = False

    def put(self, item: Message | Frame | str) -> None:
        """Send this after what already waits; a text is a message's JSON."""
        if isinstance(item, Message):
            if item.type == "progress_state" and len(item.data["nodes"]) >= MANY_NODES and not self.wants_changes:
                self._hold_back(item)
                return
            if self._held_state is not None and (item.type in _ENDS or item.data.get("node", "") is None):
                self._add(self._held_state)
                self._held_state = None
        self._add(item)

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return len(self._waiting)

    @property
    def wants_changes(self) -> bool:
        """Whether ``progress_state`` may name the changed node alone."""
        return bool(self.flags.get("supports_progress_changes"))

    async def send_all(self) -> None:
        """Send what comes in, until the connection ends."""
        while not self._overrun:
            await self._more.wait()
            self._more.clear()
            while self._waiting and not self._overrun:
                await self._send(self._waiting.popleft())
        logger.warning("client %s reads too slowly and was cut off; it may connect again", self.client_id)
        await self._channel.close(1013)

    def close(self) -> None:
        """Send nothing more."""
        if self._next_state is not None:
            self._next_state.cancel()

    def _add(self, item: Message | Frame | str) -> None:
        self._waiting.append(item)
        self._overrun = len(self._waiting) > MAX_WAITING
        self._more.set()

    def _hold_back(self, state: Message) -> None:
        """Send this state now if the last one is old enough, and else when it is, unless a newer one comes."""
        self._held_state = state
        if self._next_state is None:
            self._send_held()

    def _send_held(self) -> None:
        self._next_state = None
        if self._held_state is not None:
            self._add(self._held_state)
            self._held_state = None
            self._next_state = asyncio.get_running_loop().call_later(SECONDS_BETWEEN_STATES, self._send_held)

    async def _send(self, item: Message | Frame | str) -> None:
        if isinstance(item, str):
            await self._channel.send_text(item)
        elif isinstance(item, Message):
            await self._channel.send_text(dumps(item.as_json()))
        elif isinstance(item, Frame):
            content = item.with_metadata if self.flags.get("supports_preview_metadata") else item.plain
            if content is not None:
                await self._channel.send_bytes(content)


class Sockets:
    """All connections, by client id. ``send`` may be called from any thread; the rest belongs to the event loop."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}
        self._arrived: deque[Message | Frame] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = False

    def __len__(self) -> int:
        return len(self._connections)

    def start(self) -> None:
        """Deliver on the running event loop from now on."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Deliver nothing any more."""
        self._loop = None

    def add(self, connection: Connection) -> None:
        """Let this connection have the messages of its client id; an older one of that id stays open, but silent."""
        self._connections[connection.client_id] = connection

    def remove(self, connection: Connection) -> None:
        """Forget a connection, unless a newer one has taken over."""
        if self._connections.get(connection.client_id) is connection:
            del self._connections[connection.client_id]

    def wants_changes(self, client_id: str | None) -> bool:
        """Whether this client takes ``progress_state`` messages that name the changed node alone."""
        connection = self._connections.get(client_id or "")
        return connection is not None and connection.wants_changes

    def connected(self, client_id: str | None) -> bool:
        """Whether somebody would get what is sent to this client."""
        return bool(self._connections) if client_id is None else client_id in self._connections

    def send(self, item: Message | Frame) -> None:
        """Deliver to the client it is for, or to all; in the order of the calls."""
        loop = self._loop
        if loop is None:
            return
        self._arrived.append(item)
        if not self._woken:
            self._woken = True
            try:
                loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop has just been closed
                self.stop()

    def _deliver(self) -> None:
        self._woken = False
        while self._arrived:
            item = self._arrived.popleft()
            if item.client_id is None:
                # What all are sent is written as JSON once, unless clients get it in different forms.
                shared: Message | Frame | str = item
                if isinstance(item, Message) and not item.type.startswith("progress"):
                    shared = dumps(item.as_json())
                for connection in self._connections.values():
                    connection.put(shared)
            elif receiver := self._connections.get(item.client_id):
                receiver.put(item)
