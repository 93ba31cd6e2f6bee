"""Keeps the top-level modules of packs apart: each pack that says ``import utils`` gets its own ``utils``.

ComfyUI packs put their folder on ``sys.path`` and import plain names from it, and many packs have a ``utils`` or
``nodes``. ``sys.modules`` has one place for each name. So the modules of a pack get an ``import`` of their own (the
``__import__`` among their builtins), which puts the pack's modules in those places for as long as it works.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_loader
from pathlib import Path
from threading import RLock, get_ident
from types import ModuleType
from typing import Any

from host.comfyui.offered import FOR_PACKS_ALONE, PROVIDED, NameNotProvided, module_for_packs

PACKAGE = "custom_nodes"
"""Packs themselves are imported below this name, which keeps those modules apart anyway."""


class PackNamespace:
    """The modules of one pack that other packs must not see.

    Attributes:
        folder: the pack's own, resolved.
        modules: by name, those that were imported from the folder under a plain name.
        builtins: what the pack's modules have as builtins.
    """

    def __init__(self, folder: Path, finder: NamespaceFinder) -> None:
        self.folder, self._finder = folder, finder
        self.modules: dict[str, ModuleType] = {}
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self.import_module}

    def import_module(
        self,
        name: str,
        globals: dict[str, Any] | None = None,
        locals: dict[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """``import`` as the pack's code means it.

        Raises:
            NameNotProvided: the module is one of the reference host's and has no such name here.
        """
        if level == 0 and name in FOR_PACKS_ALONE:
            module = module_for_packs(name)
        else:
            module = self._imported(name, globals, locals, fromlist, level)
        for wanted in fromlist or () if level == 0 and _is_offered(name) else ():
            if wanted != "*" and not hasattr(module, wanted):
                raise NameNotProvided(name, wanted)
        return module

    def _imported(
        self,
        name: str,
        globals: dict[str, Any] | None,
        locals: dict[str, Any] | None,
        fromlist: Sequence[str],
        level: int,
    ) -> ModuleType:
        top = name if level == 0 else str((globals or {}).get("__package__") or "")
        if _is_common(top.partition(".")[0]):
            return builtins.__import__(name, globals, locals, fromlist, level)
        with self._finder.entered(self):
            return builtins.__import__(name, globals, locals, fromlist, level)

    def owns(self, origin: str | None) -> bool:
        """Whether a file lies in the pack's folder."""
        return origin is not None and Path(origin).is_relative_to(self.folder)


class PackLoader(SourceFileLoader):
    """Runs a module of a pack with the pack's ``import``."""

    def __init__(self, namespace: PackNamespace, name: str, path: str) -> None:
        super().__init__(name, path)
        self._namespace = namespace

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self._namespace.builtins
        super().exec_module(module)


class _LoaderForPacks(Loader):
    """Gives the module that packs alone have by a common name."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return module_for_packs(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module is whole."""


def _is_offered(name: str) -> bool:
    """Whether a module of that name is one that packs get in the reference host's place."""
    top = name.partition(".")[0]
    return top in PROVIDED or top in FOR_PACKS_ALONE


def _is_of_pack(module: ModuleType | None) -> bool:
    return isinstance(getattr(getattr(module, "__spec__", None), "loader", None), PackLoader)


def _take_out(modules: dict[str, ModuleType]) -> None:
    for name, module in modules.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]


def _is_common(top: str) -> bool:
    """Whether a top-level name means the same for everybody: it is there already, and no pack's plain module."""
    module = sys.modules.get(top)
    return top == PACKAGE or (module is not None and not _is_of_pack(module))


class NamespaceFinder(MetaPathFinder):
    """Finds the modules of packs for the packs themselves.

    One lock lets one thread at a time change what ``sys.modules`` and ``sys.path`` show of packs. What packs alone have
    by a common name, other threads don't find.
    """

    def __init__(self) -> None:
        self._namespaces: dict[Path, PackNamespace] = {}
        self._lock = RLock()
        self._active: PackNamespace | None = None
        self._thread = 0

    def namespace(self, folder: Path) -> PackNamespace:
        """A new namespace for the pack in a folder; an earlier one is forgotten, with its modules."""
        with self._lock:
            self.forget(folder)
            made = self._namespaces[folder] = PackNamespace(folder, self)
            return made

    def forget(self, folder: Path) -> None:
        """Forget a pack's plain modules, so that they are imported afresh."""
        with self._lock:
            gone = self._namespaces.pop(folder, None)
            for name, module in gone.modules.items() if gone else ():
                if sys.modules.get(name) is module:
                    del sys.modules[name]

    @contextmanager
    def entered(self, namespace: PackNamespace) -> Iterator[None]:
        """Show the pack's own plain modules, and no other pack's, for the length of a ``with`` block."""
        with self._lock:
            if self._active is namespace:
                yield
                return
            outer, self._active, self._thread = self._active, namespace, get_ident()
            hidden = self._hide_others(namespace)
            elsewhere = [entry for entry in sys.path if self._is_of_another(entry, namespace)]
            sys.path[:] = [entry for entry in sys.path if entry not in elsewhere]
            before = set(sys.modules)
            sys.modules.update(namespace.modules)
            try:
                yield
            finally:
                self._active = outer
                self._take_in(namespace, sys.modules.keys() - before)
                _take_out({name: module_for_packs(name) for name in FOR_PACKS_ALONE})
                # Where packs contest a name, the first one's module stays for those who import it in other ways.
                sys.modules.update(hidden)
                sys.path.extend(entry for entry in elsewhere if entry not in sys.path)

    def _hide_others(self, namespace: PackNamespace) -> dict[str, ModuleType]:
        hidden: dict[str, ModuleType] = {}
        for other in self._namespaces.values():
            for name, module in other.modules.items() if other is not namespace else ():
                if sys.modules.get(name) is module:
                    hidden[name] = sys.modules.pop(name)
        return hidden

    def _is_of_another(self, entry: str, namespace: PackNamespace) -> bool:
        return any(other.owns(entry) for other in self._namespaces.values() if other is not namespace)

    def _take_in(self, namespace: PackNamespace, names: Iterable[str]) -> None:
        for name in names:
            if _is_of_pack(sys.modules.get(name)) and not name.startswith(f"{PACKAGE}."):
                namespace.modules[name] = sys.modules[name]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module in a pack's folder; None for all others."""
        if path is None and self._active is None:
            return None
        if path is None and fullname in FOR_PACKS_ALONE and get_ident() == self._thread:
            return spec_from_loader(fullname, _LoaderForPacks())  # a library that the pack imports may import it, too
        inside = self._active if path is None else self._owner(path)
        if inside is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader or not inside.owns(spec.origin):
            return None
        assert spec.origin is not None
        spec.loader = PackLoader(inside, fullname, spec.origin)
        return spec

    def _owner(self, path: Sequence[str]) -> PackNamespace | None:
        for namespace in self._namespaces.values():
            if any(namespace.owns(str(entry)) for entry in path):
                return namespace
        return None


def namespace_finder() -> NamespaceFinder:
    """The one of this process, which joins the finders of modules with the first pack."""
    known = [finder for finder in sys.meta_path if isinstance(finder, NamespaceFinder)]
    if known:
        return known[0]
    made = NamespaceFinder()
    sys.meta_path.insert(0, made)
    return made
