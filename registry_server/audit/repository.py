"""Every query on the audit log; there is none that changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry_server.audit.tables import AuditEntry
from registry_server.clock import stamp


def record(session: Session, moment: datetime, actor: str, action: str, subject: str, **details: Any) -> None:
    """Write down a change, in the transaction that makes it.

    Args:
        action: subject and verb, such as ``release.publish``.
        subject: what was changed, such as ``pack/my-pack/1.0``.
        details: what a reader of the log wants to know; nothing secret.
    """
    session.add(
        AuditEntry(at=stamp(moment), actor=actor, action=action, subject=subject[:500], details=_plain(details))
    )


def entries(
    session: Session, *, subject: str = "", action: str = "", actor: str = "", since: str = "", limit: int = 100
) -> Sequence[AuditEntry]:
    """The newest entries first; ``subject`` and ``action`` are prefixes."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if subject:
        query = query.where(AuditEntry.subject.startswith(subject, autoescape=True))
    if action:
        query = query.where(AuditEntry.action.startswith(action, autoescape=True))
    if actor:
        query = query.where(AuditEntry.actor == actor)
    if since:
        query = query.where(AuditEntry.at >= since)
    return session.scalars(query).all()


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in details.items() if value not in (None, "", [], {})}
