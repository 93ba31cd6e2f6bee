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

    from host.api.server_settings import ServerSettings

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


def serve(app: ASGIApp, settings: ServerSettings, ready: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        ready: called with the server's address once it answers.

    Raises:
        AddressTaken: somebody else listens there, or the address is none of this machine.
    """
    listening = _listen(settings)
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


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.listen, settings.port))
    except OSError as error:
        listening.close()
        raise AddressTaken(settings.listen, settings.port, error.strerror or str(error)) from error
    listening.set_inheritable(True)
    return listening
