"""Rows of the change feed as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry_server.clock import to_seconds
from sdk.registry import Change


def decode_change_row(row: Sequence[Any]) -> Change:
    """Serial, kind, pack, version, digest, at: as the index has them."""
    serial, kind, pack, version, digest, at = row
    return Change(serial=serial, kind=kind, pack=pack, version=version, digest=digest, at=to_seconds(at))
