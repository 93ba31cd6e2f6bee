"""Packs, releases, labels."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry_server.accounts.tables import Publisher
from registry_server.db.metadata import STAMP_WIDTH, Base
from registry_server.packs.names import lookalike


def _lookalike(context: DefaultExecutionContext) -> str:
    slug: str = context.get_current_parameters()["slug"]  # type: ignore[no-untyped-call]
    return lookalike(slug)


class PackRow(Base):
    """A pack. ``origin`` is "" for one published here, ``catalogue`` for a seed, ``mirror:<address>`` otherwise."""

    __tablename__ = "packs"
    __table_args__ = (Index("ix_packs_listing", "status", "search_ranking", "downloads", "updated_at", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(100))
    folded: Mapped[str] = mapped_column(String(100), unique=True)
    lookalike: Mapped[str] = mapped_column(String(100), default=_lookalike, server_default="", index=True)
    publisher_id: Mapped[str | None] = mapped_column(ForeignKey("publishers.id"), index=True)
    origin: Mapped[str] = mapped_column(String(500), default="")
    name: Mapped[str] = mapped_column(Text, default="")
    description: Mapped[str] = mapped_column(Text, default="")
    author: Mapped[str] = mapped_column(Text, default="")
    category: Mapped[str] = mapped_column(Text, default="")
    license: Mapped[str] = mapped_column(Text, default="")
    icon: Mapped[str] = mapped_column(Text, default="")
    banner_url: Mapped[str] = mapped_column(Text, default="")
    repository: Mapped[str] = mapped_column(Text, default="")
    tags: Mapped[list[str]] = mapped_column(default=list)
    systems: Mapped[list[str]] = mapped_column(default=list)
    accelerators: Mapped[list[str]] = mapped_column(default=list)
    requires_comfyui: Mapped[str] = mapped_column(Text, default="")
    requires_frontend: Mapped[str] = mapped_column(Text, default="")
    preempted: Mapped[list[str]] = mapped_column(default=list)
    status: Mapped[str] = mapped_column(String(20), default="active")
    status_detail: Mapped[str] = mapped_column(Text, default="")
    deprecated: Mapped[bool] = mapped_column(default=False)
    deprecation_reason: Mapped[str] = mapped_column(Text, default="")
    replacement: Mapped[str] = mapped_column(Text, default="")
    downloads: Mapped[int] = mapped_column(default=0)
    stars: Mapped[int] = mapped_column(default=0)
    rating_sum: Mapped[int] = mapped_column(default=0)
    rating_count: Mapped[int] = mapped_column(default=0)
    search_ranking: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[str] = mapped_column(String(STAMP_WIDTH))
    updated_at: Mapped[str] = mapped_column(String(STAMP_WIDTH), index=True)
    latest_id: Mapped[str | None] = mapped_column(String(36))
    publisher: Mapped[Publisher | None] = relationship(lazy="joined")


class ReleaseRow(Base):
    """One version of a pack; there is a row only once its archive is stored. Only its state ever changes."""

    __tablename__ = "releases"
    __table_args__ = (UniqueConstraint("pack_id", "canonical"),)
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    pack_id: Mapped[int] = mapped_column(ForeignKey("packs.id", ondelete="CASCADE"))
    version: Mapped[str] = mapped_column(String(100))
    canonical: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20), index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    changelog: Mapped[str] = mapped_column(Text, default="")
    deprecated: Mapped[bool] = mapped_column(default=False)
    deprecation_reason: Mapped[str] = mapped_column(Text, default="")
    replacement: Mapped[str] = mapped_column(Text, default="")
    published_at: Mapped[str] = mapped_column(String(STAMP_WIDTH), index=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    url: Mapped[str] = mapped_column(Text)
    upstream: Mapped[str] = mapped_column(Text, default="")
    requires_python: Mapped[str] = mapped_column(Text, default="")
    host_api: Mapped[str] = mapped_column(Text, default="")
    requires_comfyui: Mapped[str] = mapped_column(Text, default="")
    requires_frontend: Mapped[str] = mapped_column(Text, default="")
    dependencies: Mapped[list[str]] = mapped_column(default=list)
    packs: Mapped[list[str]] = mapped_column(default=list)
    systems: Mapped[list[str]] = mapped_column(default=list)
    accelerators: Mapped[list[str]] = mapped_column(default=list)
    permissions: Mapped[list[str]] = mapped_column(default=list)
    install_script: Mapped[bool] = mapped_column(default=False)
    nodes_complete: Mapped[bool] = mapped_column(default=True)
    schemas: Mapped[str] = mapped_column(String(64), default="")
    finding_counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    downloads: Mapped[int] = mapped_column(default=0)
    published_by: Mapped[str] = mapped_column(Text, default="")
    provenance: Mapped[dict[str, Any]] = mapped_column(default=dict)
    nodes: Mapped[list[Any]] = mapped_column(default=list)
    findings: Mapped[list[Any]] = mapped_column(default=list, deferred=True)
    unread: Mapped[list[Any]] = mapped_column(default=list, deferred=True)
    duplicates: Mapped[list[Any]] = mapped_column(default=list, deferred=True)
    readme: Mapped[str] = mapped_column(Text, default="", deferred=True)
    pack: Mapped[PackRow] = relationship(lazy="raise")


class SchemaRow(Base):
    """The schemas of a release's nodes, by the document's digest."""

    __tablename__ = "schemas"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class Label(Base):
    """What a pack can be filtered by: ``tag``, ``system`` or ``accelerator``; values in lower case."""

    __tablename__ = "pack_labels"
    __table_args__ = (Index("ix_pack_labels_value", "kind", "value"),)
    pack_id: Mapped[int] = mapped_column(ForeignKey("packs.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[str] = mapped_column(String(200), primary_key=True)
