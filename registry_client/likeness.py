"""Packs whose code is nearly the same: found in the folders of what is installed, told as information."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from registry_client.duplicates import Member, Near, find_duplicates, read_packs
from registry_client.errors import NotThere
from registry_client.lockfile import Lock, LockedPack
from registry_client.store import Store
from sdk.registry import fold
from sdk.whole_files import write_whole_file

THRESHOLD = 0.8
SHOWN = 5


@dataclass(frozen=True)
class Likeness:
    """Two packs with nodes of similar code.

    Attributes:
        packs: the id of each.
        nodes: pairs of node ids, one of each pack, with the similarity of their code (0 to 1), the highest first;
            1 where it is the same.
    """

    packs: tuple[str, str]
    nodes: tuple[tuple[str, str, float], ...]

    def __str__(self) -> str:
        shown = [
            f"{one if one == other else f'{one} ({other})'} {alike:.0%}" for one, other, alike in self.nodes[:SHOWN]
        ]
        more = f" and {len(self.nodes) - SHOWN} others" if len(self.nodes) > SHOWN else ""
        return f"{self.packs[0]} and {self.packs[1]} have similar code for {', '.join(shown)}{more}"

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        nodes = [{"nodes": [one, other], "similarity": round(alike, 3)} for one, other, alike in self.nodes]
        return {"packs": list(self.packs), "code": nodes}


class Shapes:
    """The nodes of installed packs with the shapes of their code; each archive is read once.

    Args:
        folder: where the answers are kept, by the archives' sha256.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, pack: LockedPack, store: Store) -> tuple[Member, ...]:
        """A pack's nodes; none where its files are gone."""
        folder = store.folder(pack)
        kept = self._folder / f"{folder.parent.name}.json"
        with suppress(OSError, ValueError, TypeError, KeyError):
            return tuple(_member(pack.id, entry) for entry in json.loads(kept.read_text(encoding="utf-8")))
        try:
            members = tuple(read_packs(folder))
        except (OSError, NotThere):
            return ()
        plain = [
            {"id": member.id, "title": member.title, "code": member.code, "signature": member.signature}
            for member in members
        ]
        with suppress(OSError):  # then they are read again the next time
            write_whole_file(kept, [json.dumps(plain).encode()], durable=False)
        return tuple(_member(pack.id, entry) for entry in plain)


def find_likenesses(
    lock: Lock, store: Store, shapes: Shapes, near: Near, *, new: Collection[str] | None = None
) -> list[Likeness]:
    """Every two installed packs that have nodes of similar code.

    Args:
        new: ids of packs; only pairs with one of them are told, and none of whose code is the very same, which is told
            before they are installed. None for all pairs.
    """
    wanted = None if new is None else {pack.id for pack in lock.packs if pack.id in new}
    if len(lock.packs) < 2 or wanted == set():
        return []
    members = [member for pack in lock.packs for member in shapes.of(pack, store)]
    pairs: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for one, other, alike in _similar(members, near):
        if wanted is None or (one.code != other.code and {one.pack, other.pack} & wanted):
            pairs.setdefault((one.pack, other.pack), {})[one.id, other.id] = alike
    return [
        Likeness(packs, tuple((*ids, alike) for ids, alike in sorted(nodes.items(), key=lambda item: -item[1])))
        for packs, nodes in pairs.items()
    ]


def changed_packs(before: Lock, after: Lock) -> set[str]:
    """Ids of the packs that were not installed before, or not with this content."""
    there = {fold(pack.id): pack.sha256 for pack in before.packs}
    return {pack.id for pack in after.packs if there.get(fold(pack.id)) != pack.sha256}


def _similar(members: Iterable[Member], near: Near) -> Iterator[tuple[Member, Member, float]]:
    from sdk.similarity import similarity

    for group in find_duplicates(members, near, THRESHOLD):
        for one, other in combinations(group.members, 2) if group.kind in ("code", "similar code") else ():
            alike = 1.0 if one.code == other.code else similarity(one.signature, other.signature)
            if one.pack != other.pack and alike >= THRESHOLD:
                yield one, other, alike


def _member(pack: str, entry: Mapping[str, Any]) -> Member:
    return Member(pack, str(entry["id"]), str(entry["title"]), str(entry["code"]), tuple(entry["signature"]))
