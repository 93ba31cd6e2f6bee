"""The host that packs run in, for what their code asks outside of nodes: folders, nodes, names of samplers.

Packs ask plain functions of modules, without saying for whom; so there is one ``Home`` in a process at a time, that of
the host that was put together last. Inside of a node the node's own context goes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from host.comfyui.route_table import RouteTable
from host.comfyui.sampler_names import DROPPING_PENULTIMATE, AddedSampling, NameList
from host.engine.catalogue import Catalogue
from host.folders import LocalFolders
from host.models.library import Library
from sdk.workspace import PACKS_FOLDER, default_base_dir

if TYPE_CHECKING:
    from host.comfyui.folder_lists import FolderLists
    from host.services import HostServices
    from sdk.nodes import NodeType


@dataclass(frozen=True, eq=False)
class Home:
    """What a host gives to packs.

    Attributes:
        catalogue: gives the nodes of all packs.
        services: gives models, samplers and schedules; None from it while the host is still being put together.
        base: the folder that holds everything that was not set to lie elsewhere.
        models: the folder below which those of each kind of model lie.
        node_classes: classes in ComfyUI's form for nodes that were asked for.
        routes: what packs have the server answer.
        prompt_handlers: functions of packs that change prompts before they are read.
    """

    folders: LocalFolders
    library: Library
    catalogue: Callable[[], Catalogue]
    services: Callable[[], HostServices | None]
    base: Path
    models: Path
    node_classes: dict[NodeType, type] = field(default_factory=dict)
    routes: RouteTable = field(default_factory=RouteTable)
    prompt_handlers: list[Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=list)

    current: ClassVar[Home | None] = None

    @cached_property
    def folder_lists(self) -> FolderLists:
        """The folders of each kind of model as packs change them."""
        from host.comfyui.folder_lists import FolderLists

        return FolderLists(self)

    @cached_property
    def sampling(self) -> AddedSampling:
        """The lists of samplers and schedules as packs change them."""
        return AddedSampling(NameList(self.samplers), NameList(self.schedulers), set(DROPPING_PENULTIMATE), {})

    def samplers(self) -> list[str]:
        """Names of the sampling algorithms, in the order in which users see them."""
        return self._names("samplers")

    def schedulers(self) -> list[str]:
        """Names of the noise schedules, in the order in which users see them."""
        return self._names("schedulers")

    def choices(self, source: str) -> Sequence[Any]:
        """What an input's source of choices offers now; LookupError for a source that nobody knows yet."""
        services = self.services()
        if services is not None:
            return services.choices(source)
        return self._names(source) if source in ("samplers", "schedulers") else self.folders.choices(source)

    def _names(self, kind: str) -> list[str]:
        services = self.services()
        if services is None:  # only the built-in ones are known before all packs are loaded
            from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS

            return [record.name for record in (SAMPLERS if kind == "samplers" else SCHEDULERS)]
        known: Mapping[str, Any] = getattr(services, kind)
        return list(known)


def attach(home: Home) -> None:
    """Have packs ask this host from now on."""
    Home.current = home


def home(pack: Path | None = None) -> Home:
    """The host that packs ask; where none was put together, one with the built-ins in the folder that it would use.

    Args:
        pack: folder of a pack, which may tell where it is installed.
    """
    if Home.current is None:
        base = _base_of(pack) or default_base_dir(Path.cwd())
        models = base / "models"
        library = Library([models], {"custom_nodes": [base / "custom_nodes"]})
        Home.current = Home(LocalFolders(base, library), library, built_ins, lambda: None, base, models)
    return Home.current


def _base_of(pack: Path | None) -> Path | None:
    """The base folder of an installation that a pack lies in: ``<base>/packs/store/<sha256>/<pack>``."""
    if pack is None or len(pack.parents) < 4 or pack.parents[2].name != PACKS_FOLDER:
        return None
    return pack.parents[3]


@cache
def built_ins() -> Catalogue:
    """The nodes of the built-in pack alone, for the import of packs where no host is."""
    from host.packs import CORE, installed_packs
    from host.plugins import PackRegistry, create_plugin_manager

    catalogue = Catalogue()
    PackRegistry(create_plugin_manager(), catalogue).load(pack for pack in installed_packs() if pack.name == CORE)
    return catalogue
