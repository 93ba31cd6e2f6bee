"""``/models`` and ``/embeddings``: which model files there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import Response

from host.api import pictures
from host.api.answers import answer_json, empty
from host.models.errors import ModelError

if TYPE_CHECKING:
    from host.models.library import Library
    from host.models.residency.placement import Holding

PREVIEW_SUFFIXES = (".preview.png", ".preview.webp", ".preview.jpg", ".png", ".webp", ".jpg", ".jpeg")


def model_router(library: Library, holdings: Callable[[], Iterable[Holding]]) -> APIRouter:
    """The routes about model files and what of them is loaded."""
    router = APIRouter(tags=["models"])

    @router.get("/models")
    def kinds_of_models() -> Response:
        """The kinds of models there are folders for."""
        return answer_json(sorted(library.kinds))

    @router.get("/models/loaded")
    def loaded_models() -> Response:
        """Which model parts hold how many bytes on which device, the largest first."""
        return answer_json([asdict(holding) for holding in holdings()])

    @router.get("/models/{folder}")
    def names_of_models(folder: str) -> Response:
        """The files of a kind, relative to their folder."""
        try:
            return answer_json(library.names(folder))
        except ModelError:
            return empty(404)

    @router.get("/embeddings")
    def names_of_embeddings() -> Response:
        """The embeddings that prompts may name, without their suffixes."""
        return answer_json([os.path.splitext(name)[0] for name in library.names("embeddings")])

    @router.get("/experiment/models")
    def folders_of_models() -> Response:
        """Every kind of model with its folders."""
        kinds = sorted(library.kinds)
        return answer_json([{"name": kind, "folders": [str(f) for f in library.folders(kind)]} for kind in kinds])

    @router.get("/experiment/models/{folder}")
    def files_of_models(folder: str) -> Response:
        """The files of a kind with size and times; ``pathIndex`` says in which of its folders each one is."""
        try:
            return answer_json([fact for name in library.names(folder) if (fact := _facts(library, folder, name))])
        except ModelError:
            return empty(404)

    @router.get("/experiment/models/preview/{folder}/{path_index}/{filename:path}")
    def picture_of_a_model(folder: str, path_index: int, filename: str) -> Response:
        """The picture that lies beside a model file, as WebP."""
        try:
            path = library.find(folder, filename)
        except ModelError:
            return empty(404)
        beside = (path.parent / (path.stem + suffix) for suffix in PREVIEW_SUFFIXES)
        found = next((picture for picture in beside if picture.is_file()), None)
        if found is None:
            return empty(404)
        content, kind = pictures.preview(found, "webp", "")
        return Response(content, media_type=kind)

    return router


def _facts(library: Library, folder: str, name: str) -> dict[str, Any] | None:
    """A file's facts; None if it has just gone."""
    for index, root in enumerate(library.folders(folder)):
        try:
            status = Path(root, name).stat()
        except OSError:
            continue
        times = {"modified": status.st_mtime, "created": status.st_ctime}
        return {"name": name, "pathIndex": index, "size": status.st_size, **times}
    return None
