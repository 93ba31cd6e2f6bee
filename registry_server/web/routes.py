"""Pages about packs, versions, publishers and nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from registry_server.accounts import repository as accounts
from registry_server.errors import NotFound
from registry_server.index import repository as index
from registry_server.nodes.duplicates import duplicates_of
from registry_server.packs import repository as packs
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.requests import Reading, Registry, Root, Text, page_of
from registry_server.search.query import Query as SearchQuery
from registry_server.web import repository
from registry_server.web.feeds import KIND, atom_feed
from registry_server.web.links import pack_path
from registry_server.web.pages import METHODS, PageRoute, answer, page
from registry_server.web.paging import PAGE_SIZE, Pager
from registry_server.web.views import node_page, pack_page
from sdk.registry import State

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Word = Annotated[Text, Query(max_length=500)]
PageNumber = Annotated[int | None, Query(alias="page")]
SHOWN_AT_HOME = 8
SYSTEMS = {"windows": "Windows", "macos": "macOS", "linux": "Linux"}
_IN_FEED = (State.ACTIVE, State.YANKED)


@router.api_route("/", methods=METHODS)
def home(request: Request, session: Reading) -> Response:
    """What this is, a search field, what is new and what is used."""
    newest = repository.newest_releases(session, SHOWN_AT_HOME)
    used = repository.much_used(session, SHOWN_AT_HOME)
    return page(request, "home.html", packs=index.state(session).packs, newest=newest, used=_with_latest(session, used))


@router.api_route("/search", methods=METHODS)
def search(
    request: Request,
    session: Reading,
    parts: Registry,
    q: Word = "",
    node: Word = "",
    publisher: Word = "",
    tag: Word = "",
    os: Word = "",
    page_number: PageNumber = None,
) -> Response:
    """Packs that fit, best first."""
    number, _ = page_of(page_number, PAGE_SIZE)
    wanted = SearchQuery(text=q, node=node, publisher=publisher, tag=tag, system=os)
    total, ids = parts.search.find(session, wanted, (number - 1) * PAGE_SIZE, PAGE_SIZE)
    fields = {"q": q, "node": node, "publisher": publisher, "tag": tag, "os": os}
    pager = Pager(page=number, total=total, fields=fields)
    found = _with_latest(session, packs.packs_by_id(session, ids))
    return page(request, "search.html", found=found, pager=pager, fields=fields, systems=SYSTEMS)


@router.api_route("/pack/{pack_id}", methods=METHODS)
def show_pack(pack_id: str, request: Request, session: Reading) -> Response:
    """A pack, with the version that would be installed."""
    return page(request, "pack.html", shown=pack_page(session, _find(session, pack_id)), chosen=False)


@router.api_route("/pack/{pack_id}/versions/{version}", methods=METHODS)
def show_version(pack_id: str, version: str, request: Request, session: Reading) -> Response:
    """One version of a pack."""
    shown = pack_page(session, _find(session, pack_id), version)
    if shown.release is not None and shown.release.state == State.BANNED:
        raise HTTPException(410, f"{shown.pack.slug} {shown.release.version} is banned: {shown.release.reason}")
    return page(request, "pack.html", shown=shown, chosen=True)


@router.api_route("/pack/{pack_id}/duplicates", methods=METHODS)
def show_duplicates(pack_id: str, request: Request, session: Reading) -> Response:
    """Which other packs hold this pack's code at this moment."""
    pack = _find(session, pack_id)
    latest = packs.release_by_id(session, pack.latest_id) if pack.latest_id else None
    found = duplicates_of(session, pack.id, latest.nodes) if latest else []
    return page(request, "pack_duplicates.html", pack=pack, release=latest, duplicates=found)


@router.api_route("/pack/{pack_id}/feed.atom", methods=METHODS)
def pack_feed(pack_id: str, request: Request, session: Reading, root: Root) -> Response:
    """A pack's versions as they come out."""
    pack = _find(session, pack_id)
    _, listed = packs.list_releases(session, _IN_FEED, pack.id, 0, 50)
    body = atom_feed(root, f"{pack_path(pack.slug)}/feed.atom", f"Versions of {pack.slug}", listed)
    return answer(request, body, KIND)


@router.api_route("/publisher/{publisher_id}", methods=METHODS)
def show_publisher(
    publisher_id: str,
    request: Request,
    session: Reading,
    parts: Registry,
    page_number: PageNumber = None,
) -> Response:
    """Who somebody is, and their packs."""
    publisher = accounts.publisher(session, publisher_id)
    if publisher is None:
        raise NotFound("publisher", publisher_id)
    if publisher.banned:
        raise HTTPException(410, f"The publisher {publisher.id} is banned.")
    total, ids = parts.search.find(session, SearchQuery(publisher=publisher.id), 0, PAGE_SIZE)
    found = _with_latest(session, packs.packs_by_id(session, ids))
    pager = Pager(page=1, total=total, fields={"publisher": publisher.id})
    people = [(user.id, member.role) for member, user in accounts.members(session, publisher.id)]
    return page(request, "publisher.html", publisher=publisher, people=people, found=found, pager=pager)


@router.api_route("/node", methods=METHODS)
@router.api_route("/node/{node_id:path}", methods=METHODS)
def show_node(request: Request, session: Reading, node_id: str = "", id: Word = "") -> Response:
    """A node id: whose it is, who provides it, what it looks like."""
    return page(request, "node.html", shown=node_page(session, node_id or id))


def _find(session: Session, pack_id: str) -> PackRow:
    """The pack, if it may be shown.

    Raises:
        NotFound: there is none.
        HTTPException: it is gone for good (410), with the reason.
    """
    pack = packs.pack(session, pack_id)
    if pack is None:
        raise NotFound("pack", pack_id)
    if pack.status == "deleted":
        raise HTTPException(410, f"The pack {pack.slug} was removed.")
    if pack.status != "active":
        reason = pack.status_detail or "no reason was given"
        raise HTTPException(410, f"The pack {pack.slug} is {pack.status}: {reason}")
    return pack


def _with_latest(session: Session, rows: Sequence[PackRow]) -> list[tuple[PackRow, ReleaseRow | None]]:
    latest = packs.releases_by_id(session, [row.latest_id for row in rows])
    return [(row, latest.get(row.latest_id or "")) for row in rows]
