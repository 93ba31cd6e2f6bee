"""``/users``, ``/settings`` and ``/userdata``: what the front end keeps on the server."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from host.api.answers import answer_json, empty, problem, text
from host.api.guards import unescaped
from host.api.media_types import inert_type
from host.api.requests import json_body, json_object, says_yes
from host.api.user_files import UserFile, UserFiles
from host.folders import UnsafeName


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


def userdata_router(files: UserFiles) -> APIRouter:
    """The routes about the user's files. A path is one segment, its slashes written as ``%2F``."""
    router = APIRouter(tags=["user"])

    @router.get("/userdata")
    def list_of_files(
        dir: str = "", recurse: str = "", full_info: str = "", split: str = ""
    ) -> Response:
        """The files below ``dir``: names, names split at slashes, or with size and times."""
        if not dir:
            return text("Directory not provided", 400)
        try:
            found = files.below(dir, recurse=recurse.lower() == "true")
        except UnsafeName:
            return empty(403)
        except NotADirectoryError:
            return text("Directory not found", 404)
        if full_info.lower() == "true":
            return answer_json([file.as_json() for file in found])
        if split.lower() == "true":
            return answer_json([[file.path, *file.path.split("/")] for file in found])
        return answer_json([file.path for file in found])

    @router.get("/v2/userdata")
    def list_of_entries(path: str = "") -> Response:
        """Files and folders directly in a folder of the user."""
        try:
            return answer_json(files.entries(path))
        except UnsafeName:
            return empty(403)

    @router.get("/userdata/{file}")
    def read_a_file(file: str) -> Response:
        """A file of the user."""
        try:
            path = files.path(unescaped(file))
        except UnsafeName:
            return empty(403)
        if not path.is_file():
            return empty(404)
        headers = {"Content-Type": inert_type(path.name), "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
        if path.name == "user.css":
            headers["Content-Type"] = "text/css; charset=utf-8"
        return FileResponse(path, headers=headers)

    @router.post("/userdata/{file}")
    async def write_a_file(file: str, request: Request, overwrite: str = "true", full_info: str = "") -> Response:
        """Keep the body as a file of the user; 409 if there is one that must stay."""
        name, content = unescaped(file), await request.body()
        return await run_in_threadpool(
            _changed, files, name, full_info, lambda: files.write(name, content, overwrite=overwrite != "false")
        )

    @router.delete("/userdata/{file}")
    def delete_a_file(file: str) -> Response:
        """Delete a file of the user."""
        try:
            files.path(unescaped(file)).unlink()
        except UnsafeName:
            return empty(403)
        except OSError:
            return empty(404)
        return empty(204)

    @router.post("/userdata/{file}/move/{dest}")
    def move_a_file(file: str, dest: str, overwrite: str = "true", full_info: str = "") -> Response:
        """Give a file of the user another name."""
        name, target = unescaped(file), unescaped(dest)
        return _changed(
            files, target, full_info, lambda: files.move(name, target, overwrite=overwrite != "false")
        )

    return router


def _changed(files: UserFiles, name: str, full_info: str, change: Any) -> Response:
    """Make a change that leaves a file of that name; answers with the name, or with the file's facts."""
    try:
        change()
        found: UserFile = files.facts(name)
    except UnsafeName:
        return empty(403)
    except FileExistsError:
        return text("File already exists", 409)
    except FileNotFoundError:
        return empty(404)
    except OSError as error:
        return text(f"{name} can't be stored: {error.strerror}", 400)
    return answer_json(found.as_json() if says_yes(full_info) else found.path)
