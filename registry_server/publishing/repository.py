"""Every query on announced uploads."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from registry_server.publishing.tables import Upload


def upload(session: Session, upload_id: str, *, lock: bool = False) -> Upload | None:
    """An announced upload."""
    return session.get(Upload, upload_id, with_for_update=lock or None)


def forget_expired(session: Session, moment: str) -> None:
    """Drop announcements whose archive never came, or came long ago."""
    session.execute(delete(Upload).where(Upload.expires_at < moment))
