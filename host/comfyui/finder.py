"""Finds the modules of the reference host that existing packs import, and gives ours in their place.

The finder joins ``sys.meta_path`` when the first such pack is loaded, because packs also import inside functions
that run much later. It answers for the names in ``PROVIDED`` and their packages only.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import logging
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from host.comfyui.namespaces import NamespaceFinder

logger = logging.getLogger(__name__)

PROVIDED: Mapping[str, str | None] = {
    "comfy": None,
    "comfy.utils": "host.comfyui.surface.progress",
    "comfy_api": None,
    "comfy_api.latest": "host.comfyui.surface.v3_latest",
    "comfy_api.latest.io": "host.comfyui.surface.v3_io",
    "comfy_execution": None,
    "comfy_execution.graph": "host.comfyui.surface.execution",
    "comfy_execution.graph_utils": "host.comfyui.surface.graph_builder",
    "server": "host.comfyui.surface.prompt_server",
}
"""Module names that packs import, each with our module that has its public names; None for a mere package."""


class NotProvided(ModuleNotFoundError):
    """A pack imports a part of the reference host that isn't offered here; ``name`` is the module."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)

    def __str__(self) -> str:
        offered = ", ".join(name for name, source in PROVIDED.items() if source)
        return f"module {self.name!r} of ComfyUI is not offered to packs here; offered are {offered}"


class PackModuleFinder(MetaPathFinder, Loader):
    """Gives packs our modules under the names they know."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a provided module; None for names outside the reference host's packages.

        Raises:
            NotProvided: the name lies inside one of these packages, but nothing is provided under it.
        """
        if fullname in PROVIDED:
            return importlib.util.spec_from_loader(fullname, self, is_package=_is_package(fullname))
        if fullname.partition(".")[0] in PROVIDED:
            raise NotProvided(fullname)
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """Nothing: the module is an ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with the public names of our own."""
        source = PROVIDED[module.__name__]
        if source is None:
            return
        ours = importlib.import_module(source)
        module.__doc__ = ours.__doc__
        for name in ours.__all__:
            setattr(module, name, getattr(ours, name))


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
    for name in PROVIDED:
        module = sys.modules.get(name)
        if module is not None and isinstance(getattr(module.__spec__, "loader", None), PackModuleFinder):
            del sys.modules[name]


def _is_package(name: str) -> bool:
    return any(other.startswith(f"{name}.") for other in PROVIDED)


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
