"""``server``: what packs ask of the server they run in, through ``PromptServer.instance``.

Where no server runs, as on the command line, messages go nowhere and the queue is empty.
"""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

from host.comfyui.home import home
from host.comfyui.offered import UnknownName
from host.comfyui.route_table import RouteTable
from host.comfyui.running import running

if TYPE_CHECKING:
    from aiohttp import web

    from host.comfyui.aiohttp_application import AiohttpApplication
    from sdk.web import WebServer

__all__ = ["BinaryEventTypes", "PromptServer"]

LONGEST_PROMPT_LIST = 10_000


def __getattr__(name: str) -> Any:
    """Aiohttp's module for handlers, which some packs take from here."""
    if name == "web":
        from aiohttp import web

        return web
    raise UnknownName(name)


class BinaryEventTypes(IntEnum):
    """Kinds of binary messages."""

    PREVIEW_IMAGE = 1
    UNENCODED_PREVIEW_IMAGE = 2
    TEXT = 3
    PREVIEW_IMAGE_WITH_METADATA = 4


class PromptServer:
    """The server as packs know it; ``instance`` is the only one."""

    instance: ClassVar[PromptServer]

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.prompt_queue = PromptQueue(self)
        self.supports = ["custom_nodes_from_web"]
        self._app: web.Application | None = None
        self.server: WebServer | None = None

    @property
    def routes(self) -> RouteTable:
        """What packs have the server answer; another host has others."""
        return home().routes

    @property
    def on_prompt_handlers(self) -> list[Callable[[dict[str, Any]], dict[str, Any]]]:
        """Functions that change the body of every ``POST /prompt``; another host has others."""
        return home().prompt_handlers

    def attach(self, server: WebServer) -> None:
        """Serve what packs declare, and send what they send, through this server from now on."""
        self.server = server
        for handler in self.on_prompt_handlers:
            server.revise(handler)
        server.add(_Served(self, server))

    def detach(self, server: WebServer) -> None:
        """The server has ended. Aiohttp runs an application only once, so another server gets a new one."""
        if self.server is server:
            self.server = self.loop = self._app = None

    @property
    def app(self) -> web.Application:
        """The aiohttp application that runs packs' handlers."""
        if self._app is None:
            from aiohttp import web

            self._app = web.Application(client_max_size=0)  # the server around it bounds what comes in
        return self._app

    @property
    def has_app(self) -> bool:
        """Whether somebody asked for ``app`` since the server was put together."""
        return self._app is not None

    @property
    def client_id(self) -> str | None:
        """The client whose prompt runs now; None outside of nodes."""
        call = running()
        return None if call is None or self.server is None else self.server.client_of(call.context.prompt_id)

    @property
    def last_node_id(self) -> str | None:
        """The node that runs now; None outside of nodes."""
        call = running()
        return None if call is None else call.context.node_id

    @property
    def last_prompt_id(self) -> str | None:
        """The prompt that runs now; None outside of nodes."""
        call = running()
        return None if call is None else call.context.prompt_id

    def send_sync(self, event: str | int, data: Any, sid: str | None = None) -> None:
        """Send a message by websocket to a client, or to all; from any thread.

        Args:
            event: a name for JSON; a number for bytes, or for a picture as (format, image, longest side).
        """
        if self.server is None:
            return
        if isinstance(event, str):
            self.server.send(event, data, sid)
        else:
            self.server.send_frame(_frame(int(event), data), sid)

    async def send(self, event: str | int, data: Any, sid: str | None = None) -> None:
        self.send_sync(event, data, sid)

    async def send_json(self, event: str, data: Any, sid: str | None = None) -> None:
        self.send_sync(event, data, sid)

    async def send_bytes(self, event: int, data: bytes, sid: str | None = None) -> None:
        self.send_sync(event, data, sid)

    async def send_image(self, image_data: Any, sid: str | None = None) -> None:
        self.send_sync(BinaryEventTypes.UNENCODED_PREVIEW_IMAGE, image_data, sid)

    def send_progress_text(self, text: str | bytes, node_id: str, sid: str | None = None) -> None:
        """Show a line of text at a node."""
        name, words = node_id.encode(), text.encode() if isinstance(text, str) else text
        self.send_sync(BinaryEventTypes.TEXT, struct.pack(">I", len(name)) + name + words, sid)

    def queue_updated(self) -> None:
        """Tell all clients how many prompts are not done."""
        self.send_sync("status", {"status": self.get_queue_info()})

    def get_queue_info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self.prompt_queue.get_tasks_remaining()}}

    def add_on_prompt_handler(self, handler: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Have ``handler`` change the body of every ``POST /prompt``."""
        self.on_prompt_handlers.append(handler)
        if self.server is not None:
            self.server.revise(handler)


class _Served:
    """The packs' application, for as long as one server runs."""

    def __init__(self, prompt_server: PromptServer, server: WebServer) -> None:
        self._prompt_server, self._server = prompt_server, server
        self._application: AiohttpApplication | None = None

    async def start(self) -> None:
        owner = self._prompt_server
        owner.loop = asyncio.get_running_loop()
        if len(owner.routes) or owner.has_app:
            from host.comfyui.aiohttp_application import AiohttpApplication

            self._application = AiohttpApplication(owner.routes, lambda: owner.app)
            await self._application.start()

    async def stop(self) -> None:
        if self._application is not None:
            await self._application.stop()
        self._prompt_server.detach(self._server)

    def serves(self, method: str, path: str) -> bool:
        return self._application is not None and self._application.serves(method, path)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self._application is not None, "it serves nothing then"
        await self._application(scope, receive, send)


class PromptQueue:
    """The queue as packs look at it."""

    def __init__(self, owner: PromptServer) -> None:
        self._owner = owner

    def get_current_queue(self) -> tuple[list[list[Any]], list[list[Any]]]:
        """What runs and what waits, as lists of five: number, id, prompt, extra data, outputs."""
        return ([], []) if self._owner.server is None else self._owner.server.queue()

    def get_current_queue_volatile(self) -> tuple[list[list[Any]], list[list[Any]]]:
        return self.get_current_queue()

    @property
    def currently_running(self) -> dict[int, list[Any]]:
        return dict(enumerate(self.get_current_queue()[0]))

    @property
    def queue(self) -> list[list[Any]]:
        return self.get_current_queue()[1]

    @property
    def history(self) -> dict[str, Any]:
        return self.get_history()

    def get_tasks_remaining(self) -> int:
        running_now, waiting = self.get_current_queue()
        return len(running_now) + len(waiting)

    def get_history(
        self, prompt_id: str | None = None, max_items: int | None = None, offset: int = -1
    ) -> dict[str, Any]:
        """Ended prompts by id, the first to end first; the last ``max_items``, or those from ``offset`` on."""
        if self._owner.server is None:
            return {}
        if offset < 0 or prompt_id is not None:
            return self._owner.server.history(prompt_id, max_items)
        found = list(self._owner.server.history(max_items=LONGEST_PROMPT_LIST).items())[offset:]
        return dict(found if max_items is None else found[:max_items])

    def delete_queue_item(self, function: Callable[[list[Any]], bool]) -> bool:
        """Cancel the first waiting prompt for which ``function`` is true; whether there was one."""
        for item in self.queue:
            if self._owner.server is not None and function(item):
                self._owner.server.cancel(item[1])
                return True
        return False

    def wipe_queue(self) -> None:
        """Cancel all waiting prompts."""
        while self.delete_queue_item(lambda item: True):
            continue


def _frame(event: int, data: Any) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return struct.pack(">I", event) + bytes(data)
    kind, image, longest = data
    small = image
    if longest is not None:
        small = image.copy()
        small.thumbnail((longest, longest))
    content = io.BytesIO()
    if kind == "JPEG":
        small.convert("RGB").save(content, "JPEG", quality=95)
    else:
        small.save(content, "PNG", compress_level=1)
    return struct.pack(">II", BinaryEventTypes.PREVIEW_IMAGE, 1 if kind == "JPEG" else 2) + content.getvalue()


PromptServer.instance = PromptServer()
