"""``/upload``: files that workflows read."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from host.api import bodies, pictures, uploads
from host.api.answers import answer_json
from host.api.requests import BadRequest, parse_json, says_yes
from host.folders import MissingFile, UnsafeName

if TYPE_CHECKING:
    from host.folders import LocalFolders

logger = logging.getLogger(__name__)

_FIELDS = {"type": bodies.TEXT, "subfolder": bodies.TEXT, "overwrite": bodies.TEXT}


def upload_router(folders: LocalFolders) -> APIRouter:
    """The routes that take files in."""
    router = APIRouter(tags=["files"])

    @router.post("/upload/image", openapi_extra=bodies.form(**_FIELDS))
    async def take_a_file(request: Request) -> Response:
        """Keep the form's file ``image``, whatever sort of file it is.

        Further fields: ``type`` (input, temp or output), ``subfolder``, ``overwrite``. Answers with where it is.
        """
        async with request.form() as form:
            file, where = await _read(form)
            return await run_in_threadpool(_keep, folders, form, where, file)

    @router.post("/upload/mask", openapi_extra=bodies.form(**_FIELDS, original_ref=bodies.TEXT))
    async def take_a_mask(request: Request) -> Response:
        """Keep the picture that ``original_ref`` names, with the transparency of the form's ``image``."""
        async with request.form() as form:
            file, where = await _read(form)
            reference = parse_json(_text(form, "original_ref").encode())
            if not isinstance(reference, dict):
                raise BadRequest('original_ref must be {"filename": …, "type": …, "subfolder": …}.')
            try:
                original = await run_in_threadpool(_original, folders, reference)
            except (MissingFile, UnsafeName) as error:
                # Clients know this answer as success; the log, which the editor shows, has the truth.
                logger.warning("the mask %r was not kept: its picture can't be read. %s", where["name"], error)
                return answer_json(where)
            masked = await run_in_threadpool(pictures.with_alpha_of, original, file)
            return await run_in_threadpool(_keep, folders, form, where, masked)

    return router


async def _read(form: FormData) -> tuple[bytes, dict[str, str]]:
    """The uploaded bytes, and the answer that says where they go."""
    file = form.get("image")
    if not isinstance(file, UploadFile) or not file.filename:
        raise uploads.BadUpload("There is no file called image in the form.")
    where = {
        "name": file.filename,
        "subfolder": _text(form, "subfolder"),
        "type": _text(form, "type") or "input",
    }
    if where["type"] not in uploads.ROOTS:
        raise uploads.BadUpload(f"type must be one of {', '.join(uploads.ROOTS)}.")
    return await file.read(), where


def _keep(folders: LocalFolders, form: FormData, where: dict[str, str], content: bytes) -> Response:
    overwrite = says_yes(form.get("overwrite"))
    name = uploads.store(folders, where["type"], where["subfolder"], where["name"], content, overwrite=overwrite)
    return answer_json({**where, "name": name})


def _original(folders: LocalFolders, reference: dict[str, object]) -> Path:
    said = {key: str(reference.get(key) or default) for key, default in (("subfolder", ""), ("type", "output"))}
    name = str(reference.get("filename") or "")
    if said["type"] not in uploads.ROOTS or not name:
        raise BadRequest("original_ref names no file.")
    path = folders.inside(said["type"], os.path.join(said["subfolder"], name))
    if not path.is_file():
        raise MissingFile(name, path.parent)
    return path


def _text(form: FormData, field: str) -> str:
    value = form.get(field)
    return value if isinstance(value, str) else ""
