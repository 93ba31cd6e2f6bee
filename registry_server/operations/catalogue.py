"""Seeds the registry with the public catalogue, so that names and node ids start with the packs that have them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from registry_server.audit.repository import record
from registry_server.clock import stamp
from registry_server.db.database import Database
from registry_server.errors import BadRequest
from registry_server.index import repository as index
from registry_server.index.service import Indexer
from registry_server.nodes import repository as nodes
from registry_server.nodes.core import core_nodes
from registry_server.nodes.service import check_node_id, claim_rows
from registry_server.packs import repository as packs
from registry_server.packs.tables import PackRow
from sdk.pack_ids import LONGEST_PACK_ID, is_pack_id
from sdk.registry import fold

PACKS_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A pack of the catalogue."""

    slug: str
    name: str
    author: str
    description: str
    repository: str
    nodes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class SeedReport:
    """What an import did.

    Attributes:
        contested: node ids that several packs claim; the one listed first has got each.
        unusable: node ids that can't be ids, or are the host's.
    """

    packs: int = 0
    owned: int = 0
    claims: int = 0
    contested: int = 0
    unusable: int = 0
    skipped: list[str] = field(default_factory=list)


def read_catalogue(listing: Path, node_map: Path) -> list[Seed]:
    """The packs of ``custom-node-list.json`` with their nodes of ``extension-node-map.json``.

    Raises:
        BadRequest: a file is none of these.
    """
    entries = _load(listing).get("custom_nodes")
    mapped = _load(node_map)
    if not isinstance(entries, list):
        raise BadRequest(f"{listing} is no custom-node-list.json: it has no list `custom_nodes`.")
    ids = {_key(address): value for address, value in mapped.items() if isinstance(value, list) and value}
    taken: set[str] = set()
    return list(_seeds(entries, ids, taken))


def import_catalogue(database: Database, indexer: Indexer, moment: datetime, seeds: Iterable[Seed]) -> SeedReport:
    """Make a pack without versions of each seed; packs that are there already stay as they are.

    Of node ids that several packs claim, the pack that is listed first becomes the owner; all are claimants.
    """
    report = SeedReport()
    part: list[Seed] = []
    for seed in seeds:
        part.append(seed)
        if len(part) == PACKS_AT_ONCE:
            _store(database, indexer, moment, part, report)
            part = []
    _store(database, indexer, moment, part, report)
    return report


def _store(database: Database, indexer: Indexer, moment: datetime, seeds: list[Seed], report: SeedReport) -> None:
    with database.write() as session:
        index.lock(session)
        for seed in seeds:
            if packs.pack(session, seed.slug) is not None:
                report.skipped.append(seed.slug)
                continue
            _store_one(session, indexer, moment, seed, report)
        record(session, moment, "operator", "catalogue.import", "catalogue", packs=len(seeds))


def _store_one(session: Session, indexer: Indexer, moment: datetime, seed: Seed, report: SeedReport) -> None:
    at = stamp(moment)
    pack = PackRow(
        slug=seed.slug,
        folded=fold(seed.slug),
        origin="catalogue",
        name=seed.name,
        author=seed.author,
        description=seed.description,
        repository=seed.repository,
        created_at=at,
        updated_at=at,
    )
    session.add(pack)
    session.flush()
    usable = [node_id for node_id in dict.fromkeys(seed.nodes) if _is_usable(node_id)]
    owned = nodes.owners(session, usable)
    free = [node_id for node_id in usable if node_id not in owned]
    nodes.take(session, free, pack.id, at, "catalogue")
    nodes.put_claims(session, pack.id, claim_rows({"id": node_id} for node_id in usable), "")
    indexer.changed(session, moment, pack, "metadata")
    report.packs += 1
    report.owned += len(free)
    report.claims += len(usable)
    report.contested += len(usable) - len(free)
    report.unusable += len(seed.nodes) - len(usable)


def _seeds(entries: list[Any], ids: dict[str, Any], taken: set[str]) -> Iterator[Seed]:
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        repository = _text(entry, "reference")
        slug = _free_slug(_text(entry, "id"), repository, taken)
        if not slug:
            continue
        taken.add(fold(slug))
        files = [one for one in entry.get("files", []) if isinstance(one, str)]
        found: list[Any] = next((ids[key] for key in map(_key, [repository, *files]) if key in ids), [[]])
        names = found[0] if isinstance(found[0], list) else []
        yield Seed(
            slug=slug,
            name=_text(entry, "title") or slug,
            author=_text(entry, "author"),
            description=_text(entry, "description")[:1000],
            repository=repository,
            nodes=tuple(name for name in names if isinstance(name, str)),
        )


def _free_slug(wanted: str, repository: str, taken: set[str]) -> str:
    """The entry's own id, else the repository's name, else both its owner and its name."""
    owner, _, name = urlsplit(repository).path.strip("/").removesuffix(".git").rpartition("/")
    owner = owner.split("/")[0]
    for slug in (wanted, name, f"{owner}.{name}"):
        slug = slug.strip()[:LONGEST_PACK_ID].rstrip("._-")
        if is_pack_id(slug) and fold(slug) not in taken:
            return slug
    return ""


def _key(address: str) -> str:
    return address.rstrip("/").removesuffix(".git").lower()


def _is_usable(node_id: str) -> bool:
    try:
        check_node_id(node_id)
    except BadRequest:
        return False
    return node_id not in core_nodes()


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key, "")
    return value.replace("\0", "")[:2000] if isinstance(value, str) else ""


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRequest(f"{path} can't be read: {error}.") from error
    if not isinstance(data, dict):
        raise BadRequest(f"{path} must hold a JSON object.")
    return data
