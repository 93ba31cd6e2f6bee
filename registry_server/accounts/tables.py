"""Publishers, members, tokens, trusted publishers."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry_server.db.metadata import STAMP_WIDTH, Base


class Publisher(Base):
    """Who packs belong to. ``folded`` is the id's form in which two are the same."""

    __tablename__ = "publishers"
    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    folded: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(Text, default="")
    description: Mapped[str] = mapped_column(Text, default="")
    website: Mapped[str] = mapped_column(Text, default="")
    support: Mapped[str] = mapped_column(Text, default="")
    source_code_repo: Mapped[str] = mapped_column(Text, default="")
    logo: Mapped[str] = mapped_column(Text, default="")
    banned: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[str] = mapped_column(String(STAMP_WIDTH))


class User(Base):
    """A person."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    name: Mapped[str] = mapped_column(Text, default="")
    email: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[str] = mapped_column(String(STAMP_WIDTH))


class Member(Base):
    """A person's role at a publisher: ``owner`` manages it, ``member`` publishes."""

    __tablename__ = "members"
    publisher_id: Mapped[str] = mapped_column(ForeignKey("publishers.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(20))


class Token(Base):
    """A credential. Only its hash is kept; ``hint`` is its end, to tell it from others.

    It speaks for a publisher, or for a user, or, with neither, for the operator.
    """

    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(8))
    publisher_id: Mapped[str | None] = mapped_column(ForeignKey("publishers.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Text, default="")
    description: Mapped[str] = mapped_column(Text, default="")
    scopes: Mapped[list[str]]
    packs: Mapped[list[str]] = mapped_column(default=list)
    origin: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[str] = mapped_column(String(STAMP_WIDTH))
    expires_at: Mapped[str | None] = mapped_column(String(STAMP_WIDTH))
    last_used_at: Mapped[str | None] = mapped_column(String(STAMP_WIDTH))
    revoked_at: Mapped[str | None] = mapped_column(String(STAMP_WIDTH))


class TrustedPublisher(Base):
    """A workflow of a repository that may publish one pack without a stored token."""

    __tablename__ = "trusted_publishers"
    __table_args__ = (UniqueConstraint("issuer", "repository", "workflow", "environment", "pack"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    publisher_id: Mapped[str] = mapped_column(ForeignKey("publishers.id", ondelete="CASCADE"), index=True)
    pack: Mapped[str] = mapped_column(String(100))
    issuer: Mapped[str] = mapped_column(String(500))
    repository: Mapped[str] = mapped_column(String(500))
    workflow: Mapped[str] = mapped_column(String(200))
    environment: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[str] = mapped_column(String(STAMP_WIDTH))


class UsedAssertion(Base):
    """An identity token that was exchanged already; kept until it would have expired."""

    __tablename__ = "used_assertions"
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[str] = mapped_column(String(STAMP_WIDTH), index=True)
