"""Nodes that are there more than once: the same id, nearly the same id, the same title, the same or similar code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

from registry_client.errors import BadRequirement, NotThere

PACKS_FOR_A_PROCESS = 12
"""So many packs are read in the time that starting a process takes, more or less."""


@dataclass(frozen=True)
class Member:
    """A node of a pack; ``code`` and ``signature`` are empty where they are not known."""

    pack: str
    id: str
    title: str = ""
    code: str = ""
    signature: tuple[int, ...] = ()
    place: str = ""


@dataclass(frozen=True)
class Group:
    """Nodes of several packs that have something in common.

    Attributes:
        kind: ``id``, ``folded id`` (differs only in case or punctuation), ``title``, ``code`` or ``similar code``.
        key: what they have in common.
        similarity: of their code, 0 to 1; 1 for all other kinds.
    """

    kind: str
    key: str
    members: tuple[Member, ...]
    similarity: float = 1.0


class Alike(Protocol):
    """Names whose code is alike."""

    @property
    def members(self) -> tuple[str, ...]:
        """The names."""

    @property
    def similarity(self) -> float:
        """0 to 1."""


Near = Callable[[Iterable[tuple[str, tuple[int, ...]]], float], Iterable[Alike]]
"""Groups names whose signatures are at least that similar."""


def fold_node(node: str) -> str:
    """A node id without case, spaces and punctuation; the id itself where nothing else is in it."""
    return "".join(char for char in node.casefold() if char.isalnum()) or node


def find_duplicates(members: Iterable[Member], near: Near | None = None, threshold: float = 0.8) -> list[Group]:
    """All groups, by kind and key. A pack's nodes are compared with other packs' alone.

    Args:
        near: finds similar code; None to leave that out.
        threshold: from which similarity on.
    """
    found = list(members)
    groups = [
        *_grouped("id", found, lambda member: member.id),
        *(group for group in _grouped("folded id", found, lambda m: fold_node(m.id)) if _several_ids(group)),
        *(
            group
            for group in _grouped("title", found, lambda m: m.title if m.title != m.id else "")
            if _several_ids(group)
        ),
        *_grouped("code", found, lambda member: member.code),
    ]
    if near is not None:
        groups += _similar(found, near, threshold)
    return groups


def read_packs(folder: Path) -> Iterator[Member]:
    """The nodes of every pack in a folder, or of the one pack that it is; no code is run.

    Raises:
        NotThere: there is no pack.
    """
    packs = [folder] if _is_pack(folder) else sorted(path for path in folder.iterdir() if _is_pack(path))
    if not packs:
        raise NotThere(f"{folder} holds no packs: a pack has a pyproject.toml or an __init__.py.")
    for members in _read_all(packs):
        yield from members


def read_node_map(path: Path) -> Iterator[Member]:
    """The nodes of a catalogue: JSON ``{pack: [[node id, …], …]}``, as ComfyUI-Manager publishes it.

    Raises:
        BadRequirement: the file is something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        for pack, (nodes, *_) in data.items():
            yield from (Member(pack, str(node)) for node in nodes)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BadRequirement(f"{path} is no catalogue of nodes: {error}") from error


def _read_all(packs: list[Path]) -> Iterator[list[Member]]:
    """Each pack's nodes; many packs are read by several processes, since reading is all computing."""
    workers = min(len(packs) // PACKS_FOR_A_PROCESS, os.cpu_count() or 1)
    if workers < 2:
        yield from map(_read, packs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_read, packs)


def _read(pack: Path) -> list[Member]:
    from sdk.inspection import inspect_pack

    return [
        Member(
            pack=pack.name,
            id=node.id,
            title=node.title,
            code=node.code,
            signature=tuple(node.signature),
            place=f"{node.file}:{node.line}" if node.file else "",
        )
        for node in inspect_pack(pack).nodes
    ]


def _is_pack(folder: Path) -> bool:
    return (folder / "pyproject.toml").is_file() or (folder / "__init__.py").is_file()


def _grouped(kind: str, members: list[Member], key: Callable[[Member], str]) -> list[Group]:
    by_key: dict[str, list[Member]] = {}
    for member in members:
        if found := key(member):
            by_key.setdefault(found, []).append(member)
    return [
        Group(kind, found, tuple(same))
        for found, same in sorted(by_key.items())
        if len(same) > 1 and len({member.pack for member in same}) > 1
    ]


def _several_ids(group: Group) -> bool:
    return len({member.id for member in group.members}) > 1


def _similar(members: list[Member], near: Near, threshold: float) -> list[Group]:
    """Groups of similar code beyond those whose code is the same."""
    known = {str(place): member for place, member in enumerate(members) if member.signature}
    groups = []
    for alike in near(((name, member.signature) for name, member in known.items()), threshold):
        same = tuple(known[name] for name in alike.members)
        if len({m.pack for m in same}) > 1 and len({m.code for m in same}) > 1:
            groups.append(Group("similar code", same[0].id, same, alike.similarity))
    return sorted(groups, key=lambda group: -group.similarity)
