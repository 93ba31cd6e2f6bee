"""``/userdata``: the user's own files. A path is one segment, its slashes written as ``%2F``."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from host.api import bodies
from host.api.access.guards import unescaped
from host.api.answers import answer_json, empty, text
from host.api.media_types import inert_type, media_type
from host.api.requests import says_yes
from host.api.user_files import STYLE_SHEET, UserFiles
from host.api.users import Users


def userdata_router(users: Users) -> APIRouter:
    """The routes about the user's files."""
    router = APIRouter(tags=["user"])
    _add_lists(router, users)
    _add_files(router, users)
    return router


def _add_lists(router: APIRouter, users: Users) -> None:
    @router.get("/userdata")
    def list_of_files(
        request: Request, dir: str = "", recurse: str = "", full_info: str = "", split: str = ""
    ) -> Response:
        """The files below ``dir``: names, names split at slashes, or with size and times."""
        if not dir:
            return text("Directory not provided", 400)
        try:
            found = users.files(request).below(dir, recurse=says_yes(recurse))
        except NotADirectoryError:
            return text("Directory not found", 404)
        if says_yes(full_info):
            return answer_json([file.as_json() for file in found])
        if says_yes(split):
            return answer_json([[file.path, *file.path.split("/")] for file in found])
        return answer_json([file.path for file in found])

    @router.get("/v2/userdata")
    def list_of_entries(request: Request, path: str = "") -> Response:
        """Files and folders directly in a folder of the user."""
        return answer_json(users.files(request).entries(path))


def _add_files(router: APIRouter, users: Users) -> None:
    @router.get("/userdata/{file}")
    def read_a_file(file: str, request: Request) -> Response:
        """A file of the user."""
        path = users.files(request).path(unescaped(file))
        if not path.is_file():
            return empty(404)
        # The one style sheet is the user's own wish; anything else may have been put there by a page.
        kind = media_type(path.name) if path.name == STYLE_SHEET else inert_type(path.name)
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", "Content-Type": kind}
        return FileResponse(path, headers=headers)

    @router.post("/userdata/{file}", openapi_extra=bodies.described_as(bodies.ANYTHING))
    async def write_a_file(file: str, request: Request, overwrite: str = "true", full_info: str = "") -> Response:
        """Keep the body as a file of the user; 409 if there is one that must stay."""
        name, content, files = unescaped(file), await request.body(), users.files(request)

        def change() -> None:
            files.write(name, content, overwrite=overwrite != "false")

        return await run_in_threadpool(_changed, files, name, says_yes(full_info), change)

    @router.delete("/userdata/{file}")
    def delete_a_file(file: str, request: Request) -> Response:
        """Delete a file of the user."""
        path = users.files(request).path(unescaped(file))
        if not path.is_file():
            return empty(404)
        path.unlink(missing_ok=True)
        return empty(204)

    @router.post("/userdata/{file}/move/{dest}")
    def move_a_file(file: str, dest: str, request: Request, overwrite: str = "true", full_info: str = "") -> Response:
        """Give a file of the user another name."""
        name, target, files = unescaped(file), unescaped(dest), users.files(request)

        def change() -> None:
            files.move(name, target, overwrite=overwrite != "false")

        return _changed(files, target, says_yes(full_info), change)


def _changed(files: UserFiles, name: str, full_info: bool, change: Callable[[], None]) -> Response:
    """Make a change that leaves a file of that name; answers with the name, or with the file's facts."""
    try:
        change()
        found = files.facts(name)
    except FileExistsError:
        return text("File already exists", 409)
    except FileNotFoundError:
        return empty(404)
    except OSError as error:
        return text(f"{name} can't be stored: {error.strerror}", 400)
    return answer_json(found.as_json() if full_info else found.path)
