"""``/users`` and ``/settings``: who uses the front end, and how."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from host.api import bodies
from host.api.answers import answer_json, empty, problem
from host.api.requests import json_body, json_object
from host.api.users import Users


def user_router(users: Users) -> APIRouter:
    """The routes about the user and the settings."""
    router = APIRouter(tags=["user"])

    @router.get("/users")
    def who_there_is() -> Response:
        """That this server keeps everything; with several users, their names by id."""
        if users.several:
            return answer_json({"storage": "server", "users": users.names()})
        return answer_json({"storage": "server", "migrated": True})

    @router.post("/users", openapi_extra=bodies.described(("username",), username=bodies.TEXT))
    async def add_a_user(request: Request) -> Response:
        """Add a user, ``{"username": …}``; answers with the id. A server with one user refuses."""
        said = await json_object(request)
        if not users.several:
            return problem("This server has one user; start it with --multi-user.")
        return answer_json(await run_in_threadpool(users.add, said.get("username")))

    @router.get("/settings")
    def all_settings(request: Request) -> Response:
        """The settings of the front end, by name."""
        return answer_json(users.files(request).settings())

    @router.get("/settings/{name:path}")
    def one_setting(name: str, request: Request) -> Response:
        """One setting; null if it was never set."""
        return answer_json(users.files(request).settings().get(name))

    @router.post("/settings", openapi_extra=bodies.described_as(bodies.OBJECT))
    async def change_settings(request: Request) -> Response:
        """Set the settings in the body, a JSON object, and leave the others."""
        changes = await json_object(request)
        await run_in_threadpool(users.files(request).change_settings, changes)
        return empty()

    @router.post("/settings/{name:path}", openapi_extra=bodies.described_as(bodies.ANYTHING))
    async def change_one_setting(name: str, request: Request) -> Response:
        """Set one setting to the body, any JSON value."""
        value = await json_body(request)
        await run_in_threadpool(users.files(request).change_settings, {name: value})
        return empty()

    return router
