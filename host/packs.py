"""Where packs come from: installed distributions with an entry point, and folders under development.

Finding a pack runs none of its code. What is found is a ``PackSource``; loading it is the plugin manager's job.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from host.code_stamps import code_stamp, installed_stamp
from host.described_packs import DescribedPack, read_description
from sdk.errors import ManifestError
from sdk.hooks import ENTRY_POINT_GROUP, NODE_API
from sdk.manifest import PackManifest, read_manifest
from sdk.workspace import Generation, InstalledPack

CORE = "core"
OWN_DISTRIBUTION = "comfy-nodes"


@dataclass(frozen=True, kw_only=True)
class PackSource:
    """A pack that can be loaded.

    Attributes:
        origin: where it comes from, as messages show it.
        folder: the pack's own folder, if it is one under development.
        revision: changes with the code of a pack whose version may stay the same meanwhile.
        load: imports the pack; gives its plugin objects by name.
        describe: what the pack says of itself without being imported; None from it where that is not enough.
    """

    name: str
    version: str
    origin: str
    load: Callable[[], dict[str, Any]]
    folder: Path | None = None
    revision: str = ""
    describe: Callable[[], DescribedPack | None] = lambda: None


class PackNotLoadable(Exception):
    """A folder holds nothing that could be loaded as a pack; ``remedy`` says what it would need."""

    def __init__(self, folder: Path, problem: str, remedy: str) -> None:
        super().__init__(folder, problem, remedy)
        self.folder, self.problem, self.remedy = folder, problem, remedy

    def __str__(self) -> str:
        return f"{self.folder}: {self.problem}. {self.remedy}"


class OtherNodeApi(PackNotLoadable):
    """A pack is written for other versions of the node API; ``wanted`` says which."""

    def __init__(self, folder: Path, wanted: str) -> None:
        super().__init__(
            folder,
            f"it is written for node API {wanted}, and this host offers {NODE_API}",
            "Install a version of the pack for this host, or another version of comfy-nodes.",
        )
        self.wanted = wanted


def installed_packs() -> list[PackSource]:
    """Installed distributions that offer entry points of our group: the built-ins first, then by name."""
    grouped: dict[tuple[str, str], list[metadata.EntryPoint]] = {}
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        distribution = point.dist
        name, version = (distribution.name, distribution.version) if distribution else (point.module, "0")
        points = grouped.setdefault((name, version), [])
        if point not in points:
            points.append(point)
    sources = [_installed_source(name, version, points) for (name, version), points in grouped.items()]
    return sorted(sources, key=lambda source: (source.name != CORE, source.name.lower()))


def _installed_source(name: str, version: str, points: list[metadata.EntryPoint]) -> PackSource:
    if name == OWN_DISTRIBUTION:
        name = CORE
    elif name == CORE:
        taken = ManifestError(f"distribution {name} {version}", ["its name is that of the built-in pack"])
        return PackSource(
            name=f"{name} (not the built-in one)", version=version, origin="installed", load=_raising(taken)
        )
    packages = {point.module.partition(".")[0] for point in points} | ({"sdk"} if name == CORE else set())
    return PackSource(
        name=name,
        version=version,
        origin="installed",
        load=_load_entry_points(points),
        revision=installed_stamp(points[0].dist if points else None, packages),
    )


def _load_entry_points(points: list[metadata.EntryPoint]) -> Callable[[], dict[str, Any]]:
    return lambda: {point.name: point.load() for point in points}


def packs_in(directories: Iterable[Path], choose_loader: Callable[[Path], Any]) -> list[PackSource]:
    """The packs in folders under development, by name.

    A directory is a pack itself, if it has a ``pyproject.toml`` or an ``__init__.py``, or else a folder of packs.
    """
    folders: list[Path] = []
    for directory in directories:
        if _is_pack(directory):
            folders.append(directory)
        else:
            inside = [path for path in sorted(directory.iterdir()) if path.is_dir() and _is_pack(path)]
            folders += inside or [directory]  # one without packs is reported as a pack that can't be loaded
    sources = [_folder_source(folder, choose_loader) for folder in folders]
    return sorted(sources, key=lambda source: source.name.lower())


def generation_packs(generation: Generation, choose_loader: Callable[[Path], Any]) -> list[PackSource]:
    """The enabled packs of an installation, by name; what they need is searched after the host's own packages."""
    site = str(generation.site) if generation.site else ""
    if site and site not in sys.path:
        sys.path.append(site)
    enabled = [pack for pack in generation.packs if pack.enabled]
    sources = [_generation_source(pack, choose_loader, generation) for pack in enabled]
    return sorted(sources, key=lambda source: source.name.lower())


def _generation_source(pack: InstalledPack, choose_loader: Callable[[Path], Any], generation: Generation) -> PackSource:
    source = _folder_source(pack.folder, choose_loader, is_immutable=True)
    source = replace(source, name=pack.id, version=pack.version, revision=pack.sha256[:16])
    return replace(source, load=_in_own_process(pack, generation)) if pack.isolated else source


def _in_own_process(pack: InstalledPack, generation: Generation) -> Callable[[], dict[str, Any]]:
    def load() -> dict[str, Any]:
        from host.isolation.process import IsolatedPack
        from host.isolation.proxies import load_isolated

        return load_isolated(
            IsolatedPack(
                id=pack.id,
                version=pack.version,
                folder=pack.folder,
                site=pack.site,
                shared_site=generation.site,
            )
        )

    return load


def _is_pack(folder: Path) -> bool:
    return (folder / "pyproject.toml").is_file() or (folder / "__init__.py").is_file()


def _folder_source(folder: Path, choose_loader: Callable[[Path], Any], *, is_immutable: bool = False) -> PackSource:
    try:
        manifest = read_manifest(folder) if (folder / "pyproject.toml").is_file() else None
    except ManifestError as error:
        return PackSource(name=folder.name, version="?", origin=str(folder), load=_raising(error), folder=folder)
    name, version = (manifest.name, manifest.version) if manifest else (folder.name, "0")
    if manifest and NODE_API not in SpecifierSet(manifest.host_api):
        refused = OtherNodeApi(folder, manifest.host_api)
        return PackSource(name=name, version=version, origin=str(folder), load=_raising(refused), folder=folder)

    def load() -> dict[str, Any]:
        if manifest and manifest.entry_points:
            return _import_entry_points(folder, manifest)
        loader = choose_loader(folder)
        if loader is None:
            raise PackNotLoadable(
                folder,
                "nothing here says how to load it",
                f'Add [project.entry-points."{ENTRY_POINT_GROUP}"] to its pyproject.toml, '
                "or NODE_CLASS_MAPPINGS to its __init__.py.",
            )
        return {name: loader(folder)}

    return PackSource(
        name=name,
        version=version,
        origin=str(folder),
        load=load,
        folder=folder,
        revision="" if is_immutable else code_stamp(folder),
        describe=lambda: read_description(folder, version, verify=not is_immutable),
    )


def _raising(error: Exception) -> Callable[[], dict[str, Any]]:
    def load() -> dict[str, Any]:
        raise error

    return load


def _import_entry_points(folder: Path, manifest: PackManifest) -> dict[str, Any]:
    plugins = {}
    for name, reference in manifest.entry_points.items():
        module_name, _, attribute = reference.partition(":")
        top = module_name.strip().partition(".")[0]
        in_src = any((folder / "src" / entry).exists() for entry in (top, f"{top}.py"))
        root = str(folder / "src" if in_src else folder)
        if root not in sys.path:
            sys.path.append(root)
        module = importlib.import_module(module_name.strip())
        file = getattr(module, "__file__", None)
        if file is None or not Path(file).resolve().is_relative_to(folder.resolve()):
            raise PackNotLoadable(
                folder,
                f"its module {module_name!r} is already taken by {file}",
                "Give the pack's module a name of its own.",
            )
        plugins[name] = getattr(module, attribute.strip()) if attribute else module
    return plugins
