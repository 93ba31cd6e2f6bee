"""How the server is reached and what it lets through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 8188
DEFAULT_UPLOAD_BYTES = 100 * 2**20


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Everything that can be set about the server, beside the host it serves.

    Attributes:
        listen: address to listen on.
        port: 0 for any that is free.
        cors_origin: the one origin that pages of other sites may come from; ``*`` for any, None for none.
        max_upload_bytes: the largest body of a request.
        front_end: folder of the graph editor's files; None for the one that is installed, if any.
        argv: the command line that started the server, as ``/system_stats`` shows it.
        history_size: how many ended jobs are kept.
        requeue: run jobs again that an earlier process left running.
    """

    listen: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    cors_origin: str | None = None
    max_upload_bytes: int = DEFAULT_UPLOAD_BYTES
    front_end: Path | None = None
    argv: tuple[str, ...] = ()
    history_size: int = 10_000
    requeue: bool = False
