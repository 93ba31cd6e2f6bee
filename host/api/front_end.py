"""The official graph editor's files, where its package is installed; else a page that says how to get it."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

from host.api.answers import JSON_TYPE, answer_json
from host.api.machine import FRONT_END
from host.api.pack_content import PackContent
from host.api.static_files import WebFiles

logger = logging.getLogger(__name__)

PACKAGES = {"front_end": "comfyui_frontend_package", "docs": "comfyui_embedded_docs"}
TEMPLATE_PACKAGE = "comfyui_workflow_templates"
OWN_TEMPLATES = Path("examples", "templates")
"""Where the base folder may hold workflows for the gallery, in the form of that package: ``index.json`` beside them."""
OWN_SCRIPTS = "/extensions/comfy-nodes"
"""Where scripts lie that let the editor get along with this host."""


def installed_front_end() -> Path | None:
    """The folder of the editor's files; None if its package is not installed."""
    folder = _package_folder(PACKAGES["front_end"])
    static = folder / "static" if folder else None
    return static if static and (static / "index.html").is_file() else None


def template_folders(base: Path) -> list[Path]:
    """Folders of workflows for the gallery: the base folder's own, then those of their package, where it is there."""
    package = _package_folder(TEMPLATE_PACKAGE)
    folders = [base / OWN_TEMPLATES, *([package / "templates"] if package else [])]
    return [folder.resolve() for folder in folders if (folder / "index.json").is_file()]


def mounts(front_end: Path | None, templates: Sequence[Path]) -> dict[str, WebFiles]:
    """Static files by the path they are served under; the editor itself, under ``/``, comes last."""
    found: dict[str, WebFiles] = {}
    docs = _package_folder(PACKAGES["docs"])
    if docs and (docs / "docs").is_dir():
        found["/docs"] = WebFiles(directory=docs / "docs")
    if templates:
        found["/templates"] = WebFiles(directory=templates[0])
        found["/templates"].all_directories.extend(templates[1:])
    if front_end is not None:
        found[OWN_SCRIPTS] = WebFiles(directory=_own_scripts())
        found["/"] = WebFiles(directory=front_end, html=True)
    return found


def front_end_router(front_end: Path | None, content: PackContent) -> APIRouter:
    """What the editor asks for about itself and about what packs give it."""
    router = APIRouter(tags=["front end"])
    own_scripts = _scripts(front_end)

    @router.get("/extensions")
    def scripts_to_load() -> Response:
        """Paths of the scripts that extend the editor: its own, then those of packs."""
        return answer_json([*own_scripts, *content.scripts()])

    @router.get("/i18n")
    def translations() -> Response:
        """Translated names by language, as the packs have them."""
        return answer_json(content.translations())

    @router.get("/workflow_templates")
    def example_workflows() -> Response:
        """Names of example workflows by pack; the files lie at ``/api/workflow_templates/{pack}/{name}.json``."""
        return answer_json(content.templates())

    @router.get("/global_subgraphs")
    def subgraphs() -> Response:
        """Subgraphs for every workflow, by their ids."""
        return answer_json({key: subgraph.as_json() for key, subgraph in content.subgraphs().items()})

    @router.get("/global_subgraphs/{subgraph_id}")
    def one_subgraph(subgraph_id: str) -> Response:
        """One subgraph with its file as text in ``data``; null if there is none of that id."""
        found = content.subgraphs().get(subgraph_id)
        if found is None:
            return answer_json(None)
        return answer_json({**found.as_json(), "data": found.path.read_text(encoding="utf-8", errors="replace")})

    return router


def template_router(folders: Sequence[Path]) -> APIRouter:
    """The gallery's list, out of all folders. Without one it is empty: the editor waits for a list for ever."""
    router = APIRouter()

    @router.get("/templates/index.json", include_in_schema=False)
    @router.get("/templates/index.{language}.json", include_in_schema=False)
    def templates(language: str = "") -> Response:
        found = [_template_list(folder, language) for folder in folders]
        return answer_json([category for categories in found for category in categories])

    @router.get("/templates/index_logo.json", include_in_schema=False)
    def logos() -> Response:
        found = next((folder / "index_logo.json" for folder in folders if (folder / "index_logo.json").is_file()), None)
        return answer_json({}) if found is None else FileResponse(found, media_type=JSON_TYPE)

    return router


def _template_list(folder: Path, language: str) -> list[Any]:
    """What a folder's list says, in that language where there is one."""
    translated = folder / f"index.{language}.json"
    path = translated if language.replace("-", "").isalnum() and translated.is_file() else folder / "index.json"
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("the list of templates in %s can't be read: %s", path, error)
        return []
    if isinstance(said, list):
        return said
    logger.warning("the list of templates in %s is no JSON list", path)
    return []


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
    editor = [f"/{path.relative_to(front_end).as_posix()}" for path in sorted((front_end / "extensions").rglob("*.js"))]
    return editor + [f"{OWN_SCRIPTS}/{path.name}" for path in sorted(_own_scripts().glob("*.js"))]


def _own_scripts() -> Path:
    return Path(__file__).with_name("editor_scripts")


def _package_folder(name: str) -> Path | None:
    """Where a package lies, without importing it."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations)))
