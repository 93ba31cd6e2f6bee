"""Runs the registry until a signal ends it; requests that are being answered are answered first."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from registry_server.app import create_app
from registry_server.errors import RegistryError, Unavailable
from registry_server.requests import Parts

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_FOR_REQUESTS = 20


def serve(parts: Parts, ready: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        ready: called with the server's address once it answers.

    Raises:
        Unavailable: the address can't be listened on.
    """
    listening = _listen(parts.settings.listen, parts.settings.port)
    address, port = listening.getsockname()[:2]
    shown = f"http://{f'[{address}]' if ':' in address else address}:{port}"
    config = uvicorn.Config(
        create_app(parts, shown),
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=SECONDS_FOR_REQUESTS,
        server_header=False,
    )
    warming = threading.Thread(target=_warm_up, args=[parts], name="warm-up")

    def begin() -> None:
        ready(shown)
        warming.start()

    _Server(config, begin).run(sockets=[listening])


def _warm_up(parts: Parts) -> None:
    try:
        parts.publishing.examiner.warm_up()
    except RegistryError as error:
        logger.warning("uploads can't be taken: %s", error)


class _Server(uvicorn.Server):
    """Says when it is ready, and takes a signal for the wish to end, not for an error."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise Unavailable(
            f"can't listen on {address} port {port}: {reason}. Give another --port, or end the program that uses it."
        ) from error
    listening.set_inheritable(True)
    return listening
