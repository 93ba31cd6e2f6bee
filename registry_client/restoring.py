"""From what a picture says of the packs that made it to the lock that brings them back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from registry_client.embedded_texts import is_png, read_embedded
from registry_client.errors import BadRequirement, CannotRestore, NotThere
from registry_client.lockfile import BadLock, Lock, LockedPack, lock_digest, read_lock
from registry_client.requests import ANY, Request
from registry_client.requirements import Wanted
from registry_client.workspace import Workspace
from sdk.provenance import KEY, differences, is_record
from sdk.registry import fold
from sdk.workspace import BadGeneration


def bears_record(path: Path) -> bool:
    """Whether a file is a picture or JSON, and no lock.

    Raises:
        NotThere: it can't be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise NotThere(f"{path} can't be read: {error.strerror}.") from error
    return is_png(start) or start.lstrip().startswith(b"{")


def read_record(path: Path) -> dict[str, Any]:
    """The record in a picture, or in a JSON file that holds nothing else.

    Raises:
        BadRequirement: there is none.
    """
    found = read_embedded(path, KEY)
    try:
        record = json.loads("".join(found.texts))
    except (ValueError, RecursionError):
        record = None
    if not is_record(record):
        lacking = f"{path} does not say which packs made it, so that they can't be brought back."
        raise BadRequirement(lacking + found.damage)
    return dict(record)


def record_of_lock(lock: Lock) -> dict[str, Any]:
    """What pictures would say that are made with this lock."""
    packs = {pack.id: _facts(pack, lock) for pack in lock.packs if pack.enabled}
    return {"lock": lock_digest(lock), "packs": packs, "wheels": _wheels(lock), "owners": dict(lock.owners)}


def kept_lock(workspace: Workspace, record: Mapping[str, Any]) -> Lock | None:
    """The lock of the kept generation that made it, the newest of several; None where there is none any more."""
    for number in reversed(workspace.numbers()):
        with suppress(BadGeneration, BadLock, NotThere):  # one that is damaged brings nothing back
            lock = read_lock(workspace.generation(number).lock)
            if lock.packs and not differences(record, record_of_lock(lock)):
                return lock
    return None


def request_for(record: Mapping[str, Any], before: Lock) -> Request:
    """What to ask for, so that exactly these packs are there; packs that are disabled stay so.

    Raises:
        BadRequirement: the record names a pack or version that can't be.
    """
    packs = {fold(name): (name, pack) for name, pack in record["packs"].items()}
    add = [
        Wanted(name, _exactly(name, pack["version"]))
        for folded, (name, pack) in packs.items()
        if not _is_there(before.pack(name), pack)
    ]
    isolated = {folded for folded, (_, pack) in packs.items() if pack.get("isolated")}
    there = {fold(pack.id) for pack in before.packs if pack.isolated}
    return Request(
        add=tuple(add),
        drop=tuple(p.id for p in before.packs if p.requested and p.enabled and fold(p.id) not in packs),
        isolate=tuple(packs[folded][0] for folded in isolated - there),
        together=tuple(packs[folded][0] for folded in (there - isolated) & packs.keys()),
        enable=frozenset(packs),
        owners=dict(record.get("owners", {})),
        wheels={
            "": dict(record.get("wheels", {})),
            **{folded: dict(packs[folded][1].get("wheels", {})) for folded in isolated},
        },
    )


def check_restored(record: Mapping[str, Any], planned: Lock, before: Lock) -> Lock:
    """The planned lock, with what users asked for as it was before.

    Raises:
        CannotRestore: it is not what the record says.
    """
    if found := differences(record, record_of_lock(planned)):
        raise CannotRestore(found, [f"{name}=={pack['version']}" for name, pack in record["packs"].items()])
    for pack in planned.packs:
        old = before.pack(pack.id)
        if not pack.source and pack.requested:
            planned = planned.with_pack(replace(pack, requested=(old.requested if old else "") or ANY))
    return planned


def _is_there(old: LockedPack | None, wanted: Mapping[str, Any]) -> bool:
    """Whether a pack of no registry is installed already as it shall be."""
    return old is not None and bool(old.source) and old.sha256 == wanted.get("sha256")


def _exactly(name: str, version: str) -> SpecifierSet:
    try:
        return SpecifierSet(f"=={version}")
    except ValueError as error:
        raise BadRequirement(f"{version!r} is no version of {name}.") from error


def _facts(pack: LockedPack, lock: Lock) -> dict[str, Any]:
    wheels = _wheels(lock, pack) if pack.isolated else {}
    apart = {"isolated": True, **({"wheels": wheels} if wheels else {})} if pack.isolated else {}
    return {"version": pack.version, "sha256": pack.sha256, **apart}


def _wheels(lock: Lock, pack: LockedPack | None = None) -> dict[str, str]:
    return {wheel.name: wheel.version or wheel.url for wheel in lock.wheels_of(pack)}
