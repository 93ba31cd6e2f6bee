"""Loads packs, built-ins and strangers alike, and keeps what each contributes apart.

A pack is loaded wholly or not at all: what it offers is first collected and checked, then registered. A pack that
raises, exits or never finishes becomes a ``PackFailure`` and leaves nothing behind.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pluggy

from host import hookspecs as host_hooks
from host.engine import hookspecs as engine_hooks
from host.engine.catalogue import Catalogue
from host.models import hookspecs as model_hooks
from host.packs import PackNotLoadable, PackSource
from host.watchdog import TookTooLong, time_limit
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


@dataclass(frozen=True)
class PackFailure:
    """A pack that could not be loaded: who, what happened, and what to do."""

    pack: str
    version: str
    origin: str
    error: str
    hint: str
    traceback: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"pack {self.pack} {self.version} ({self.origin}) was not loaded: {self.error} {self.hint}"


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A loaded pack and everything it contributes."""

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


def create_plugin_manager() -> pluggy.PluginManager:
    """A plugin manager that knows every hook and has no plugin yet."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(engine_hooks)
    manager.add_hookspecs(model_hooks)
    manager.add_hookspecs(host_hooks)
    return manager


class PackRegistry:
    """The loaded packs, the failed ones, and the node catalogue they fill.

    Built once by the composition root and then only read.
    """

    def __init__(self, manager: pluggy.PluginManager, catalogue: Catalogue, *, seconds_to_load: float = 120) -> None:
        self.manager, self.catalogue, self.seconds_to_load = manager, catalogue, seconds_to_load
        self.packs: dict[str, Pack] = {}
        self.failures: list[PackFailure] = []

    def load(self, sources: Iterable[PackSource]) -> None:
        """Load packs in the given order; each ends up in ``packs`` or in ``failures``."""
        for source in sources:
            modules_before, path_before = set(sys.modules), list(sys.path)
            try:
                self._load(source)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - a pack may raise anything, SystemExit too; it stops nobody else
                self._forget(source, modules_before, path_before)
                self._record(source, error)

    def _load(self, source: PackSource) -> None:
        if known := self.packs.get(source.name):
            raise NameTaken("pack", source.name, known, source.origin)
        with time_limit(self.seconds_to_load):
            plugins = {f"{source.name}:{name}": plugin for name, plugin in source.load().items()}
            for name, plugin in plugins.items():
                self.manager.register(plugin, name)
            self.manager.check_pending()
            pack = self._collect(source, plugins)
        self._check_names(pack)
        for node in pack.nodes:
            self.catalogue.add(node)
        self.packs[pack.name] = pack

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

        nodes = tuple(
            replace(node, pack=source.name, pack_version=source.version, revision=source.revision)
            for node in contributed("register_nodes", NodeType)
        )
        return Pack(
            name=source.name,
            version=source.version,
            origin=source.origin,
            plugins=tuple(plugins),
            nodes=nodes,
            sockets=contributed("register_sockets", Socket),
            families=contributed("register_model_families"),
            samplers=contributed("register_samplers", Sampler),
            schedulers=contributed("register_schedulers", Scheduler),
            patch_formats=contributed("register_patch_formats", PatchFormat),
            folders=contributed("register_folders", ModelFolder),
            routes=contributed("register_routes", Route),
            web_directories=contributed("register_web_directories", WebDirectory),
            commands=contributed("register_commands", Command),
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


def describe(error: BaseException, source: PackSource) -> tuple[str, str]:
    """What went wrong while loading a pack, and what to do about it, each one sentence."""
    if isinstance(error, SystemExit):
        return f"it tried to exit the program (code {error.code}).", "Ask its author to raise an error instead."
    if isinstance(error, TookTooLong):
        return (
            f"it did not finish within {error.seconds:g} s.",
            "It may be stuck or downloading; look at its import code.",
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        return (
            f"it needs the Python package {error.name!r}.",
            f"Install it, or reinstall {source.name} with its requirements.",
        )
    if isinstance(error, PackNotLoadable):
        return f"{error.problem}.", error.remedy
    if isinstance(error, SdkError):
        return str(error), f"Report this to the author of {source.name}, or leave the pack out with --packs."
    return (
        f"{type(error).__name__}: {error}.",
        f"Run with --log-level debug for the traceback, or leave {source.name} out with --packs.",
    )
