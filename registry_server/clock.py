"""Time as the registry writes it down: RFC 3339, UTC, a fixed width, so that texts sort as times do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """``2026-01-02T03:04:05.678901Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_seconds(text: str) -> str:
    """The same moment without its fraction, as the index has it."""
    return f"{text[:19]}Z" if text else ""


def later(moment: datetime, seconds: float) -> str:
    """The stamp of a moment so many seconds later."""
    return stamp(moment + timedelta(seconds=seconds))
