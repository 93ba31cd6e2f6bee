"""The isolated pack's side of the line: loads the pack, and calls its nodes as the host asks."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
import os
import queue
import socket
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from host.comfyui import plugin as comfyui_loader
from host.engine.catalogue import Catalogue
from host.isolation import values
from host.isolation.channel import Channel
from host.isolation.descriptions import describe
from host.isolation.remote_context import RemoteContext
from host.packs import generation_packs
from host.plugins import Pack, PackRegistry, create_plugin_manager
from sdk.errors import Cancelled, NodeError
from sdk.nodes import NodeType
from sdk.workspace import Generation, InstalledPack

THREADS = 8
_HERE_ONLY = ("families", "samplers", "schedulers", "patch_formats", "folders", "routes", "commands")
"""What of a pack the host can't use from afar."""


class PackServer:
    """One pack and its line to the host. One thread receives; nodes run on others.

    ``_lock`` guards the tables of what the host refers to by number.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel, self._lock = channel, threading.Lock()
        self._numbers = itertools.count(1)
        self._kept: dict[int, Any] = {}
        self._states: dict[int, Any] = {}
        self._contexts: dict[int, RemoteContext] = {}
        self._answers: dict[int, queue.SimpleQueue[Any]] = {}
        self._nodes: dict[str, NodeType] = {}
        self._pack = ""
        self._threads = ThreadPoolExecutor(THREADS, "node")

    def serve(self) -> None:
        """Answer until the host hangs up; raises EOFError then."""
        while True:
            kind, number, *facts = values.read(self._channel.receive(), self._find)
            match kind:
                case "load":
                    self._call(number, partial(self._load, *facts))
                case "call":
                    self._release(facts.pop())
                    context = self._context(number, facts.pop())
                    self._threads.submit(self._call, number, partial(self._node, context, *facts))
                case "answer":
                    self._answers.pop(number).put(facts)
                case "cancel" if number in self._contexts:
                    self._contexts[number].cancel.cancel(*facts)

    def tell(self, kind: str, *facts: Any) -> None:
        """Send something to the host."""
        self._channel.send(values.write((kind, *facts), self._stand))

    def _call(self, number: int, do: Callable[[], Any]) -> None:
        try:
            result = do()
            self.tell("result", number, result)
        except Cancelled as error:
            self.tell("raised", number, "cancelled", "", "", error.reason, "")
        except BaseException as error:  # noqa: BLE001 - a node may raise anything; the host reports it as its own
            kind = "refused" if isinstance(error, NodeError) else "error"
            frames = "".join(traceback.format_exception(error))
            self.tell("raised", number, kind, type(error).__module__, type(error).__qualname__, str(error), frames)
        finally:
            self._contexts.pop(number, None)

    def _load(self, pack: str, version: str, folder: Path, log_level: int) -> dict[str, Any]:
        logging.basicConfig(level=log_level, handlers=[_Forward(self.tell)], force=True)
        self._pack = pack
        manager = create_plugin_manager()
        manager.register(comfyui_loader)
        registry = PackRegistry(manager, Catalogue(), seconds_to_load=24 * 3600)
        this = Generation(number=0, folder=folder, packs=(InstalledPack(id=pack, version=version, folder=folder),))
        registry.load(generation_packs(this, lambda place: manager.hook.choose_pack_loader(folder=place)))
        if registry.failures:
            failure = registry.failures[0]
            return {"failure": failure.error, "hint": failure.hint, "traceback": failure.traceback}
        loaded = registry.packs[pack]
        self._nodes = {node.id: node for node in loaded.nodes}
        return {
            "nodes": [describe(node) for node in loaded.nodes],
            "web_directories": list(loaded.web_directories),
            "here_only": [f"register_{kind}" for kind in _HERE_ONLY if getattr(loaded, kind)],
            "observes": _observes(loaded, registry),
        }

    def _node(self, context: RemoteContext, what: str, node_id: str, arguments: tuple[Any, ...]) -> Any:
        node = self._nodes[node_id]
        match what:
            case "run":
                state, inputs = arguments
                return _completed(node.run(self._state(node, state), inputs, context))
            case "lazy":
                state, inputs = arguments
                assert node.lazy is not None
                return list(_completed(node.lazy(self._state(node, state), inputs)) or ())
            case "validate":
                assert node.validation is not None
                return node.validation.check(**arguments[0])
            case "refresh":
                assert node.refresh is not None
                return describe(node.refresh())
        function = getattr(node, what)
        return function(*arguments)

    def _state(self, node: NodeType, number: int | None) -> Any:
        if number is None or node.create is None:
            return None
        with self._lock:
            known = number in self._states
        if not known:
            made = node.create()
            with self._lock:
                self._states[number] = made
        return self._states[number]

    def _context(self, number: int, facts: tuple[str, str, dict[str, Any]]) -> RemoteContext:
        def tell(kind: str, *said: Any) -> None:
            self.tell(kind, number, *said)

        context = RemoteContext(self._pack, *facts, tell, lambda *asked: self._ask(number, *asked))
        self._contexts[number] = context
        return context

    def _ask(self, call: int, method: str, *arguments: Any) -> Any:
        number = next(self._numbers)
        answer = self._answers[number] = queue.SimpleQueue()
        self.tell("ask", call, number, method, arguments)
        good, value = answer.get()
        if not good:
            raise NodeError(value)
        return value

    def _stand(self, value: Any) -> tuple[Any, ...]:
        with self._lock:
            number = next(self._numbers)
            self._kept[number] = value
        return "kept", number, type(value).__qualname__

    def _find(self, kind: str, number: int) -> Any:
        return self._kept[number]

    def _release(self, numbers: tuple[list[int], list[int]]) -> None:
        with self._lock:
            for table, gone in zip((self._kept, self._states), numbers, strict=True):
                for number in gone:
                    table.pop(number, None)


class _Forward(logging.Handler):
    """Gives what is logged to the host."""

    def __init__(self, tell: Callable[..., None]) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "host.plugins":  # the host says itself that a pack was not loaded
            self._tell("log", 0, record.name, record.levelno, self.format(record))


def _completed(value: Any) -> Any:
    return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value


async def _awaited(value: Any) -> Any:
    return await value


def _observes(pack: Pack, registry: PackRegistry) -> list[str]:
    """Hooks the pack takes part in that the host calls while it runs."""
    used = set()
    for name in pack.plugins:
        callers = registry.manager.get_hookcallers(registry.manager.get_plugin(name)) or ()
        used |= {caller.name for caller in callers if not caller.name.startswith("register_")}
    return sorted(used)


def serve(line: socket.socket) -> None:
    """Serve until the host hangs up, then end at once, whatever nodes are doing."""
    try:
        PackServer(Channel(line, own_changes=True)).serve()
    except EOFError:
        os._exit(0)
