"""Owners of node ids, exceptions, claims, and the shapes of nodes' code."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry_server.db.metadata import STAMP_WIDTH, Base

LONGEST_NODE_ID = 400


class NodeOwner(Base):
    """The one pack that a node id belongs to; the host's own ids are no rows."""

    __tablename__ = "node_owners"
    node_id: Mapped[str] = mapped_column(String(LONGEST_NODE_ID), primary_key=True)
    pack_id: Mapped[int] = mapped_column(ForeignKey("packs.id", ondelete="CASCADE"), index=True)
    since: Mapped[str] = mapped_column(String(STAMP_WIDTH))
    reason: Mapped[str] = mapped_column(Text, default="")


class NodeException(Base):
    """A pack that may provide a node id though it is another's."""

    __tablename__ = "node_exceptions"
    node_id: Mapped[str] = mapped_column(String(LONGEST_NODE_ID), primary_key=True)
    pack_id: Mapped[int] = mapped_column(ForeignKey("packs.id", ondelete="CASCADE"), primary_key=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    since: Mapped[str] = mapped_column(String(STAMP_WIDTH))


class NodeClaimRow(Base):
    """A pack provides a node id, or did. ``code`` is that of its last version that does."""

    __tablename__ = "node_claims"
    node_id: Mapped[str] = mapped_column(String(LONGEST_NODE_ID), primary_key=True)
    pack_id: Mapped[int] = mapped_column(ForeignKey("packs.id", ondelete="CASCADE"), primary_key=True, index=True)
    folded: Mapped[str] = mapped_column(String(LONGEST_NODE_ID), index=True)
    title: Mapped[str] = mapped_column(Text, default="")
    code: Mapped[str] = mapped_column(String(64), default="", index=True)
    aliases: Mapped[list[str]] = mapped_column(default=list)
    first_version: Mapped[str] = mapped_column(String(100))
    last_version: Mapped[str] = mapped_column(String(100))
    listed: Mapped[bool] = mapped_column(default=True)


class CodeShape(Base):
    """The MinHash of a piece of node code, once for all packs that hold it."""

    __tablename__ = "code_shapes"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class CodeBand(Base):
    """A band of the signature of code that some pack's newest version has; shapes that share a bucket may be alike."""

    __tablename__ = "code_bands"
    __table_args__ = ({"sqlite_with_rowid": False},)
    bucket: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    shape_id: Mapped[int] = mapped_column(
        ForeignKey("code_shapes.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
