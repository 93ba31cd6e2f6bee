"""``/users`` and ``/settings``: who uses the front end, and how."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from host.api.answers import answer_json, empty, problem
from host.api.requests import json_body, json_object
from host.api.user_files import UserFiles


def user_router(files: UserFiles) -> APIRouter:
    """The routes about the user and the settings."""
    router = APIRouter(tags=["user"])

    @router.get("/users")
    def who_there_is() -> Response:
        """That this server keeps everything of its one user."""
        return answer_json({"storage": "server", "migrated": True})

    @router.post("/users")
    def add_a_user() -> Response:
        """Refused: there is one user."""
        return problem("This server has one user; start another one with its own base folder.")

    @router.get("/settings")
    def all_settings() -> Response:
        """The settings of the front end, by name."""
        return answer_json(files.settings())

    @router.get("/settings/{name:path}")
    def one_setting(name: str) -> Response:
        """One setting; null if it was never set."""
        return answer_json(files.settings().get(name))

    @router.post("/settings")
    async def change_settings(request: Request) -> Response:
        """Set the settings in the body, a JSON object, and leave the others."""
        changes = await json_object(request)
        await run_in_threadpool(files.change_settings, changes)
        return empty()

    @router.post("/settings/{name:path}")
    async def change_one_setting(name: str, request: Request) -> Response:
        """Set one setting to the body, any JSON value."""
        value = await json_body(request)
        await run_in_threadpool(files.change_settings, {name: value})
        return empty()

    return router
