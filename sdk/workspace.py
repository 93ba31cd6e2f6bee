"""What is installed beneath a base folder: the one thing that an installer writes and a host reads.

::

    <base>/packs/current                          the number of the generation in use
    <base>/packs/generations/<n>/generation.json  what this generation holds; immutable
    <base>/packs/generations/<n>/lock.toml        the same for people and other machines
    <base>/packs/store/<sha256>/<pack>/           a pack's files; immutable, shared by generations
    <base>/packs/sites/<name>/                    Python packages that packs need and the host lacks

Paths in ``generation.json`` are relative to ``<base>/packs``, so a base folder may be moved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdk.errors import SdkError

PACKS_FOLDER = "packs"
GENERATION_FILE = "generation.json"
LOCK_FILE = "lock.toml"
SETTINGS_FILE = "comfy-nodes.toml"
FORMAT = 1


class BadGeneration(SdkError):
    """The record of what is installed can't be read."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.problem}. Run `comfy-nodes rollback` for the generation before it, "
            "or `comfy-nodes sync` to build it again from the lock."
        )


@dataclass(frozen=True, kw_only=True)
class InstalledPack:
    """A pack of a generation.

    Attributes:
        folder: where its files lie; the folder's name is the pack's id.
        sha256: of the archive it was unpacked from.
        enabled: a host leaves out packs that are not.
        isolated: it runs in a process of its own.
        site: folder of Python packages for that process alone, to be searched before the host's own.
        wheels: what it holds, name to version or address.
    """

    id: str
    version: str
    folder: Path
    sha256: str = ""
    enabled: bool = True
    isolated: bool = False
    site: Path | None = None
    wheels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One state of an installation, complete and immutable.

    Attributes:
        folder: of its own record and lock.
        packs: by folded id.
        site: folder of Python packages, to be searched after all of the host's own; None where none is needed.
        wheels: what it holds, name to version or address; None where an older installer did not say.
        owners: which pack a node id belongs to that several claim; everybody else answers to ``pack/id``.
        created: RFC 3339, UTC.
        command: what made it, for people.
    """

    number: int
    folder: Path
    packs: tuple[InstalledPack, ...] = ()
    site: Path | None = None
    wheels: Mapping[str, str] | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    command: str = ""

    @property
    def sites(self) -> frozenset[Path]:
        """All folders of Python packages."""
        return frozenset(site for site in (self.site, *(pack.site for pack in self.packs)) if site)

    @property
    def lock(self) -> Path:
        """The lock that says the same."""
        return self.folder / LOCK_FILE


def default_base_dir(current: Path) -> Path:
    """The base folder where none is named: the current one if it holds models or settings, else the user's own."""
    if (current / "models").is_dir() or (current / SETTINGS_FILE).is_file():
        return current
    from platformdirs import user_data_path

    return user_data_path("comfy-nodes", appauthor=False)


def current_number(base_dir: Path) -> int | None:
    """The generation in use; None where nothing was ever installed.

    Raises:
        BadGeneration: the pointer is damaged.
    """
    pointer = base_dir / PACKS_FOLDER / "current"
    try:
        return int(pointer.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadGeneration(pointer, f"it can't be read ({error})") from error


def read_generation(base_dir: Path) -> Generation | None:
    """The generation in use; None where nothing was ever installed.

    Raises:
        BadGeneration: the pointer or the record is damaged.
    """
    number = current_number(base_dir)
    if number is None:
        return None
    return read_generation_folder(base_dir / PACKS_FOLDER / "generations" / str(number))


def read_generation_folder(folder: Path) -> Generation:
    """The generation recorded in a folder.

    Raises:
        BadGeneration: the record is missing or damaged.
    """
    path = folder / GENERATION_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise BadGeneration(path, f"its format {data['format']!r} is not known here; update comfy-nodes")
        return _generation(data, folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadGeneration(path, f"it can't be read ({type(error).__name__}: {error})") from error


def encode_generation(generation: Generation) -> bytes:
    """The record of a generation, as ``read_generation_folder`` reads it."""
    root = generation.folder.parent.parent
    data = {
        "format": FORMAT,
        "number": generation.number,
        "created": generation.created,
        "command": generation.command,
        "site": _relative(generation.site, root) if generation.site else None,
        "packs": [
            {
                "id": pack.id,
                "version": pack.version,
                "folder": _relative(pack.folder, root),
                "sha256": pack.sha256,
                "enabled": pack.enabled,
                **({"isolated": True} if pack.isolated else {}),
                **({"site": _relative(pack.site, root)} if pack.site else {}),
                **({"wheels": dict(sorted(pack.wheels.items()))} if pack.wheels else {}),
            }
            for pack in generation.packs
        ],
        **({} if generation.wheels is None else {"wheels": dict(sorted(generation.wheels.items()))}),
        "owners": dict(sorted(generation.owners.items())),
    }
    return json.dumps(data, indent=1, ensure_ascii=False).encode()


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _generation(data: Mapping[str, Any], folder: Path) -> Generation:
    root = folder.parent.parent
    packs = tuple(
        InstalledPack(
            id=str(entry["id"]),
            version=str(entry["version"]),
            folder=root / entry["folder"],
            sha256=str(entry["sha256"]),
            enabled=bool(entry["enabled"]),
            isolated=bool(entry.get("isolated", False)),
            site=root / entry["site"] if entry.get("site") else None,
            wheels=dict(entry.get("wheels", {})),
        )
        for entry in data["packs"]
    )
    return Generation(
        number=int(data["number"]),
        folder=folder,
        packs=packs,
        site=root / data["site"] if data["site"] else None,
        wheels=dict(data["wheels"]) if "wheels" in data else None,
        owners=dict(data["owners"]),
        created=str(data["created"]),
        command=str(data["command"]),
    )
