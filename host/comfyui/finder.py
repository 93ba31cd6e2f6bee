"""Finds the modules of the reference host that existing packs import, and gives ours in their place.

The finder joins ``sys.meta_path`` when the first such pack is loaded, because packs also import inside functions
that run much later. It answers for the names that ``offered`` lists and for what lies in their packages.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from host.comfyui.namespaces import NamespaceFinder
from host.comfyui.offered import EMPTY, PROVIDED, NotProvided, fill, is_offered, is_package, source_of

logger = logging.getLogger(__name__)


class PackModuleFinder(MetaPathFinder, Loader):
    """Gives packs our modules under the names they know."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a provided module; None for names outside the reference host's packages.

        Raises:
            NotProvided: the name lies inside one of these packages, but nothing is provided under it.
        """
        if is_offered(fullname):
            return importlib.util.spec_from_loader(fullname, self, is_package=is_package(fullname))
        if fullname.partition(".")[0] in PROVIDED:
            raise NotProvided(fullname)
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """Nothing: the module is an ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with the public names of our own; says so where there are none."""
        name = module.__name__
        if name in EMPTY:
            logger.warning("a pack imports %s of ComfyUI, of which nothing is there; what needs it will fail", name)
        fill(module, source_of(name))


def install() -> None:
    """Put the finder in place, once per process; says so if an installed package is hidden by it."""
    if any(isinstance(finder, PackModuleFinder) for finder in sys.meta_path):
        return
    for name in sorted(name for name in PROVIDED if "." not in name):
        hidden = _installed(name)
        if hidden:
            logger.warning(
                "the installed package %r (%s) is hidden from now on: packs get the host's own", name, hidden
            )
            _forget(name)
    sys.meta_path.insert(0, PackModuleFinder())


def uninstall() -> None:
    """Take the finder and the modules it gave away again."""
    for finder in [finder for finder in sys.meta_path if isinstance(finder, PackModuleFinder | NamespaceFinder)]:
        sys.meta_path.remove(finder)
    for name, module in list(sys.modules.items()):
        if is_offered(name) and isinstance(getattr(module.__spec__, "loader", None), PackModuleFinder):
            del sys.modules[name]


def _installed(name: str) -> str | None:
    """Where a package of that name lies that Python itself would import."""
    loaded = sys.modules.get(name)
    spec = loaded.__spec__ if loaded is not None else PathFinder.find_spec(name)
    if spec is None:
        return None
    return spec.origin or ", ".join(spec.submodule_search_locations or ()) or name


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
