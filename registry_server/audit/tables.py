"""The audit log."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry_server.db.metadata import STAMP_WIDTH, Base


class AuditEntry(Base):
    """One change. The database itself refuses to change or delete entries."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(String(STAMP_WIDTH), index=True)
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(String(60), index=True)
    subject: Mapped[str] = mapped_column(String(500), index=True)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
