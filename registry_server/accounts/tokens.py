"""Tokens: made once, shown once, stored as a hash, valid for a time."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime

from registry_server.accounts.identity import Scope
from registry_server.errors import BadRequest

PREFIX = "cnr_"
"""By which scanners for leaked secrets can know a token of ours."""
_DURATION = re.compile(r"(\d{1,6})([smhdwy])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


def new_token() -> str:
    """A secret of 256 bits."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is stored. A plain hash: there is nothing to guess in 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def hint(token: str) -> str:
    """The token's end."""
    return token[-4:]


def masked(shown: str) -> str:
    """A token in lists."""
    return f"{PREFIX}****{shown}"


def check_scopes(scopes: Iterable[str]) -> list[str]:
    """The scopes, each once.

    Raises:
        BadRequest: there are none, or unknown ones.
    """
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in set(Scope)]
    if unknown or not wanted:
        raise BadRequest(f"A token's scopes are among {', '.join(Scope)}; {', '.join(unknown) or 'none'} given.")
    return wanted


def parse_duration(text: str) -> int:
    """Seconds in ``90d``, ``12h``, ``15m``.

    Raises:
        BadRequest: it is no such text.
    """
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise BadRequest(f"{text!r} is no duration; write for example 90d, 12h or 15m.")
    return int(found[1]) * _SECONDS[found[2]]


def is_valid(expires_at: str | None, revoked_at: str | None, moment: str) -> bool:
    """Whether a token works at this moment."""
    return revoked_at is None and (expires_at is None or moment < expires_at)


def age(last_used_at: str | None, moment: datetime) -> float:
    """Seconds since a token was last used; infinite if it never was."""
    if last_used_at is None:
        return float("inf")
    return (moment - datetime.fromisoformat(last_used_at)).total_seconds()
