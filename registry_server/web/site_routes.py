"""Pages about the registry itself, its feed, and what belongs to the pages."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from registry_server.errors import NotFound
from registry_server.index import repository as index
from registry_server.index.documents import FOREVER
from registry_server.nodes.tables import NodeClaimRow
from registry_server.packs.tables import PackRow
from registry_server.requests import Reading, Registry, Root, page_of
from registry_server.web import repository
from registry_server.web.feeds import KIND, atom_feed
from registry_server.web.pages import A_MINUTE, ICON, METHODS, PageRoute, answer, icon, page, stylesheet
from registry_server.web.paging import PAGE_SIZE
from registry_server.web.shared import SharedNodes
from sdk.checks import RULES, SEVERITIES

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PageNumber = Annotated[int | None, Query(alias="page")]
IN_FEED = 50
MOST_HOLDERS = 50
_ROBOTS = """User-agent: *
Disallow: /api/
Disallow: /search
Disallow: /archives/
Disallow: /downloads/
Disallow: /duplicates
"""


@router.api_route("/duplicates", methods=METHODS)
def duplicates(
    request: Request,
    session: Reading,
    kind: Literal["code", "id"] = "code",
    page_number: PageNumber = None,
) -> Response:
    """Node code that several packs hold, or node ids that several packs provide."""
    number, _ = page_of(page_number, PAGE_SIZE)
    by_code = kind == "code"
    shared: SharedNodes = request.app.state.shared_nodes
    keys = (shared.codes() if by_code else shared.ids())[(number - 1) * PAGE_SIZE :]
    fill = repository.claims_with_codes if by_code else repository.claims_with_ids
    holders: dict[str, list[tuple[NodeClaimRow, PackRow]]] = defaultdict(list)
    for claim, pack in fill(session, keys[:PAGE_SIZE]):
        holders[claim.code if by_code else claim.node_id].append((claim, pack))
    owners = repository.owner_slugs(session, [claim.node_id for found in holders.values() for claim, _ in found])
    groups = [(holders[key][:MOST_HOLDERS], len(holders[key])) for key in keys[:PAGE_SIZE] if len(holders[key]) > 1]
    more = len(keys) > PAGE_SIZE
    return page(request, "duplicates.html", kind=kind, groups=groups, owners=owners, number=number, more=more)


@router.api_route("/rules", methods=METHODS)
def rules(request: Request) -> Response:
    """The open rules that every version is checked against."""
    grouped = {severity: [rule for rule in RULES.values() if rule.severity == severity] for severity in SEVERITIES}
    return page(request, "rules.html", grouped=grouped)


@router.api_route("/about", methods=METHODS)
def about(request: Request, session: Reading, parts: Registry) -> Response:
    """How this registry works, for users and authors."""
    return page(request, "about.html", packs=index.state(session).packs, settings=parts.settings)


@router.api_route("/feed.atom", methods=METHODS)
def feed(request: Request, session: Reading, parts: Registry, root: Root) -> Response:
    """What was published last."""
    listed = repository.newest_releases(session, IN_FEED)
    return answer(request, atom_feed(root, "/feed.atom", f"New in {parts.settings.name}", listed), KIND)


@router.api_route("/robots.txt", methods=METHODS)
def robots(request: Request) -> Response:
    """What search engines need not read."""
    return answer(request, _ROBOTS.encode(), "text/plain; charset=utf-8")


@router.api_route("/static/{name}", methods=METHODS)
def static(name: str, request: Request) -> Response:
    """The style sheet, also by a former name, which pages kept from before an update ask for; and the icon."""
    if name == ICON:
        return answer(request, icon(), "image/svg+xml")
    current, body = stylesheet()
    if not (name.startswith("style.") and name.endswith(".css")):
        raise NotFound("file", name)
    return answer(request, body, "text/css; charset=utf-8", cache_control=FOREVER if name == current else A_MINUTE)
