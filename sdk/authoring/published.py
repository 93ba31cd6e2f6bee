"""Compares a pack with its last published version."""

from __future__ import annotations

import dataclasses
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

from sdk.authoring.errors import ReferenceUnusable
from sdk.checks.findings import Finding
from sdk.checks.rules import RULES
from sdk.inspection.facts import Inspection
from sdk.registry import BadIndexDocument, decode_pack
from sdk.registry.records import Pack, Release, State

_SECONDS = 30
_MOST_BYTES = 64 * 1024 * 1024


def read_published(where: str) -> Pack:
    """The pack's document of an index, from a file or an address.

    Raises:
        ReferenceUnusable: it can't be read, or is no such document.
    """
    try:
        return decode_pack(_document(where), where)
    except BadIndexDocument as error:
        raise ReferenceUnusable(where, error.problem) from error
    except (OSError, ValueError) as error:
        raise ReferenceUnusable(where, str(getattr(error, "reason", error))) from error


def _document(where: str) -> bytes:
    if not where.startswith(("http://", "https://")):
        return Path(where).read_bytes()
    with urllib.request.urlopen(where, timeout=_SECONDS) as answer:
        body: bytes = answer.read(_MOST_BYTES)
        return body


def lost_nodes(published: Pack, version: str, inspection: Inspection) -> Iterator[Finding]:
    """CN160 for each node id of the last version that is neither a node nor an alias any more.

    A new major version may drop nodes. Where the code can't be read wholly, the nodes may still be there, and the
    findings are of medium severity.
    """
    last = _last(published, version)
    if last is None or _is_new_major(version, last.version):
        return
    kept = {name for node in inspection.nodes for name in (node.id, *node.aliases)}
    for claim in last.nodes:
        if claim.id in kept:
            continue
        finding = RULES["CN160"].found(f"{claim.id!r} of version {last.version} is neither a node nor an alias")
        if inspection.unread:
            finding = dataclasses.replace(finding, severity="medium", message=f"{finding.message} that can be read")
        yield finding


def _last(published: Pack, version: str) -> Release | None:
    """The newest active release that is older than the version at hand."""
    older = [
        release
        for release in published.releases
        if release.state is State.ACTIVE and _parsed(release.version) < _parsed(version)
    ]
    return max(older, key=lambda release: _parsed(release.version), default=None)


def _parsed(text: str) -> Version:
    try:
        return Version(text)
    except ValueError:
        return Version("0")


def _is_new_major(version: str, last: str) -> bool:
    new, old = _parsed(version), _parsed(last)
    return new.major > old.major or (new.major == old.major == 0 and new.minor > old.minor)
