"""Announced uploads."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry_server.db.metadata import STAMP_WIDTH, Base


class Upload(Base):
    """A version that was announced and whose archive has not come yet. Nobody sees it; its id becomes the release's."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    publisher_id: Mapped[str] = mapped_column(ForeignKey("publishers.id", ondelete="CASCADE"), index=True)
    slug: Mapped[str] = mapped_column(String(100))
    version: Mapped[str] = mapped_column(String(100))
    announced: Mapped[dict[str, Any]]
    actor: Mapped[str] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(String(STAMP_WIDTH))
    expires_at: Mapped[str] = mapped_column(String(STAMP_WIDTH), index=True)
    used_at: Mapped[str | None] = mapped_column(String(STAMP_WIDTH))
