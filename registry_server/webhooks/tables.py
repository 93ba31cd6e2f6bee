"""Webhooks and what is still to be sent to them."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry_server.db.metadata import STAMP_WIDTH, Base


class Webhook(Base):
    """An address that wants to know of changes; all packs', or one publisher's."""

    __tablename__ = "webhooks"
    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(Text)
    publisher_id: Mapped[str | None] = mapped_column(ForeignKey("publishers.id", ondelete="CASCADE"))
    created_at: Mapped[str] = mapped_column(String(STAMP_WIDTH))


class Delivery(Base):
    """A message for a webhook, written in the same transaction as the change that it tells of."""

    __tablename__ = "deliveries"
    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), index=True)
    body: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[str | None] = mapped_column(String(STAMP_WIDTH), index=True)
    delivered_at: Mapped[str | None] = mapped_column(String(STAMP_WIDTH))
    problem: Mapped[str] = mapped_column(Text, default="")
