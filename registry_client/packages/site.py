"""The overlay: a folder of Python packages that is searched after all of the host's, and shares no name with them."""

from __future__ import annotations

import csv
import hashlib
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

from packaging.utils import canonicalize_name

from registry_client.errors import ShadowsHost
from registry_client.lockfile import LockedWheel
from registry_client.packages.choosing import write_pins
from registry_client.packages.uv import Uv

NEVER_HIDDEN = frozenset(("host", "sdk", "torch", "pluggy", "packaging", "docstring_parser"))
"""Modules that every process of a pack has from the host."""


def site_name(wheels: Iterable[LockedWheel]) -> str:
    """The name of the folder that holds exactly these, for this Python and machine."""
    wheels = tuple(wheels)
    parts = [f"{wheel.name} {wheel.version} {wheel.url} {' '.join(wheel.hashes)}" for wheel in wheels]
    parts += ["isolated"] if any(wheel.pack for wheel in wheels) else []
    parts += [platform.python_version_tuple()[0], platform.python_version_tuple()[1], sys.platform, platform.machine()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def build_site(wheels: Sequence[LockedWheel], target: Path, uv: Uv, *, isolated: bool = False) -> None:
    """Install the wheels into ``target``, a folder that is not there yet.

    Args:
        isolated: they are for a process of their own, where they go before the host's.

    Raises:
        ShadowsHost: one of them brings a module that the host, or a process of its own, needs or another of them has.
        InstallFailed: uv could not.
        Unreachable: an index gave no usable answer.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    pins = target.parent / f"{target.name}.pins.txt"
    write_pins(wheels, pins)
    uv.install(pins, target)
    if isolated:
        check_site(target, (), reserved=NEVER_HIDDEN)
    else:
        check_site(target, host_path())


def host_path() -> list[str]:
    """Where the host looks for modules."""
    return [entry for entry in sys.path if entry]


def check_site(site: Path, path: Sequence[str], *, reserved: frozenset[str] = frozenset()) -> None:
    """Make sure that no module is both here and on ``path``, nor twice here, nor one of those reserved.

    Raises:
        ShadowsHost: there is one.
    """
    owners: dict[str, str] = {}
    for package, files in _packages(site):
        for file in files:
            other = owners.setdefault(file, package)
            if other != package:
                raise ShadowsHost(_module(file), package, other)
    for module in sorted({_module(file) for file in owners}):
        files = [file for file in owners if _module(file) == module]
        clash = files[0] if module in reserved else _clash(module, files, path)
        if clash:
            raise ShadowsHost(module, owners[clash], _owner_of(module))


def _packages(site: Path) -> Iterator[tuple[str, list[str]]]:
    for folder in sorted(site.glob("*.dist-info")):
        with (folder / "RECORD").open(encoding="utf-8", newline="") as record:
            names = [row[0] for row in csv.reader(record) if row]
        files = [name for name in names if _is_module(name)]
        yield str(canonicalize_name(folder.name.partition("-")[0])), files


def _is_module(name: str) -> bool:
    top = name.partition("/")[0]
    importable = "/" in name or name.endswith((".py", ".so", ".pyd"))
    return importable and not top.endswith((".dist-info", ".data")) and top not in ("..", "bin", "__pycache__")


def _module(file: str) -> str:
    return file.partition("/")[0].partition(".")[0]


def _clash(module: str, files: list[str], path: Sequence[str]) -> str:
    """A file of the overlay that meets one of the host's; namespace packages may share a folder, but no file."""
    if module in sys.stdlib_module_names:
        return files[0]
    spec = PathFinder.find_spec(module, list(path))
    if spec is None:
        return ""
    inside = [Path(place).parent for place in spec.submodule_search_locations or ()]
    namespace = spec.origin is None and f"{module}/__init__.py" not in files
    if not namespace:
        return files[0]
    return next((file for file in files for place in inside if os.path.lexists(place / file)), "")


def _owner_of(module: str) -> str:
    if module in sys.stdlib_module_names:
        return "Python itself"
    found = metadata.packages_distributions().get(module)
    return f"the host's {found[0]} {metadata.version(found[0])}" if found else "the host"
