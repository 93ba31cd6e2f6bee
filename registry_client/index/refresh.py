"""Brings a local copy up to date: by the change feed, or from a snapshot where that is less work."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from registry_client.errors import Mismatch, Unreachable
from registry_client.index.documents import Documents
from registry_client.index.local_copy import LocalCopy
from sdk.registry import (
    CHANGES_PER_PAGE,
    CONFIG_PATH,
    FORMAT,
    SNAPSHOT_PATH,
    BadIndexDocument,
    Change,
    IndexConfig,
    bundle_path,
    changes_page_path,
    decode_bundle,
    decode_config,
    digest,
    fold,
    pack_path,
    pinned_pack_path,
    read_snapshot,
)

logger = logging.getLogger(__name__)

AT_ONCE = 16
SNAPSHOT_SAVES = 5000
"""So many changes behind, one large file is quicker than many small ones."""


def refresh(copy: LocalCopy, documents: Documents, *, whole: bool) -> bool:
    """Ask the registry for what is new; True if anything was.

    Args:
        whole: fetch all packs if that was never done. Otherwise only packs that are here already are brought
            up to date, as they are asked for.

    Raises:
        Unreachable: no usable answer; the copy is as it was.
        BadIndexDocument: the registry's documents are damaged; the copy is as it was.
    """
    answer = documents.get(CONFIG_PATH, copy.fact("config_etag") if copy.complete or not whole else "")
    if answer is None:
        raise Unreachable(copy.url, f"it is no registry of packs (there is no {CONFIG_PATH})")
    if answer.body is None:
        copy.remember(checked=str(time.time()))
        return False
    config = _checked(answer.body, copy)
    facts = {"checked": str(time.time()), "config_etag": answer.etag, "name": config.name}
    if not copy.complete and not whole:
        copy.remember(**facts)
        return True
    facts |= {"serial": str(config.serial), "complete": "1"}
    behind = config.snapshot_serial - copy.serial
    if not copy.complete or config.serial < copy.serial or behind > SNAPSHOT_SAVES:
        serial, lines = _snapshot(copy, documents, config)
        news = _news(documents, _changes(documents, serial, config), {})
        copy.replace_all(lines, news.documents, news.gone, **facts)
    else:
        changes = _changes(documents, copy.serial, config)
        news = _news(documents, changes, copy.digests(changes.last))
        copy.put(news.documents, news.gone, **facts)
    return True


def fetch_pack(copy: LocalCopy, documents: Documents, pack_id: str) -> None:
    """Bring a single pack up to date, whether or not the copy is complete."""
    answer = documents.get(pack_path(pack_id), copy.etag(pack_id))
    if answer is None:
        copy.put((), [pack_id])
    elif answer.body is not None:
        copy.put([(answer.body, answer.etag)])


def _checked(body: bytes, copy: LocalCopy) -> IndexConfig:
    config = decode_config(body, f"{copy.url}/{CONFIG_PATH}")
    if config.format != FORMAT:
        raise BadIndexDocument(copy.url, f"its format {config.format} is not known here")
    return config


def _snapshot(copy: LocalCopy, documents: Documents, config: IndexConfig) -> tuple[int, Iterable[bytes]]:
    """Up to which change the snapshot goes, and its documents; without one, nothing before the first change."""
    answer = documents.get(SNAPSHOT_PATH) if config.snapshot_serial else None
    if answer is None or answer.body is None:
        return 0, ()
    first, lines = read_snapshot(io.BytesIO(answer.body), f"{copy.url}/{SNAPSHOT_PATH}")
    return first.serial, lines


@dataclass(frozen=True)
class _Changes:
    """Changes in a row; the ``last`` of each pack by its folded id; documents by digest, where they were sent along."""

    last: Mapping[str, Change]
    bundled: Mapping[str, bytes]


@dataclass(frozen=True)
class _News:
    """What a copy is to take over: documents, each with an etag, and ids of packs that are gone."""

    documents: Iterable[tuple[bytes, str]]
    gone: Sequence[str]


def _changes(documents: Documents, since: int, config: IndexConfig) -> _Changes:
    """The changes up to now."""
    last: dict[str, Change] = {}
    bundled: dict[str, bytes] = {}
    while since < config.serial:
        path = bundle_path(since) if config.api else changes_page_path(since + 1)
        answer = documents.get(path)
        found, more = ((), {}) if answer is None or answer.body is None else decode_bundle(answer.body, path)
        news = [change for change in found if change.serial > since]
        for number, change in enumerate(news, since + 1):
            if change.serial != number:
                raise BadIndexDocument(f"{documents.url}/{path}", f"it lacks the change {number}")
        if not news:
            raise BadIndexDocument(f"{documents.url}/{path}", f"it lacks the change {since + 1}")
        last |= {fold(change.pack): change for change in news}
        bundled |= more
        since = news[-1].serial
    return _Changes(last, bundled)


def _news(documents: Documents, changes: _Changes, known: Mapping[str, str]) -> _News:
    """What the changes come to; nothing for packs whose digest is ``known`` already."""
    removed = [change.pack for change in changes.last.values() if not change.digest]
    wanted = [c for folded, c in changes.last.items() if c.digest and known.get(folded) != c.digest]
    missing = [change for change in wanted if change.digest not in changes.bundled]
    if len(missing) > CHANGES_PER_PAGE:
        logger.info("fetching %d packs of %s", len(missing), documents.url)
    fetched = {change.digest: body for change, body in zip(missing, _fetched(documents, missing), strict=True)}
    bodies = [(change.pack, changes.bundled.get(change.digest) or fetched[change.digest]) for change in wanted]
    gone = [pack for pack, body in bodies if body is None]
    return _News([(body, "") for _, body in bodies if body is not None], [*removed, *gone])


def _fetched(documents: Documents, changes: Sequence[Change]) -> list[bytes | None]:
    if not changes:
        return []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(partial(_document, documents), changes))


def _document(documents: Documents, change: Change) -> bytes | None:
    """The pack as of this change, or as it is now where the registry keeps no former states."""
    answer = documents.get(pinned_pack_path(change.pack, change.digest))
    if answer is not None and answer.body is not None:
        if digest(answer.body) != change.digest:
            raise Mismatch(f"{documents.url}: the document of {change.pack}", change.digest, digest(answer.body))
        return answer.body
    now = documents.get(pack_path(change.pack))
    return now.body if now is not None else None
