"""The records of a registry's index, frozen. ``sdk.registry.documents`` turns them into JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """Where a release stands. Only ``ACTIVE`` ones are resolved unless a user asks for another one by version."""

    ACTIVE = "active"
    PENDING = "pending"
    QUARANTINED = "quarantined"
    YANKED = "yanked"
    BANNED = "banned"


@dataclass(frozen=True, kw_only=True)
class Deprecation:
    """Its authors ask users to leave it. It still resolves; the client says so.

    Attributes:
        reason: one sentence, may be empty.
        replacement: a requirement such as ``other-pack>=2``, "" where there is none.
    """

    reason: str = ""
    replacement: str = ""


@dataclass(frozen=True, kw_only=True)
class NodeClaim:
    """A node id that a release provides.

    Attributes:
        id: the bare id (``class_type``); any text without control characters, also spaces, ``|``, ``/``, ``:``, emoji.
        title: the display name, "" where it is the id.
        code: sha256 of the node's normalised syntax tree, "" where it could not be read.
        aliases: former ids that this node still answers to.
    """

    id: str
    title: str = ""
    code: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Release:
    """One immutable version of a pack, with all that resolving needs.

    Attributes:
        version: PEP 440.
        state, reason: the only facts of a release that change.
        published: RFC 3339, UTC, seconds, with ``Z``.
        sha256, size: of the archive; size in bytes.
        url: of the archive; relative to the registry's root, or absolute.
        requires_python, host_api, requires_comfyui, requires_frontend: version ranges, "" for any.
        dependencies: Python requirements (PEP 508).
        packs: requirements on other packs.
        systems, accelerators: classifier tails (``POSIX :: Linux``, ``GPU :: NVIDIA CUDA``); empty for any.
        permissions: what the pack says it needs (``network``, ``files:write`` …).
        nodes: what it provides. ``nodes_complete`` is false where some could not be read without running the code.
        schemas: sha256 of the document that holds the nodes' schemas, "" where there is none.
        install_script: the archive holds an ``install.py``; it is never run unless a user allows it.
        findings: number of scan findings by severity (``high``, ``medium``, ``low``, ``info``).
    """

    version: str
    sha256: str
    size: int
    url: str
    state: State = State.ACTIVE
    reason: str = ""
    published: str = ""
    requires_python: str = ""
    host_api: str = ""
    requires_comfyui: str = ""
    requires_frontend: str = ""
    dependencies: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    nodes: tuple[NodeClaim, ...] = ()
    nodes_complete: bool = True
    schemas: str = ""
    install_script: bool = False
    deprecated: Deprecation | None = None
    findings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A pack and all its releases that the public may know of.

    Attributes:
        id: as first published; unique when folded (``sdk.registry.fold``).
        releases: by version, oldest first.
        owns: node ids that the registry holds to be this pack's.
    """

    id: str
    name: str = ""
    publisher: str = ""
    description: str = ""
    repository: str = ""
    license: str = ""
    tags: tuple[str, ...] = ()
    deprecated: Deprecation | None = None
    owns: tuple[str, ...] = ()
    releases: tuple[Release, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Change:
    """One entry of the change feed.

    Attributes:
        serial: 1, 2, 3 … without holes.
        kind: ``published``, ``state``, ``metadata``, ``ownership`` or ``removed``.
        pack: the pack's id; ``version`` is "" where the change is about the whole pack.
        digest: sha256 of the pack's document after this change; "" after ``removed``.
        at: RFC 3339, UTC.
    """

    serial: int
    kind: str
    pack: str
    version: str = ""
    digest: str = ""
    at: str = ""


@dataclass(frozen=True, kw_only=True)
class IndexConfig:
    """``/index/config.json``: the one document that a client asks for each time.

    Attributes:
        format: of the whole index; a client refuses one it does not know.
        serial: of the newest change.
        name: of the registry, for messages.
        packs: number of packs.
        snapshot_serial: up to which change ``snapshot.json.zst`` goes; 0 where there is none.
        api: root of the registry's API, "" for a plain folder of files.
    """

    format: int
    serial: int
    name: str = ""
    packs: int = 0
    snapshot_serial: int = 0
    api: str = ""
