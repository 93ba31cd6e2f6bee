"""Takes the bytes of an upload: into a file of its own that is gone if anything goes wrong."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from registry_server.errors import BadArchive, BadRequest, TooLarge, Unavailable

logger = logging.getLogger(__name__)

_WRITTEN_AT_ONCE = 1 << 20
_SECONDS_UNTIL_LEFTOVER = 86_400


@asynccontextmanager
async def received(request: Request, folder: Path, limit: int) -> AsyncIterator[Path]:
    """The request's body as a file that exists inside the block.

    Raises:
        TooLarge: there are more bytes than ``limit``.
        BadArchive: the body ended early, or is empty.
        Unavailable: the disk is full.
    """
    announced = _announced_size(request)
    if announced is not None and announced > limit:
        raise TooLarge(limit)
    target = folder / f"{uuid.uuid4().hex}.zip"
    try:
        size = await _write(request, target, limit)
        if announced is not None and size != announced:
            raise BadArchive(f"The upload ended after {size} of {announced} bytes; nothing of it was kept.")
        if size == 0:
            raise BadArchive("The upload is empty; send the archive's bytes as the body.")
        yield target
    finally:
        await run_in_threadpool(target.unlink, missing_ok=True)


def remove_leftovers(folder: Path) -> int:
    """Remove what a killed process has left in the folder of uploads; how many files."""
    folder.mkdir(parents=True, exist_ok=True)
    oldest = time.time() - _SECONDS_UNTIL_LEFTOVER
    left = [path for path in folder.glob("*.zip") if path.stat().st_mtime < oldest]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


async def _write(request: Request, target: Path, limit: int) -> int:
    size, waiting = 0, bytearray()
    try:
        with target.open("wb") as writing:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise TooLarge(limit)
                waiting += chunk
                if len(waiting) >= _WRITTEN_AT_ONCE:
                    await run_in_threadpool(writing.write, bytes(waiting))
                    waiting.clear()
            await run_in_threadpool(writing.write, bytes(waiting))
    except ClientDisconnect as error:
        raise BadArchive(f"The upload ended after {size} bytes; nothing of it was kept.") from error
    except OSError as error:
        logger.error("an upload could not be written: %s", error)
        raise Unavailable(f"The registry can't take uploads at the moment ({error.strerror}); try later.") from error
    return size


def _announced_size(request: Request) -> int | None:
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise BadRequest(f"{text!r} is no Content-Length.")
    return int(text)
