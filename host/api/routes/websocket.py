"""``/ws``: what happens, as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from host.api.features import Features
from host.api.job_service import JobService
from host.api.sockets import Connection, Sockets
from host.engine.messages import Message, status


def websocket_router(jobs: JobService, sockets: Sockets, features: Features) -> APIRouter:
    """The websocket."""
    router = APIRouter()

    @router.websocket("/ws")
    async def connect(websocket: WebSocket) -> None:
        await websocket.accept()
        client_id = websocket.query_params.get("clientId") or uuid.uuid4().hex
        connection = Connection(client_id, websocket)
        sockets.add(connection)
        connection.put(status(jobs.remaining, client_id))
        node = jobs.node_under_way(client_id)
        if node is not None:
            connection.put(Message("executing", {"node": node}, client_id))
        sending = asyncio.create_task(connection.send_all())
        try:
            await _listen(websocket, connection, features)
        finally:
            sockets.remove(connection)
            connection.close()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, OSError):
                await sending

    return router


async def _listen(websocket: WebSocket, connection: Connection, features: Features) -> None:
    """Read until the client leaves; only its first message counts, if it says what it can do."""
    first = True
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        flags = _flags(message.get("text")) if first else None
        first = False
        if flags is not None:
            connection.flags = flags
            connection.put(Message("feature_flags", features.as_json(), connection.client_id))


def _flags(text: str | None) -> Mapping[str, Any] | None:
    try:
        said = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("type") != "feature_flags":
        return None
    data = said.get("data")
    return data if isinstance(data, dict) else {}
