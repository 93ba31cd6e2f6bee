"""Takes an ASGI request to a server that speaks HTTP itself, and its answer back, through a pair of sockets.

Nothing of the request or the answer is held: bodies, streams and files of any size pass as they come.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import h11

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CHUNK = 2**16
OF_ONE_CONNECTION = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"expect", b"te"))
"""Headers that are about the connection they came by."""
_PATH_LETTERS = "/:@!$&'()*+,;=-._~%"


async def forward(protocol: Callable[[], asyncio.Protocol], scope: Scope, receive: Receive, send: Send) -> None:
    """Have an HTTP server answer one request.

    Args:
        protocol: makes the server's end of a connection.
    """
    async with _connected(protocol) as (reader, writer):
        connection = h11.Connection(our_role=h11.CLIENT)
        writer.write(connection.send(_request(scope)) or b"")
        sending = asyncio.create_task(_send_body(connection, writer, receive))
        answering = asyncio.create_task(_answer(connection, reader, send))
        try:
            done, _ = await asyncio.wait((sending, answering), return_when=asyncio.FIRST_COMPLETED)
            if answering not in done:
                sending.result()  # raises, if the body is larger than this server takes
            await answering
        finally:
            for task in (sending, answering):
                task.cancel()
            await asyncio.gather(sending, answering, return_exceptions=True)


@asynccontextmanager
async def _connected(
    protocol: Callable[[], asyncio.Protocol],
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(protocol, theirs)
    reader, writer = await asyncio.open_connection(sock=ours)
    try:
        yield reader, writer
    finally:
        writer.close()
        transport.close()


def _request(scope: Scope) -> h11.Request:
    target = scope.get("raw_path") or quote(scope["path"], safe=_PATH_LETTERS).encode()
    if scope["query_string"]:
        target = target.partition(b"?")[0] + b"?" + scope["query_string"]
    headers = [(name, value) for name, value in scope["headers"] if name not in OF_ONE_CONNECTION]
    names = {name for name, _ in scope["headers"]}
    if b"content-length" not in names and b"transfer-encoding" in names:
        headers.append((b"transfer-encoding", b"chunked"))
    if b"host" not in names:
        headers.append((b"host", b"localhost"))
    return h11.Request(method=scope["method"], target=target, headers=headers)


async def _send_body(connection: h11.Connection, writer: asyncio.StreamWriter, receive: Receive) -> None:
    """Pass the body on; then wait for the client to go away, and say so by closing the connection."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            writer.close()
            return
        more = message.get("more_body", False)
        try:
            if body := message.get("body", b""):
                writer.write(connection.send(h11.Data(data=body)) or b"")
            if not more:
                writer.write(connection.send(h11.EndOfMessage()) or b"")
            await writer.drain()
        except (ConnectionError, h11.LocalProtocolError):
            return  # the handler has answered already, and reads no more of it
    while (await receive())["type"] != "http.disconnect":
        continue
    writer.close()


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader, send: Send) -> None:
    """Pass the answer on as it comes; one that breaks off is left unfinished, as the client has to see."""
    started = False
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            event = h11.ConnectionClosed()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(CHUNK))
        elif isinstance(event, h11.Response):
            headers = [(name, value) for name, value in event.headers if name not in OF_ONE_CONNECTION]
            started = True
            await send({"type": "http.response.start", "status": event.status_code, "headers": headers})
        elif isinstance(event, h11.Data):
            await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
        elif isinstance(event, h11.EndOfMessage):
            await send({"type": "http.response.body", "body": b""})
            return
        elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            if not started:
                await send({"type": "http.response.start", "status": 502, "headers": [(b"content-length", b"0")]})
                await send({"type": "http.response.body", "body": b""})
            return
