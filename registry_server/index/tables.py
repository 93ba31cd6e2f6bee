"""The change feed and the prepared documents."""

from __future__ import annotations

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry_server.db.metadata import STAMP_WIDTH, Base


class IndexState(Base):
    """One row: how far the index is. Whoever changes the index locks it first."""

    __tablename__ = "index_state"
    id: Mapped[int] = mapped_column(primary_key=True)
    serial: Mapped[int] = mapped_column(default=0)
    packs: Mapped[int] = mapped_column(default=0)
    snapshot_serial: Mapped[int] = mapped_column(default=0)


class ChangeRow(Base):
    """One entry of the change feed; serials have no holes."""

    __tablename__ = "changes"
    serial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20))
    pack: Mapped[str] = mapped_column(String(100), index=True)
    version: Mapped[str] = mapped_column(String(100), default="")
    digest: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[str] = mapped_column(String(STAMP_WIDTH))


class PackDocument(Base):
    """A state of a pack's document; the newest few are kept. ``current`` marks the newest."""

    __tablename__ = "pack_documents"
    __table_args__ = (Index("ix_pack_documents_shard", "shard", "current"),)
    folded: Mapped[str] = mapped_column(String(100), primary_key=True)
    serial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shard: Mapped[str] = mapped_column(String(2))
    digest: Mapped[str] = mapped_column(String(64))
    current: Mapped[bool]
    at: Mapped[str] = mapped_column(String(STAMP_WIDTH))
    body: Mapped[bytes] = mapped_column(LargeBinary)


class MirrorRow(Base):
    """Another registry that is mirrored here, and up to which of its changes."""

    __tablename__ = "mirrors"
    url: Mapped[str] = mapped_column(String(500), primary_key=True)
    serial: Mapped[int] = mapped_column(default=0)
    at: Mapped[str] = mapped_column(String(STAMP_WIDTH))
