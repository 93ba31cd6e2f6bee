"""Archives by HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from registry_server.errors import NotFound
from registry_server.packs import repository
from registry_server.packs.archives import archive_answer, check_served
from registry_server.packs.service import find_pack, find_release
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.requests import Parts, Registry
from sdk.registry import SNAPSHOT_PATH

router = APIRouter(tags=["archives"])


@router.get("/archives/{prefix}/{sha256}/{name}")
@router.head("/archives/{prefix}/{sha256}/{name}", include_in_schema=False)
async def archive(prefix: str, sha256: str, name: str, request: Request, parts: Registry) -> Response:
    """An archive by its content; a whole download is counted."""

    def find() -> tuple[ReleaseRow, PackRow]:
        with parts.database.read() as session:
            found = repository.release_by_archive(session, sha256, f"archives/{prefix}/{sha256}/{name}")
            if found is None:
                raise NotFound("archive", name)
            check_served(found[1], found[0])
        return found

    release, pack = await run_in_threadpool(find)
    answer = await run_in_threadpool(_answer, request, parts, release)
    if request.method == "GET" and answer.status_code == 200:
        await run_in_threadpool(_count, parts, pack, release)
    return answer


@router.get("/downloads/{pack_id}/{version}/node.zip")
@router.head("/downloads/{pack_id}/{version}/node.zip", include_in_schema=False)
async def download(pack_id: str, version: str, request: Request, parts: Registry) -> Response:
    """The archive of a version, at the address that clients of the Comfy Registry are given."""

    def find() -> ReleaseRow:
        with parts.database.read() as session:
            pack = find_pack(session, pack_id)
            release = find_release(session, pack, version)
            check_served(pack, release)
            return release

    release = await run_in_threadpool(find)
    return await run_in_threadpool(_answer, request, parts, release)


@router.get(f"/{SNAPSHOT_PATH}")
@router.head(f"/{SNAPSHOT_PATH}", include_in_schema=False)
def snapshot(request: Request, parts: Registry) -> Response:
    """The whole index in one file."""
    size = parts.storage.size(SNAPSHOT_PATH)
    if size is None:
        raise NotFound("snapshot", "of this index yet")
    headers = {"Content-Length": str(size), "Cache-Control": "public, max-age=60", "Access-Control-Allow-Origin": "*"}
    body = iter(()) if request.method == "HEAD" else parts.storage.open(SNAPSHOT_PATH)
    return StreamingResponse(body, headers=headers, media_type="application/zstd")


def _count(parts: Parts, pack: PackRow, release: ReleaseRow) -> None:
    with parts.database.write() as session:
        repository.count_download(session, pack.id, release.id)


def _answer(request: Request, parts: Parts, release: ReleaseRow) -> Response:
    if release.upstream and parts.storage.size(release.url) is None:
        parts.mirror.pull(release)
    return archive_answer(request, parts.storage, release)
