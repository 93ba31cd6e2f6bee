"""Load a pack from its folder as a host would, without a host."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import pluggy

from sdk.errors import ManifestError
from sdk.hooks import ENTRY_POINT_GROUP, PACK_LOADERS_GROUP, PROJECT
from sdk.manifest import PackManifest, read_manifest
from sdk.nodes import NodeType
from sdk.sockets import Socket


class _Imports:
    """Makes a folder's modules importable, afresh, and can undo that."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = str(folder / "src" if (folder / "src").is_dir() else folder)
        self._added = self._root not in sys.path
        if self._added:
            sys.path.insert(0, self._root)
        self._before = self._take_out()

    def undo(self) -> None:
        """Take the modules out that were imported meanwhile, and put back what was there before."""
        self._take_out()
        sys.modules.update(self._before)
        if self._added and self._root in sys.path:
            sys.path.remove(self._root)

    def _take_out(self) -> dict[str, ModuleType]:
        importlib.invalidate_caches()
        ours = {name: module for name, module in list(sys.modules.items()) if self._is_ours(module)}
        for name in ours:
            del sys.modules[name]
        return ours

    def _is_ours(self, module: ModuleType) -> bool:
        """Whether a module belongs to the pack; its tests stay where they are, since they are running."""
        file = getattr(module, "__file__", None)
        path = Path(file).resolve() if file else None
        if path is None or not path.is_relative_to(self._folder):
            return False
        installed = "site-packages" in path.parts  # a virtual environment that lies in the pack's folder
        return not (installed or path.name.startswith("test_") or path.name == "conftest.py")


@dataclass(frozen=True, kw_only=True)
class LoadedPack:
    """A pack with what it registers. Used in a ``with`` block, it is unloaded at the end.

    Attributes:
        plugins: what its entry points name.
        nodes: its nodes by id, each with the pack's name and version.
        foreign: it is written for another program, and what loads it here is an installed loader.
    """

    manifest: PackManifest
    folder: Path
    plugins: Mapping[str, Any]
    nodes: Mapping[str, NodeType]
    sockets: tuple[Socket, ...]
    foreign: bool = False
    _manager: pluggy.PluginManager = field(repr=False)
    _imports: _Imports = field(repr=False)

    @property
    def hooks(self) -> frozenset[str]:
        """The names of the hooks it implements."""
        return frozenset(
            caller.name for plugin in self.plugins.values() for caller in self._manager.get_hookcallers(plugin) or ()
        )

    def call(self, hook: str, **arguments: Any) -> list[Any]:
        """Call a hook with all of its arguments; gives the answers that are not None, first come first."""
        answers: list[Any] = getattr(self._manager.hook, hook)(**arguments) if hook in self.hooks else []
        return answers

    def unload(self) -> None:
        """Forget its modules; those of the pack that were imported before it was loaded are back."""
        for plugin in self.plugins.values() if self.foreign else ():
            plugin.unload()
        self._imports.undo()

    def __enter__(self) -> LoadedPack:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.unload()


def load_pack(folder: Path) -> LoadedPack:
    """Import the pack in a folder and collect what it registers.

    A pack without entry points is given to the installed loaders, such as the host's for ComfyUI packs. It is imported
    anew, as at the start of a host, even where the test has imported parts of it; classes of the loaded pack are then
    others than those the test has.

    Raises:
        ManifestError: its ``pyproject.toml`` is faulty or names no entry point, and no loader takes it; two of its
            nodes have one id, or something it registers is no node.
    """
    folder = folder.resolve()
    manifest = read_manifest(folder)
    loader = None if manifest.entry_points else find_loader(folder)
    if not manifest.entry_points and loader is None:
        raise ManifestError(str(folder), [f"there is no entry point in the group {ENTRY_POINT_GROUP!r}"])
    imports = _Imports(folder)
    try:
        manager = pluggy.PluginManager(PROJECT)
        plugins = {name: _plugin(reference, folder) for name, reference in manifest.entry_points.items()}
        plugins |= {manifest.name: loader(folder)} if loader else {}
        for name, plugin in plugins.items():
            manager.register(plugin, name)
        return LoadedPack(
            manifest=manifest,
            folder=folder,
            plugins=plugins,
            nodes=_nodes(manager, manifest),
            sockets=tuple(_registered(manager, "register_sockets")),
            foreign=loader is not None,
            _manager=manager,
            _imports=imports,
        )
    except BaseException:
        imports.undo()
        raise


def find_loader(folder: Path) -> Callable[[Path], Any] | None:
    """What loads a pack without entry points: a function of its folder that gives a plugin with ``unload``."""
    for entry in entry_points(group=PACK_LOADERS_GROUP):
        loader: Callable[[Path], Any] | None = entry.load()(folder)
        if loader is not None:
            return loader
    return None


def _plugin(reference: str, folder: Path) -> Any:
    name, _, attribute = reference.partition(":")
    module = importlib.import_module(name.strip())
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).resolve().is_relative_to(folder):
        raise ManifestError(str(folder), [f"its module {name!r} is already taken by {file}; give it another name"])
    return getattr(module, attribute.strip()) if attribute else module


def _registered(manager: pluggy.PluginManager, hook: str) -> list[Any]:
    caller = getattr(manager.hook, hook, None)
    # pluggy answers last registered first; a pack's order is that of its entry points.
    return [] if caller is None else [item for items in reversed(caller()) for item in items]


def _nodes(manager: pluggy.PluginManager, manifest: PackManifest) -> Mapping[str, NodeType]:
    nodes: dict[str, NodeType] = {}
    for item in _registered(manager, "register_nodes"):
        if not isinstance(item, NodeType):
            raise ManifestError(manifest.name, [f"register_nodes gave {item!r}; is @node missing?"])
        if item.id in nodes:
            raise ManifestError(manifest.name, [f"two of its nodes are called {item.id!r}"])
        nodes[item.id] = replace(item, pack=manifest.name, pack_version=manifest.version)
    return nodes
