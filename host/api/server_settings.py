"""How the server is reached and what it lets through."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from host.api.access.guards import is_loopback

if TYPE_CHECKING:
    from host.settings import Settings

DEFAULT_PORT = 8188
DEFAULT_UPLOAD_BYTES = 100 * 2**20


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """Where jobs may report to.

    Attributes:
        secret: signs what is sent; None turns webhooks off.
        hosts: the only ones that may be named; empty for any that is public.
        private: loopback and private addresses are let through, too.
    """

    secret: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    private: bool = False


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Everything that can be set about the server, beside the host it serves.

    Attributes:
        listen: address to listen on.
        port: 0 for any that is free.
        cors_origin: the one origin that pages of other sites may come from; ``*`` for any, None for none.
        allowed_hosts: the names, beside addresses and ``localhost``, by which requests may address the server; None for
            any name.
        max_upload_bytes: the largest body of a request.
        front_end: folder of the graph editor's files; None for the one that is installed, if any.
        argv: the command line that started the server, as ``/system_stats`` shows it.
        history_size: how many ended jobs are kept.
        requeue: run jobs again that an earlier process left running.
        api_key_file: keys that requests must show; None lets everybody in.
        multi_user: keep files and settings of the front end apart for each user.
    """

    listen: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    cors_origin: str | None = None
    allowed_hosts: tuple[str, ...] | None = ()
    max_upload_bytes: int = DEFAULT_UPLOAD_BYTES
    front_end: Path | None = None
    argv: tuple[str, ...] = ()
    history_size: int = 10_000
    requeue: bool = False
    api_key_file: Path | None = None
    multi_user: bool = False
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)


def server_settings(settings: Settings, argv: tuple[str, ...]) -> ServerSettings:
    """The server's part of the settings."""
    return ServerSettings(
        listen=settings.listen,
        port=settings.port,
        cors_origin=settings.cors_origin,
        allowed_hosts=_allowed_hosts(settings),
        max_upload_bytes=settings.max_upload_size,
        argv=argv,
        history_size=settings.history_size,
        requeue=settings.requeue,
        api_key_file=settings.api_key_file,
        multi_user=settings.multi_user,
        webhooks=WebhookSettings(
            secret=settings.webhook_secret, hosts=settings.webhook_hosts, private=settings.webhook_private
        ),
    )


def _allowed_hosts(settings: Settings) -> tuple[str, ...] | None:
    """A rule only where a web page could do harm by it: what asks for keys, or lets any page in, needs none."""
    open_to_all = settings.cors_origin == "*" or not is_loopback(settings.listen)
    if not settings.allowed_hosts and (open_to_all or settings.api_key_file is not None):
        return None
    return settings.allowed_hosts
