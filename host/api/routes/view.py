"""``/view``: the files that nodes read and wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from host.api import pictures
from host.api.answers import answer_json, empty
from host.api.media_types import inert_type
from host.folders import ANNOTATED, UnsafeName
from host.models.errors import ModelError
from host.models.files.header import read_header

if TYPE_CHECKING:
    from host.folders import LocalFolders
    from host.models.library import Library

SHOWN = ("input", "output", "temp")
INERT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox",
}
"""Whatever a stranger's file says, the browser runs nothing of it."""


def view_router(folders: LocalFolders, library: Library) -> APIRouter:
    """The routes that give files out."""
    router = APIRouter(tags=["files"])

    @router.get("/view")
    def show_a_file(
        filename: str | None = None,
        type: str = "output",
        subfolder: str = "",
        preview: str | None = None,
        channel: str = "",
    ) -> Response:
        """A file of the input, output or temp folder.

        Args:
            filename: its name; ``name [input]`` says the folder, too.
            preview: encode it anew: ``webp`` or ``jpeg``, perhaps with a quality (``jpeg;50``).
            channel: ``rgb`` for the colours alone, ``a`` for the transparency alone.
        """
        path = _file(folders, filename, type, subfolder)
        if isinstance(path, Response):
            return path
        headers = {"Content-Disposition": disposition(path.name), **INERT}
        if preview is not None:
            content, kind = pictures.preview(path, preview, channel)
            return Response(content, headers=headers, media_type=kind)
        if channel in ("rgb", "a"):
            picture = pictures.colours(path) if channel == "rgb" else pictures.transparency(path)
            return Response(picture, headers=headers, media_type="image/png")
        return FileResponse(path, headers={**headers, "Content-Type": inert_type(path.name)})

    @router.get("/view_metadata/{folder_name}")
    def show_a_model_s_metadata(folder_name: str, filename: str | None = None) -> Response:
        """What a model file in safetensors format says of itself."""
        if filename is None or not filename.endswith(".safetensors"):
            return empty(404)
        try:
            said = read_header(library.find(folder_name, filename)).metadata
        except ModelError:
            return empty(404)
        return answer_json(said) if said else empty(404)

    return router


def disposition(name: str) -> str:
    """The name a file is saved under; header values travel as Latin-1, names as UTF-8."""
    safe = "".join(character for character in name if character >= " ").replace("\\", "\\\\").replace('"', '\\"')
    return f'filename="{safe}"'.encode("utf-8", "replace").decode("latin-1")


def _file(folders: LocalFolders, filename: str | None, root: str, subfolder: str) -> Path | Response:
    """The file that is asked for; an empty answer says why not: 400 bad name, 403 leads out, 404 not there."""
    if filename is None:
        return empty(404)
    annotated = ANNOTATED.fullmatch(filename)
    if annotated:
        filename, root = annotated["name"], annotated["root"]
    if not filename or filename.startswith("/") or ".." in filename or root not in SHOWN:
        return empty(400)
    try:
        folders.inside(root, subfolder)
    except UnsafeName:
        return empty(403)
    try:
        path = folders.inside(root, os.path.join(subfolder, os.path.basename(filename)))
        return path if path.is_file() else empty(404)
    except (UnsafeName, OSError):
        return empty(404)
