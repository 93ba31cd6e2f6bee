"""What may be fetched: the user's decision, in the environment. A workflow decides none of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

HOSTS, LARGEST = "DATA_PIPELINE_HOSTS", "DATA_PIPELINE_MAX_MB"
DEFAULT_LARGEST_MB = 512


class NotAllowed(ValueError):
    """An address may not be fetched; the sentence says why, and how to allow it."""


@dataclass(frozen=True)
class Rules:
    """Hosts that may be asked, with ``*`` for any part of a name, and the largest file in bytes."""

    hosts: tuple[str, ...] = ()
    largest: int = DEFAULT_LARGEST_MB * 2**20

    def check(self, address: str) -> None:
        """Raises NotAllowed unless the address is http or https, without a password, at an allowed host."""
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
        if parts.scheme not in ("http", "https") or not host:
            raise NotAllowed(f"{address!r} is no web address")
        if parts.username or parts.password:
            raise NotAllowed("an address with a password in it is not fetched; workflows are shared")
        name = f"{host}:{parts.port}" if parts.port else host
        if not any(fnmatchcase(host, pattern) or fnmatchcase(name, pattern) for pattern in self.hosts):
            allowed = ", ".join(self.hosts) or "none"
            raise NotAllowed(f"{name} is not among the allowed hosts ({allowed}); add it to {HOSTS} if you trust it")


def read_rules(environment: Mapping[str, str]) -> Rules:
    """The rules in the environment; without any, nothing may be fetched.

    Raises:
        NotAllowed: the size is no number.
    """
    hosts = tuple(part.strip().lower() for part in environment.get(HOSTS, "").split(",") if part.strip())
    megabytes = environment.get(LARGEST, "").strip() or str(DEFAULT_LARGEST_MB)
    if not megabytes.isdecimal():
        raise NotAllowed(f"{LARGEST}={megabytes} is no number of megabytes")
    return Rules(hosts, int(megabytes) * 2**20)
