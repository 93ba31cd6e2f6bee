"""The official graph editor's files, where its package is installed; else a page that says how to get it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from host.api.answers import answer_json
from host.api.machine import FRONT_END
from host.api.media_types import media_type

PACKAGES = {"front_end": "comfyui_frontend_package", "docs": "comfyui_embedded_docs"}
TEMPLATE_PACKAGE = "comfyui_workflow_templates"
ALWAYS_ASKED = (".js", ".mjs", ".css", ".html", "index.json")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".svg", ".ico", ".avif")


class WebFiles(StaticFiles):
    """Static files with the content types and cache headers that browsers need, whatever the system's tables say."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        name = os.path.basename(full_path)
        response.headers.update(_cache_headers(name))
        if isinstance(response, FileResponse):
            response.headers["Content-Type"] = media_type(name)
        return response


def installed_front_end() -> Path | None:
    """The folder of the editor's files; None if its package is not installed."""
    folder = _package_folder(PACKAGES["front_end"])
    static = folder / "static" if folder else None
    return static if static and (static / "index.html").is_file() else None


def mounts(front_end: Path | None) -> dict[str, WebFiles]:
    """Static files by the path they are served under; the editor itself, under ``/``, comes last."""
    found: dict[str, WebFiles] = {}
    docs, templates = _package_folder(PACKAGES["docs"]), _package_folder(TEMPLATE_PACKAGE)
    if docs and (docs / "docs").is_dir():
        found["/docs"] = WebFiles(directory=docs / "docs")
    if templates and (templates / "templates").is_dir():
        found["/templates"] = WebFiles(directory=templates / "templates")
    if front_end is not None:
        found["/"] = WebFiles(directory=front_end, html=True)
    return found


def front_end_router(front_end: Path | None) -> APIRouter:
    """What the editor asks for about itself."""
    router = APIRouter(tags=["front end"])
    scripts = _scripts(front_end)

    @router.get("/extensions")
    def scripts_to_load() -> Response:
        """Paths of the scripts that extend the editor."""
        return answer_json(scripts)

    @router.get("/i18n")
    def translations() -> Response:
        """Translated names by language; no pack offers any."""
        return answer_json({})

    @router.get("/workflow_templates")
    def example_workflows() -> Response:
        """Names of example workflows by pack; no pack offers any."""
        return answer_json({})

    return router


def home_router() -> APIRouter:
    """The page at ``/`` of a server without the editor."""
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    def home() -> Response:
        page = Path(__file__).with_name("home.html").read_text(encoding="utf-8")
        return HTMLResponse(page.replace("{package}", FRONT_END), headers={"Cache-Control": "no-cache"})

    return router


def _scripts(front_end: Path | None) -> list[str]:
    if front_end is None:
        return []
    return [f"/{path.relative_to(front_end).as_posix()}" for path in sorted((front_end / "extensions").rglob("*.js"))]


def _cache_headers(name: str) -> Mapping[str, str]:
    if name == "index.html":
        return {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "0"}
    if name.endswith(ALWAYS_ASKED):
        return {"Cache-Control": "no-cache"}
    return {"Cache-Control": "public, max-age=86400"} if name.endswith(PICTURES) else {}


def _package_folder(name: str) -> Path | None:
    """Where a package lies, without importing it."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations)))
