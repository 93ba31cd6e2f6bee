"""The host's side of the line: a process of an isolated pack from its start to its end."""

from __future__ import annotations

import itertools
import logging
import queue
import signal
import site
import subprocess
import sys
import threading
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.isolation import values
from host.isolation.channel import Channel
from host.isolation.errors import CannotCross, WorkerEnded, raised
from host.isolation.segments import KnownSegments
from host.isolation.starting import start
from sdk.context import NodeContext
from sdk.errors import Cancelled, NodeError

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.05
"""How often a call that waits looks whether its job was cancelled."""
SECONDS_TO_END = 5
LAST_WORDS = 3
"""Lines of output that a report of a process's end repeats."""
_FOLDERS = frozenset(("names", "find", "input_file", "place"))


@dataclass(frozen=True, kw_only=True)
class IsolatedPack:
    """What a process of its own is started with.

    Attributes:
        site: the pack's own Python packages, searched before the host's.
        shared_site: that of the other packs, which this one does not see.
    """

    id: str
    version: str
    folder: Path
    site: Path | None = None
    shared_site: Path | None = None


class Kept:
    """A value that stays in the process of the pack that made it; only nodes of that pack can use it."""

    def __init__(self, life: Life, number: int, kind: str) -> None:
        self.life, self.number, self.kind = weakref.ref(life), number, kind
        weakref.finalize(self, life.released.append, number)

    def __repr__(self) -> str:
        return f"<{self.kind} in another process>"


class Life:
    """A process from its start to its end. Any thread may call; one thread of its own receives."""

    def __init__(self, pack: IsolatedPack) -> None:
        self.pack, self.released, self.forgotten = pack, deque[int](), deque[int]()
        self.process, line = start(_search_path(pack))
        self._channel = Channel(line, own_changes=False)
        self._known = KnownSegments()
        self._numbers = itertools.count(1)
        self._boxes: dict[int, queue.SimpleQueue[tuple[Any, ...]]] = {}
        self._said: deque[str] = deque(maxlen=LAST_WORDS)
        self._over = threading.Event()
        self._listener = threading.Thread(target=self._listen, name=f"{pack.id}-output", daemon=True)
        self._listener.start()
        threading.Thread(target=self._receive, name=f"{pack.id}-answers", daemon=True).start()
        self._close = weakref.finalize(self, _end, self._channel, self.process)

    @property
    def alive(self) -> bool:
        return not self._over.is_set() and self.process.poll() is None

    def end(self) -> None:
        """End the process; whoever waits for it is told so."""
        self._close()

    def load(self) -> dict[str, Any]:
        """Have the pack loaded; what it says of itself."""
        pack = self.pack
        level = logging.getLogger().getEffectiveLevel()
        loaded: dict[str, Any] = self._ask("load", (pack.id, pack.version, pack.folder, level), None)
        return loaded

    def call(self, what: str, node_id: str, arguments: tuple[Any, ...], context: NodeContext | None) -> Any:
        """What a function of a node gives.

        Raises:
            CannotCross: an argument can't be handed over.
            WorkerEnded: the process ended meanwhile.
            NodeError, Cancelled, NodeRaised: what the function raised.
        """
        where = (context.node_id, context.prompt_id, dict(context.settings)) if context else ("", "", {})
        gone = _drain(self.released), _drain(self.forgotten)
        return self._ask("call", (what, node_id, arguments, where, gone), context)

    def _ask(self, kind: str, facts: tuple[Any, ...], context: NodeContext | None) -> Any:
        number, box = next(self._numbers), queue.SimpleQueue[tuple[Any, ...]]()
        self._boxes[number] = box
        try:
            if self._over.is_set():
                raise self._ended()
            self._send(kind, number, *facts)
            return self._wait(number, box, context)
        finally:
            del self._boxes[number]

    def _wait(self, number: int, box: queue.SimpleQueue[tuple[Any, ...]], context: NodeContext | None) -> Any:
        asked_to_stop = False
        while True:
            try:
                kind, *facts = box.get(timeout=POLL_SECONDS)
            except queue.Empty:
                kind, facts = "", []
            match kind:
                case "result":
                    return facts[0]
                case "raised":
                    raise _error(*facts)
                case "ended":
                    raise self._ended()
                case "ask":
                    self._answer(context, *facts)
                case "progress" | "text":
                    assert context is not None
                    with suppress(Cancelled):  # the node is told below, and ends by itself
                        _report(context, kind, facts)
            if context is not None and context.cancel.cancelled and not asked_to_stop:
                asked_to_stop = True
                self._send("cancel", number, _reason(context))

    def _answer(self, context: NodeContext | None, number: int, method: str, arguments: tuple[Any, ...]) -> None:
        try:
            if context is None or method not in _FOLDERS:
                raise NodeError(f"the host answers no question {method!r} here")
            folders = context.folders
            if method == "place":
                prefix, root, size = arguments
                value: Any = folders.place(prefix, root=root, size=size)
            else:
                value = getattr(folders, method)(*arguments)
            answer = True, list(value) if method == "names" else value
        except NodeError as error:
            answer = False, str(error)
        self._send("answer", number, *answer)

    def _send(self, kind: str, *facts: Any) -> None:
        message = values.write((kind, *facts), self._stand, self._known)
        try:
            self._channel.send(message)
        except OSError as error:
            self._over.wait(SECONDS_TO_END)
            raise self._ended() from error

    def _stand(self, value: Any) -> tuple[Any, ...]:
        if isinstance(value, Kept):
            if value.life() is self:
                return "kept", value.number
            raise WorkerEnded(self.pack.id, f"that held a {value.kind} ended, or is another pack's", "")
        raise CannotCross(type(value).__qualname__, self.pack.id)

    def _receive(self) -> None:
        try:
            while True:
                kind, number, *facts = values.read(self._channel.receive(), self._keep, self._known)
                if kind == "log":
                    name, level, text = facts
                    logging.getLogger(name).log(level, "%s", text)
                elif box := self._boxes.get(number):
                    box.put((kind, *facts))
        except EOFError:
            pass
        finally:
            _end(self._channel, self.process)
            self._listener.join(SECONDS_TO_END)
            self._over.set()
            for box in list(self._boxes.values()):
                box.put(("ended",))

    def _keep(self, kind: str, number: int, name: str) -> Kept:
        return Kept(self, number, name)

    def _listen(self) -> None:
        """Pass on what the process prints."""
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                text = line.decode(errors="replace").rstrip()
                self._said.append(text)
                logger.info("%s: %s", self.pack.id, text)

    def _ended(self) -> WorkerEnded:
        return WorkerEnded(self.pack.id, _how(self.process.poll()), " / ".join(self._said))


def _search_path(pack: IsolatedPack) -> list[str]:
    """The host's own, with the pack's packages before all that are installed, and without the other packs'."""
    path = [entry for entry in sys.path if entry and entry != str(pack.shared_site)]
    installed = {*site.getsitepackages(), site.getusersitepackages()}
    place = next((number for number, entry in enumerate(path) if entry in installed), len(path))
    return [*path[:place], *([str(pack.site)] if pack.site else []), *path[place:]]


def _end(channel: Channel, process: subprocess.Popen[bytes]) -> None:
    """Hang up, which ends the process; one that does not notice is killed."""
    channel.close()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _drain(numbers: deque[int]) -> list[int]:
    found = []
    with suppress(IndexError):
        while True:
            found.append(numbers.popleft())
    return found


def _report(context: NodeContext, kind: str, facts: list[Any]) -> None:
    if kind == "text":
        context.text(*facts)
    else:
        value, total, preview = facts
        context.progress(value, total, preview=preview)


def _reason(context: NodeContext) -> str:
    try:
        context.cancel.raise_if_cancelled()
    except Cancelled as error:
        return error.reason
    return "cancelled"


def _error(kind: str, module: str, name: str, message: str, frames: str) -> BaseException:
    match kind:
        case "cancelled":
            return Cancelled(message)
        case "refused":
            return NodeError(message)
    return raised(module, name, message, frames)


def _how(code: int | None) -> str:
    if code is None:
        return "hung up"
    if code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"
