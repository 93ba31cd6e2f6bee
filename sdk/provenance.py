"""What files say of the installation that made them: written by a host, compared by it, brought back by an installer.

A record is JSON, so that it can travel in a picture beside the workflow, under ``KEY``::

    {"lock": "<sha256>",
     "packs": {"acme-tint": {"version": "1.0.0", "sha256": "<sha256>", "isolated": true, "wheels": {…}}},
     "wheels": {"tabulate": "0.8.10"},
     "owners": {"Load Image": "acme-tint"}}

``lock`` names the lock as a whole. Two locks may differ in what does not matter to a picture, such as the address of a
registry; then the other facts decide. Older records hold no ``wheels``; for them the lock does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from sdk.workspace import Generation, InstalledPack

KEY = "comfy-nodes"
"""Under which name the record travels."""


def record_of(generation: Generation | None) -> dict[str, Any]:
    """The record of an installation: its lock's sha256 and what takes part; empty where no pack does."""
    packs = [pack for pack in generation.packs if pack.enabled] if generation else []
    if generation is None or not packs:
        return {}
    digest = hashlib.sha256(generation.lock.read_bytes()).hexdigest() if generation.lock.is_file() else ""
    record: dict[str, Any] = {"lock": digest, "packs": {pack.id: _pack(pack) for pack in packs}}
    if generation.wheels is not None:
        record |= {"wheels": dict(generation.wheels), "owners": dict(generation.owners)}
    return record


def is_record(data: Any) -> bool:
    """Whether a value from a file is a record that can be compared."""
    if not isinstance(data, Mapping):
        return False
    packs = data.get("packs")
    tables = [packs, data.get("wheels", {}), data.get("owners", {})]
    if not all(isinstance(table, Mapping) for table in tables) or not isinstance(packs, Mapping):
        return False
    return all(isinstance(pack, Mapping) and isinstance(pack.get("version"), str) for pack in packs.values())


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What an installation has otherwise than a record says, one sentence each; ``found`` is its own record."""
    if wanted.get("lock") and wanted.get("lock") == found.get("lock"):
        return []
    packs, here = wanted["packs"], found.get("packs", {})
    lines = [line for name, pack in packs.items() for line in _pack_differences(name, pack, here.get(name))]
    lines += [
        f"{name} {pack['version']} is installed, and took no part" for name, pack in here.items() if name not in packs
    ]
    if "wheels" in wanted and "wheels" in found:
        lines += _wheel_differences(wanted["wheels"], found["wheels"], "")
        if wanted.get("owners", {}) != found.get("owners", {}):
            lines.append("other packs own some node names")
    elif not lines:
        lines.append("the packs are the same, but not their Python packages, or whose node names are whose")
    return lines


def _pack(pack: InstalledPack) -> dict[str, Any]:
    facts: dict[str, Any] = {"version": pack.version, "sha256": pack.sha256}
    if pack.isolated:
        facts |= {"isolated": True, **({"wheels": dict(pack.wheels)} if pack.wheels else {})}
    return facts


def _pack_differences(name: str, wanted: Mapping[str, Any], here: Mapping[str, Any] | None) -> Iterator[str]:
    version = wanted["version"]
    if here is None:
        yield f"{name} {version} is missing"
    elif here["version"] != version:
        yield f"{name} {version} is wanted, and {here['version']} is installed"
    elif here["sha256"] != wanted.get("sha256"):
        yield f"{name} {version} is installed, but its content is another"
    elif bool(here.get("isolated")) != bool(wanted.get("isolated")):
        yield f"{name} {version} ran {'isolated' if wanted.get('isolated') else 'in the host'}, and does not here"
    else:
        yield from _wheel_differences(wanted.get("wheels", {}), here.get("wheels", {}), f" of {name}")


def _wheel_differences(wanted: Mapping[str, str], here: Mapping[str, str], whose: str) -> Iterator[str]:
    for name, version in wanted.items():
        if here.get(name) != version:
            has = f"{here[name]} is installed" if name in here else "is missing"
            yield f"the Python package {name} {version}{whose} " + (f"is wanted, and {has}" if name in here else has)
