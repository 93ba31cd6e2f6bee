"""Checks that what is stored is what was published."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from registry_server.db.database import Database
from registry_server.errors import NotFound
from registry_server.index import repository
from registry_server.packs import repository as packs
from registry_server.storage.protocol import Storage
from sdk.registry import digest


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What was found.

    Attributes:
        archives: how many were read and are right.
        faults: what is not as it should be, one sentence each.
        strays: stored archives that belong to no release; an interrupted publish may leave one.
    """

    archives: int
    faults: tuple[str, ...]
    strays: tuple[str, ...]


def verify(database: Database, storage: Storage, *, remove_strays: bool = False) -> VerifyReport:
    """Read every archive and every document again and compare hashes."""
    with database.read() as session:
        expected = list(packs.archives(session))
        faults = [
            f"the document of {folded} is not what its digest says"
            for folded, name, body in repository.documents(session)
            if digest(body) != name
        ]
    right = 0
    for pack, version, sha256, size, url, upstream in expected:
        try:
            found, length = _hash(storage, url)
        except NotFound:
            if not upstream:
                faults.append(f"{pack} {version}: its archive {url} is lost")
            continue
        if (found, length) == (sha256, size):
            right += 1
        else:
            faults.append(f"{pack} {version}: its archive {url} has sha256 {found}, not {sha256}")
    known = {entry[4] for entry in expected}
    strays = [key for key in storage.keys("archives/") if key not in known]
    if remove_strays:
        for key in strays:
            storage.delete(key)
    return VerifyReport(archives=right, faults=tuple(faults), strays=tuple(strays))


def _hash(storage: Storage, url: str) -> tuple[str, int]:
    found, length = hashlib.sha256(), 0
    for chunk in storage.open(url):
        found.update(chunk)
        length += len(chunk)
    return found.hexdigest(), length
