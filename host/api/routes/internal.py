"""``/internal``: what the front end asks about this server itself. Without a prefix."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import Response

from host.api import bodies
from host.api.answers import answer_json, empty, problem
from host.api.logs import LogBook
from host.api.requests import BadRequest, json_object

if TYPE_CHECKING:
    from host.folders import LocalFolders
    from host.models.library import Library

LISTED = ("output", "input", "temp")


def internal_router(folders: LocalFolders, library: Library, log_book: LogBook) -> APIRouter:
    """The routes under ``/internal``."""
    router = APIRouter(prefix="/internal", tags=["server"])

    @router.get("/logs")
    def log_as_text() -> Response:
        """The last lines of the log as one text."""
        return answer_json(log_book.as_text())

    @router.get("/logs/raw")
    def log_entries() -> Response:
        """The last entries of the log."""
        return answer_json(log_book.entries())

    @router.patch(
        "/logs/subscribe", openapi_extra=bodies.described(("clientId",), clientId=bodies.TEXT, enabled=bodies.FLAG)
    )
    async def follow_the_log(request: Request) -> Response:
        """Send a websocket client the log from now on: ``{"clientId": …, "enabled": true}``."""
        said = await json_object(request)
        client_id = said.get("clientId")
        if not isinstance(client_id, str):
            raise BadRequest("clientId must be the id of a websocket client.")
        log_book.subscribe(client_id, wanted=bool(said.get("enabled")))
        return empty()

    @router.get("/folder_paths")
    def folders_by_kind() -> Response:
        """Where each kind of model lies."""
        return answer_json({kind: [str(folder) for folder in library.folders(kind)] for kind in library.kinds})

    @router.get("/files/{directory}")
    def newest_files(directory: str) -> Response:
        """The files directly in the output, input or temp folder, the newest first."""
        if directory not in LISTED:
            return problem("Invalid directory type")
        try:
            entries = [entry for entry in os.scandir(folders.root(directory)) if entry.is_file()]
        except FileNotFoundError:
            return answer_json([])
        return answer_json([entry.name for entry in sorted(entries, key=lambda e: -e.stat().st_mtime)])

    return router
