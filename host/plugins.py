"""Loads packs, built-ins and strangers alike, and keeps what each contributes apart.

A pack is loaded wholly or not at all: what it offers is first collected and checked, then registered. A pack that
raises, exits or never finishes becomes a ``PackFailure`` and leaves nothing behind.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pluggy

from host import hookspecs as host_hooks
from host.described_packs import DescribedPack, NodeLeftOut, NodesFileDisagrees, differences
from host.engine import hookspecs as engine_hooks
from host.engine.catalogue import Catalogue
from host.engine.errors import PackUnavailable
from host.models import hookspecs as model_hooks
from host.pack_failures import PackFailure, describe
from host.packs import CORE, PackSource
from host.watchdog import said_if_slow, time_limit
from sdk.errors import SdkError
from sdk.hooks import PROJECT
from sdk.models import ModelFamily, ModelFolder, PatchFormat
from sdk.nodes import NodeType
from sdk.pack_commands import Command
from sdk.sampling import Sampler, Scheduler
from sdk.sockets import Socket
from sdk.web import Route, WebDirectory

logger = logging.getLogger(__name__)

_NAMED = {
    "families": "model family",
    "samplers": "sampler",
    "schedulers": "scheduler",
    "patch_formats": "patch format",
    "routes": "route",
    "commands": "command",
}
"""Kinds of contributions that have one owner by name, and what messages call them."""
_RECORDS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "register_sockets": ("sockets", (Socket,)),
    "register_model_families": ("families", ()),
    "register_samplers": ("samplers", (Sampler,)),
    "register_schedulers": ("schedulers", (Scheduler,)),
    "register_patch_formats": ("patch_formats", (PatchFormat,)),
    "register_folders": ("folders", (ModelFolder,)),
    "register_routes": ("routes", (Route,)),
    "register_web_directories": ("web_directories", (WebDirectory,)),
    "register_commands": ("commands", (Command,)),
}
"""Hooks that give records besides nodes: where those stand in a ``Pack``, and what each has to be, if it is a class."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A pack and everything it contributes.

    Attributes:
        imported: its code is there; otherwise its nodes are described alone, and imported when one is used.
    """

    name: str
    version: str
    origin: str
    plugins: tuple[str, ...]
    nodes: tuple[NodeType, ...] = ()
    sockets: tuple[Socket, ...] = ()
    families: tuple[ModelFamily, ...] = ()
    samplers: tuple[Sampler, ...] = ()
    schedulers: tuple[Scheduler, ...] = ()
    patch_formats: tuple[PatchFormat, ...] = ()
    folders: tuple[ModelFolder, ...] = ()
    routes: tuple[Route, ...] = ()
    web_directories: tuple[WebDirectory, ...] = ()
    commands: tuple[Command, ...] = ()
    imported: bool = True


class NameTaken(SdkError):
    """Two packs offer a family, sampler, route or the like of one name."""

    def __init__(self, kind: str, name: str, owner: Pack, claimant: str) -> None:
        super().__init__(kind, name, owner.name, claimant)
        self.kind, self.name, self.owner, self.claimant = kind, name, owner, claimant

    def __str__(self) -> str:
        return (
            f"the {self.kind} {self.name!r} of pack {self.claimant} already belongs to pack "
            f"{self.owner.name} {self.owner.version}."
        )


class WrongContribution(SdkError):
    """A ``register_*`` hook gave something of another kind than it is for."""

    def __init__(self, pack: str, hook: str, item: object, wanted: str) -> None:
        super().__init__(pack, hook, item, wanted)
        self.pack, self.hook, self.item, self.wanted = pack, hook, item, wanted

    def __str__(self) -> str:
        missing = "; is @node missing?" if self.hook == "register_nodes" else "."
        return f"{self.hook} of pack {self.pack} gave {self.item!r:.80}, which is no {self.wanted}{missing}"


@contextmanager
def shielded(what: str) -> Iterator[None]:
    """A block that calls a pack's code where nobody else may suffer: what it raises is named in the log as ``what``."""
    try:
        yield
    except Exception:
        logger.exception("%s", what)


def create_plugin_manager() -> pluggy.PluginManager:
    """A plugin manager that knows every hook and has no plugin yet."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(engine_hooks)
    manager.add_hookspecs(model_hooks)
    manager.add_hookspecs(host_hooks)
    return manager


def hook_names() -> frozenset[str]:
    """The names of all hooks there are."""
    return frozenset(vars(create_plugin_manager().hook))


class PackRegistry:
    """The loaded packs, the failed ones, and the node catalogue they fill.

    Built once by the composition root. Afterwards it changes only where a pack that is described alone is imported,
    because somebody uses one of its nodes; one lock lets a single thread do that at a time.

    Args:
        seconds_until_said: how long a pack may take to load before a warning says which one it is.
        without: hooks that this use of the host has no need of: a pack whose ``nodes.json`` names no others is only
            described, and imported when one of its nodes is used. None to import every pack at once.
    """

    def __init__(
        self,
        manager: pluggy.PluginManager,
        catalogue: Catalogue,
        *,
        seconds_to_load: float = 120,
        seconds_until_said: float = 5,
        without: Collection[str] | None = None,
    ) -> None:
        self.manager, self.catalogue, self.seconds_to_load = manager, catalogue, seconds_to_load
        self._seconds_until_said = seconds_until_said
        self._without = None if without is None else frozenset(without)
        self._lock = threading.RLock()
        self.packs: dict[str, Pack] = {}
        self.failures: list[PackFailure] = []

    def load(self, sources: Iterable[PackSource]) -> None:
        """Load packs in the given order; each ends up in ``packs`` or in ``failures``."""
        for source in sources:
            with self._undoing(source):
                self._load(source)

    @contextmanager
    def _undoing(self, source: PackSource) -> Iterator[None]:
        """Undo what the pack did, and write down why, where it fails."""
        modules_before, path_before = set(sys.modules), list(sys.path)
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a pack may raise anything, SystemExit too; it stops nobody else
            self._forget(source, modules_before, path_before)
            self._record(source, error)

    def _load(self, source: PackSource) -> None:
        if known := self.packs.get(source.name):
            raise NameTaken("pack", source.name, known, source.origin)
        described = source.describe()
        if described is not None and self._without is not None and described.hooks <= self._without:
            self._take_description(source, described)
            return
        pack = self._import(source, described)
        for node in pack.nodes:
            self.catalogue.add(node)
        self.packs[pack.name] = pack

    def _take_description(self, source: PackSource, described: DescribedPack) -> None:
        nodes = tuple(_owned(node, source) for node in described.nodes)
        for node in nodes:
            self.catalogue.add(node, partial(self._import_late, source, described, node.id))
        self.packs[source.name] = Pack(
            name=source.name, version=source.version, origin=source.origin, plugins=(), nodes=nodes, imported=False
        )

    def _import_late(self, source: PackSource, described: DescribedPack, wanted: str) -> None:
        """Import a pack that was only described; raises PackUnavailable if that does not give the wanted node."""
        with self._lock:
            known = self.packs.get(source.name)
            if known is not None and not known.imported:
                self.packs = {name: pack for name, pack in self.packs.items() if pack is not known}
                with self._undoing(source):
                    pack = self._import(source, described)
                    self.catalogue.replace_pack(pack.name, pack.nodes)
                    self.packs = {**self.packs, pack.name: pack}
            ready = self.packs.get(source.name)
            if ready is None:
                failure = next(failure for failure in self.failures if failure.origin == source.origin)
                raise PackUnavailable(source.name, str(failure))
            if all(node.id != wanted for node in ready.nodes):
                raise PackUnavailable(source.name, str(NodeLeftOut(source.name, source.version, wanted)))

    def _import(self, source: PackSource, described: DescribedPack | None) -> Pack:
        """The pack with its code, and nothing else than it is described with."""
        # The built-ins take their time on a slow disk, too, but hang nowhere.
        slow = said_if_slow(self._seconds_until_said, partial(self._say_slow, source))
        with time_limit(self.seconds_to_load), nullcontext() if source.name == CORE else slow:
            plugins = {f"{source.name}:{name}": plugin for name, plugin in source.load().items()}
            for name, plugin in plugins.items():
                self.manager.register(plugin, name)
            self.manager.check_pending()
            pack = self._collect(source, plugins)
        self._check_names(pack)
        if described is None:
            return pack
        if problems := (*differences(described.nodes, pack.nodes), *self._undeclared(pack, described)):
            raise NodesFileDisagrees(source.name, source.version, problems)
        return pack

    def _say_slow(self, source: PackSource) -> None:
        logger.warning(
            "still importing pack %s %s (%s) after %g s; it is given up after %g s (pack_timeout)",
            source.name,
            source.version,
            source.origin,
            self._seconds_until_said,
            self.seconds_to_load,
        )

    def _undeclared(self, pack: Pack, described: DescribedPack) -> tuple[str, ...]:
        used = {hook for hook, (kind, _) in _RECORDS.items() if getattr(pack, kind)}
        for name in pack.plugins:
            callers = self.manager.get_hookcallers(self.manager.get_plugin(name)) or ()
            used |= {caller.name for caller in callers if caller.name not in _RECORDS}
        strange = sorted(used - described.hooks - {"register_nodes"})
        return tuple(f"it takes part in {hook}, which is not described" for hook in strange)

    def _collect(self, source: PackSource, plugins: dict[str, Any]) -> Pack:
        place = {name: number for number, name in enumerate(plugins)}

        def contributed(hook: str, *kind: type) -> tuple[Any, ...]:
            implementations = getattr(self.manager.hook, hook).get_hookimpls()
            ours = [impl for impl in implementations if impl.plugin_name in plugins]
            ours.sort(key=lambda impl: place[impl.plugin_name])
            items = tuple(item for impl in ours for item in impl.function() or ())
            for item in items if kind else ():
                if not isinstance(item, kind):
                    raise WrongContribution(source.name, hook, item, kind[0].__name__)
            return items

        nodes = tuple(_owned(node, source) for node in contributed("register_nodes", NodeType))
        records: dict[str, Any] = {kind: contributed(hook, *types) for hook, (kind, types) in _RECORDS.items()}
        return Pack(
            name=source.name,
            version=source.version,
            origin=source.origin,
            plugins=tuple(plugins),
            nodes=nodes,
            **records,
        )

    def _check_names(self, pack: Pack) -> None:
        for kind, called in _NAMED.items():
            taken = {item.name: owner for owner in self.packs.values() for item in getattr(owner, kind)}
            for item in getattr(pack, kind):
                if owner := taken.get(item.name):
                    raise NameTaken(called, item.name, owner, pack.name)
                taken[item.name] = pack

    def _forget(self, source: PackSource, modules_before: set[str], path_before: list[str]) -> None:
        if source.name not in self.packs:
            self.catalogue.remove_pack(source.name)
            for name, plugin in list(self.manager.list_name_plugin()):
                if name.startswith(f"{source.name}:") and plugin is not None:
                    self.manager.unregister(plugin)
        if source.folder:
            folder = source.folder.resolve()
            for name in set(sys.modules) - modules_before:
                file = getattr(sys.modules[name], "__file__", None)
                if file and Path(file).resolve().is_relative_to(folder):
                    del sys.modules[name]
        sys.path[:] = path_before

    def _record(self, source: PackSource, error: BaseException) -> None:
        text = "".join(traceback.format_exception(error))
        said, hint = describe(error, source)
        failure = PackFailure(source.name, source.version, source.origin, said, hint, text)
        self.failures.append(failure)
        logger.warning("%s", failure)
        logger.debug("%s", text)

    def contributions(self, kind: str) -> Iterator[tuple[Pack, Any]]:
        """Everything of one kind (``families``, ``samplers`` …) with the pack it comes from, in loading order."""
        for pack in self.packs.values():
            for item in getattr(pack, kind):
                yield pack, item


def _owned(node: NodeType, source: PackSource) -> NodeType:
    return replace(node, pack=source.name, pack_version=source.version, revision=source.revision)
