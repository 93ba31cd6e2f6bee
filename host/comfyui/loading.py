"""Imports a pack under a name of its own and gives it as a plugin."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from host.comfyui import finder
from host.comfyui.added_samplers import added_samplers, added_schedulers
from host.comfyui.declarations import Declarations, Listening
from host.comfyui.errors import NoNodeUsable, PackDefinitionError, PackHasNoNodes
from host.comfyui.home import home
from host.comfyui.namespaces import PACKAGE, PackLoader, PackNamespace, namespace_finder
from host.comfyui.origin import Origin
from host.comfyui.results import finish
from host.comfyui.surface.v3_schema import ComfyExtension, ComfyNode
from host.comfyui.v1 import read_class
from host.comfyui.v3 import read_schema_class
from host.comfyui.web import named_by_hand, web_directories
from sdk.errors import DefinitionError
from sdk.hooks import hookimpl
from sdk.nodes import NodeType
from sdk.sampling import Sampler, Scheduler
from sdk.web import WebDirectory

logger = logging.getLogger(__name__)

NAMESPACE = PACKAGE


class ComfyPack:
    """An imported pack, as a plugin object.

    Attributes:
        name: the folder's name.
        folder: where the pack lies.
        module: the imported package.
        nodes: what it offers.
        problems: the nodes that can't be used, and why.
        declarations: what the pack told the host's modules while it was imported.
        web_directory: the folder of its browser scripts, or None.
    """

    def __init__(self, folder: Path, module: ModuleType) -> None:
        self.name = folder.name
        self.folder = folder
        self.module = module
        self.web_directory = _web_directory(folder, module)
        origin = Origin(pack=folder.name, python_module=f"{NAMESPACE}.{folder.name}")
        self.nodes, self.problems = _collect(origin, module)
        self.declarations = Declarations()

    @hookimpl
    def register_nodes(self) -> tuple[NodeType, ...]:
        """The pack's nodes."""
        return self.nodes

    @hookimpl
    def register_web_directories(self) -> list[WebDirectory]:
        """The pack's folders for the graph editor."""
        named = named_by_hand(self.name, self.declarations.scripts)
        return web_directories(self.folder, self.web_directory) + named

    @hookimpl
    def register_samplers(self) -> tuple[Sampler, ...]:
        """The samplers that it has added to ComfyUI's list, and given a function."""
        return added_samplers(self.declarations.sampling_names)

    @hookimpl
    def register_schedulers(self) -> tuple[Scheduler, ...]:
        """The schedules that it has added to ComfyUI's."""
        return added_schedulers(self.declarations.sampling_names)

    def unload(self) -> None:
        """Forget the pack's modules and what it declared, so that loading it again imports it afresh."""
        self.declarations.forget()
        _forget(self.module.__name__)
        namespace_finder().forget(self.folder)


def load_pack(folder: Path) -> ComfyPack:
    """Import the pack in ``folder`` and read its nodes. Whatever the import raises is passed on.

    A node that is declared wrongly is left out and kept in ``problems``.

    Raises:
        PackHasNoNodes: the module offers no list of nodes.
        NoNodeUsable: all of its nodes are declared wrongly.
    """
    folder = folder.resolve()
    finder.install()
    listening = Listening(home(folder))
    name = _module_name(folder)
    _forget(name)
    namespace = namespace_finder().namespace(folder)
    try:
        with namespace_finder().entered(namespace):
            pack = ComfyPack(folder, _import(name, namespace))
        pack.declarations = listening.heard()
    except BaseException:
        listening.heard().forget()
        _forget(name)
        namespace_finder().forget(folder)
        raise
    for problem in pack.problems:
        logger.warning("%s", problem)
    return pack


def _module_name(folder: Path) -> str:
    """``custom_nodes.<folder>``, with the path's hash added where another folder of that name is loaded."""
    name = f"{NAMESPACE}.{folder.name.replace('.', '_')}"
    taken = sys.modules.get(name)
    if taken is None or Path(taken.__file__ or "").parent == folder:
        return name
    return f"{name}_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def _import(name: str, namespace: PackNamespace) -> ModuleType:
    folder = namespace.folder
    start = folder / "__init__.py"
    loader = PackLoader(namespace, name, str(start))
    spec = importlib.util.spec_from_file_location(name, start, loader=loader, submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise PackHasNoNodes(folder.name, "its __init__.py can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(NAMESPACE, _parent())  # without one, a pack's `from . import part` fails
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _parent() -> ModuleType:
    """The package that packs are imported below; it has no folder of its own."""
    parent = ModuleType(NAMESPACE)
    parent.__path__ = []
    return parent


def _forget(name: str) -> None:
    for loaded in [loaded for loaded in sys.modules if loaded == name or loaded.startswith(f"{name}.")]:
        del sys.modules[loaded]


def _collect(origin: Origin, module: ModuleType) -> tuple[tuple[NodeType, ...], tuple[DefinitionError, ...]]:
    nodes: list[NodeType] = []
    problems: list[DefinitionError] = []
    titles = getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {}
    for node_id, node_class in _classes(origin, module):
        try:
            nodes.append(_read(origin, node_id, titles, node_class))
        except DefinitionError as error:
            problems.append(error)
    if problems and not nodes:
        raise NoNodeUsable(origin.pack, tuple(problems))
    return tuple(nodes), tuple(problems)


def _classes(origin: Origin, module: ModuleType) -> Iterator[tuple[Any, Any]]:
    """Registered names, None for "as the schema says", with their classes."""
    mappings = getattr(module, "NODE_CLASS_MAPPINGS", None)
    if mappings is not None:
        if not isinstance(mappings, Mapping):
            raise PackHasNoNodes(origin.pack, f"NODE_CLASS_MAPPINGS is {type(mappings).__name__}, not a dict")
        yield from mappings.items()
        return
    entry_point = getattr(module, "comfy_entrypoint", None)
    if not callable(entry_point):
        raise PackHasNoNodes(origin.pack, "its module offers no nodes")
    yield from ((None, node_class) for node_class in finish(_extension_nodes(origin, entry_point)))


async def _extension_nodes(origin: Origin, entry_point: Any) -> list[Any]:
    extension = entry_point()
    if hasattr(extension, "__await__"):
        extension = await extension
    if not isinstance(extension, ComfyExtension):
        raise PackHasNoNodes(origin.pack, f"comfy_entrypoint() gave {type(extension).__name__}, not a ComfyExtension")
    await extension.on_load()
    return list(await extension.get_node_list())


def _read(origin: Origin, node_id: Any, titles: Mapping[Any, Any], node_class: Any) -> NodeType:
    shown = node_id if node_id is not None else getattr(node_class, "__name__", repr(node_class))
    if not isinstance(node_class, type):
        raise PackDefinitionError(origin.pack, str(shown), f"it is {type(node_class).__name__}", "Register a class.")
    if not isinstance(shown, str) or not shown:
        raise PackDefinitionError(origin.pack, repr(shown), "its name is not a string", "Register it under a name.")
    if issubclass(node_class, ComfyNode):
        return read_schema_class(origin, node_id, node_class)
    return read_class(origin, shown, titles.get(shown), node_class)


def _web_directory(folder: Path, module: ModuleType) -> Path | None:
    said = getattr(module, "WEB_DIRECTORY", None)
    if not isinstance(said, str):
        return None
    web = (folder / said).resolve()
    if web.is_dir() and web.is_relative_to(folder):
        return web
    logger.warning(
        "pack %r: WEB_DIRECTORY %r is not a folder inside the pack; its scripts are not served", folder.name, said
    )
    return None
