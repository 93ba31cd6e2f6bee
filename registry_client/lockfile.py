"""The lock: what is installed, to the byte, as TOML that reads and compares well.

``docs/lock_file.md`` describes it. Order: packs and wheels by name, owners by node id; one fact a line.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from registry_client.errors import ClientError, NotThere
from sdk.commands import ExitCode
from sdk.pack_ids import is_pack_id
from sdk.registry import NodeClaim, Release, fold

FORMAT = 1
HEADER = "# Written by comfy-nodes; `comfy-nodes sync` installs exactly this.\n"


class BadLock(ClientError):
    """A lock can't be read."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, kw_only=True)
class LockedPack:
    """A pack of the lock.

    Attributes:
        sha256, size: of the archive.
        registry: address of the registry it comes from, "" for a direct source.
        url: of the archive, relative to the registry.
        source: ``git+…``, a folder or an archive, for a direct source.
        requested: the range that the user asked for, "*" for any; "" where only other packs need it.
        packs, dependencies: its requirements on packs and Python packages.
        nodes: ids that it provides, as far as they are known without running its code.
        enabled: whether the host loads it.
        scripts: whether its ``install.py`` was allowed, and ran.
        isolated: whether it runs in a process of its own, with Python packages of its own.
    """

    id: str
    version: str
    sha256: str
    size: int = 0
    registry: str = ""
    url: str = ""
    source: str = ""
    requested: str = ""
    packs: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    enabled: bool = True
    scripts: bool = False
    isolated: bool = False

    def __str__(self) -> str:
        return f"{self.id} {self.version}"

    def release(self) -> Release:
        """The release, as far as the lock knows it."""
        return Release(
            version=self.version,
            sha256=self.sha256,
            size=self.size,
            url=self.url,
            dependencies=self.dependencies,
            packs=self.packs,
            nodes=tuple(NodeClaim(id=node) for node in self.nodes),
        )


@dataclass(frozen=True, kw_only=True)
class LockedWheel:
    """A Python package of the lock.

    Attributes:
        hashes: of all its files.
        url: "" for one from an index.
        pack: the isolated pack that alone has it; "" for those that packs share.
    """

    name: str
    version: str = ""
    hashes: tuple[str, ...] = ()
    url: str = ""
    pack: str = ""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Everything that makes an installation what it is.

    Attributes:
        host: version of comfy-nodes; ``python`` of Python, first two numbers.
        owners: node ids that several packs claim, each with the pack that has the name.
    """

    host: str = ""
    python: str = ""
    packs: tuple[LockedPack, ...] = ()
    wheels: tuple[LockedWheel, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)

    def pack(self, pack_id: str) -> LockedPack | None:
        """The pack of that id."""
        return next((pack for pack in self.packs if fold(pack.id) == fold(pack_id)), None)

    def require(self, pack_id: str) -> LockedPack:
        """The pack of that id.

        Raises:
            NotThere: it is not installed.
        """
        found = self.pack(pack_id)
        if found is None:
            there = ", ".join(pack.id for pack in self.packs) or "none"
            raise NotThere(f"no pack {pack_id!r} is installed; installed are: {there}.")
        return found

    def wheels_of(self, pack: LockedPack | None = None) -> tuple[LockedWheel, ...]:
        """The Python packages of an isolated pack; without one, those that the other packs share."""
        wanted = fold(pack.id) if pack else ""
        return tuple(wheel for wheel in self.wheels if fold(wheel.pack) == wanted)

    def sites(self) -> Iterator[tuple[LockedPack | None, tuple[LockedWheel, ...]]]:
        """Every set of Python packages that has a folder of its own, with the isolated pack that has it."""
        for pack in (None, *(pack for pack in self.packs if pack.isolated)):
            if wheels := self.wheels_of(pack):
                yield pack, wheels

    def needing(self, pack: LockedPack) -> list[tuple[LockedPack, str]]:
        """The packs that need this one, each with its requirement."""
        from packaging.requirements import Requirement

        return [
            (other, text)
            for other in self.packs
            for text in other.packs
            if fold(Requirement(text).name) == fold(pack.id)
        ]

    def with_pack(self, changed: LockedPack) -> Lock:
        """The lock with this pack in the place of the one of its id."""
        return replace(self, packs=tuple(changed if fold(p.id) == fold(changed.id) else p for p in self.packs))

    def with_enabled(self, pack_ids: Iterable[str], enabled: bool) -> Lock:
        """The lock with these packs enabled, or disabled.

        Raises:
            NotThere: one is not installed.
        """
        changed = self
        for pack_id in pack_ids:
            changed = changed.with_pack(replace(changed.require(pack_id), enabled=enabled))
        return changed


def encode_lock(lock: Lock) -> bytes:
    """The lock as a file; the same lock is always the same bytes."""
    import tomli_w

    data: dict[str, Any] = {"format": FORMAT, "host": lock.host, "python": lock.python}
    if lock.packs:
        data["pack"] = [_table(pack, LockedPack) for pack in sorted(lock.packs, key=lambda p: fold(p.id))]
    if lock.wheels:
        data["wheel"] = [_table(wheel, LockedWheel) for wheel in sorted(lock.wheels, key=_wheel_order)]
    if lock.owners:
        data["owners"] = dict(sorted(lock.owners.items()))
    return (HEADER + tomli_w.dumps(data, multiline_strings=False)).encode()


def decode_lock(content: bytes, where: str) -> Lock:
    """The other way round.

    Raises:
        BadLock: it is no lock, or of a newer format.
    """
    try:
        data = tomllib.loads(content.decode())
        if data.get("format") != FORMAT:
            raise BadLock(f"{where}: its format {data.get('format')!r} is not known here; update comfy-nodes.")
        return Lock(
            host=str(data.get("host", "")),
            python=str(data.get("python", "")),
            packs=tuple(_pack(table) for table in data.get("pack", ())),
            wheels=tuple(_record(table, LockedWheel) for table in data.get("wheel", ())),
            owners={str(node): str(pack) for node, pack in data.get("owners", {}).items()},
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise BadLock(f"{where} is no lock: {error}") from error


def read_lock(path: Path) -> Lock:
    """The lock in a file.

    Raises:
        BadLock: it can't be read, or is none.
        NotThere: there is no such file.
    """
    try:
        return decode_lock(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise NotThere(f"there is no lock {path}; `comfy-nodes lock` writes one.") from error


def lock_digest(lock: Lock) -> str:
    """What names this lock in pictures: sha256 of its bytes."""
    return hashlib.sha256(encode_lock(lock)).hexdigest()


def differences(wanted: Lock, found: Lock) -> list[str]:
    """What an installation has otherwise than a lock says, one sentence each."""
    lines = []
    for pack in wanted.packs:
        there = found.pack(pack.id)
        if there is None:
            lines.append(f"{pack} is missing")
        elif (there.version, there.sha256) != (pack.version, pack.sha256):
            lines.append(f"{pack} is wanted, and {there.version} is installed")
        elif there.isolated != pack.isolated:
            lines.append(f"{pack} {'is not isolated' if pack.isolated else 'is isolated'}")
        elif there.enabled != pack.enabled:
            lines.append(f"{pack} is {'disabled' if pack.enabled else 'enabled'}")
    lines += [f"{pack} is installed, and not in the lock" for pack in found.packs if wanted.pack(pack.id) is None]
    wheels = {_wheel_order(wheel): wheel.version for wheel in found.wheels}
    lines += [
        f"the Python package {wheel.name} {wheel.version} is wanted, "
        f"and {wheels.get(_wheel_order(wheel), 'none')} is installed"
        for wheel in wanted.wheels
        if wheels.get(_wheel_order(wheel)) != wheel.version
    ]
    if dict(wanted.owners) != dict(found.owners):
        lines.append("other packs own some node names")
    return lines


def _wheel_order(wheel: LockedWheel) -> tuple[str, str]:
    return fold(wheel.pack), wheel.name


def _table(record: LockedPack | LockedWheel, kind: type[LockedPack | LockedWheel]) -> dict[str, Any]:
    values, defaults = asdict(record), {item.name: item.default for item in fields(kind)}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {name: value for name, value in plain.items() if values[name] != defaults[name]}


def _pack(table: Mapping[str, Any]) -> LockedPack:
    found: LockedPack = _record(table, LockedPack)
    for name in (found.id, found.sha256):  # both become names of folders
        if not is_pack_id(name):
            raise TypeError(f"{name!r} can be neither a pack's id nor a sha256")
    return found


def _record(table: Mapping[str, Any], kind: Any) -> Any:
    known = {item.name: item for item in fields(kind)}
    values = {name: value for name, value in table.items() if name in known}
    for name, value in values.items():
        wanted = {"str": str, "int": int, "bool": bool}.get(str(known[name].type), list)
        if not isinstance(value, wanted):
            raise TypeError(f"{name} must be a {wanted.__name__}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
