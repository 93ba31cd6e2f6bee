"""Runs the application until a signal ends it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from host.errors import HostError
from sdk.commands import ExitCode

if TYPE_CHECKING:
    from starlette.types import ASGIApp

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_FOR_REQUESTS = 3
LONGEST_CLIENT_MESSAGE = 2**20


class AddressTaken(HostError):
    """The address can't be listened on."""

    exit_code = ExitCode.USAGE

    def __init__(self, address: str, port: int, reason: str) -> None:
        super().__init__(address, port, reason)
        self.address, self.port, self.reason = address, port, reason

    def __str__(self) -> str:
        return (
            f"can't listen on {self.address} port {self.port}: {self.reason}. "
            "Give another --port, or end the program that uses it."
        )


def serve(app: ASGIApp, listening: socket.socket, ready: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        listening: from ``bind``.
        ready: called with the server's address once it answers.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=LONGEST_CLIENT_MESSAGE,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=SECONDS_FOR_REQUESTS,
    )
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    _Server(config, lambda: ready(f"http://{shown}:{port}")).run(sockets=[listening])


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


def bind(address: str, port: int) -> socket.socket:
    """A socket at that address; clients that connect wait until the server answers.

    Raises:
        AddressTaken: somebody else listens there, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except OSError as error:
        listening.close()
        raise AddressTaken(address, port, error.strerror or str(error)) from error
    listening.set_inheritable(True)
    return listening
