"""Which addresses webhooks may name: none that only this machine or its network can reach, unless that is meant."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from host.api.server_settings import WebhookSettings

LONGEST_URL = 2048
Resolve = Callable[[str, int], Sequence[str]]
"""The IP addresses of a host name; raises OSError."""


class BadWebhook(Exception):
    """A webhook's address that nothing is sent to; answered with 400."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)
        self.url, self.problem = url, problem

    def __str__(self) -> str:
        return f"The webhook {self.url!r:.200} can't be used: {self.problem}."


@dataclass(frozen=True)
class Target:
    """Where a request really goes. The address is part of it, so that a name can't lead elsewhere a moment later.

    Attributes:
        url: with the IP address in place of the name.
        host_header: the name, with its port if the URL says one.
        name: for the certificate.
    """

    url: str
    host_header: str
    name: str


def resolve(name: str, port: int) -> list[str]:
    """The IP addresses of a host name; raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]


def check(url: str, settings: WebhookSettings, resolve: Resolve = resolve) -> Target:
    """Where a webhook leads.

    Raises:
        BadWebhook: webhooks are off, the URL is none, its host is not among those allowed, or an address it leads to is
            not public.
    """
    if settings.secret is None:
        raise BadWebhook(url, "webhooks are off on this server; its webhook_secret turns them on")
    try:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadWebhook(url, str(error)) from error
    if parts.scheme not in ("http", "https") or not name or len(url) > LONGEST_URL or not url.isprintable():
        raise BadWebhook(url, "it is no http or https address")
    if parts.username is not None or parts.password is not None:
        raise BadWebhook(url, "it must not hold a user name or a password")
    if settings.hosts and not any(_matches(name, allowed) for allowed in settings.hosts):
        raise BadWebhook(url, f"this server sends to {', '.join(settings.hosts)} alone")
    address = _address(url, name, port or (443 if parts.scheme == "https" else 80), settings, resolve)
    shown = f"[{address}]" if ":" in address else address
    suffix = "" if port is None else f":{port}"
    header = f"[{name}]{suffix}" if ":" in name else name + suffix
    target = urlunsplit((parts.scheme, shown + suffix, parts.path or "/", parts.query, ""))
    return Target(target, header, name)


def _address(url: str, name: str, port: int, settings: WebhookSettings, resolve: Resolve) -> str:
    try:
        addresses = list(resolve(name, port))
    except (OSError, UnicodeError) as error:
        raise BadWebhook(url, f"its host is not known ({error})") from error
    if not addresses:
        raise BadWebhook(url, "its host has no address")
    hidden = [address for address in addresses if not is_public(address)]
    if hidden and not settings.private:
        raise BadWebhook(url, f"it leads to {hidden[0]}, which is not public; webhook_private allows that")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return parsed.is_global and not parsed.is_multicast and (mapped is None or is_public(str(mapped)))


def _matches(name: str, allowed: str) -> bool:
    """``example.org`` is that host alone, ``.example.org`` also everything below it."""
    name, allowed = name.lower().rstrip("."), allowed.lower()
    return name == allowed.removeprefix(".") or (allowed.startswith(".") and name.endswith(allowed))
