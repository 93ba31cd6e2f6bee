"""Every query on accounts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from registry_server.accounts.tables import Member, Publisher, Token, TrustedPublisher, UsedAssertion, User
from sdk.registry import fold


def publisher(session: Session, publisher_id: str) -> Publisher | None:
    """By id, in any case."""
    return session.scalar(select(Publisher).where(Publisher.folded == fold(publisher_id)))


def publishers(session: Session) -> Sequence[Publisher]:
    """All, by id."""
    return session.scalars(select(Publisher).order_by(Publisher.id)).all()


def publishers_of(session: Session, user_id: str) -> Sequence[Publisher]:
    """Those a user is a member of."""
    joined = select(Publisher).join(Member, Member.publisher_id == Publisher.id)
    return session.scalars(joined.where(Member.user_id == user_id).order_by(Publisher.id)).all()


def user(session: Session, user_id: str) -> User | None:
    """By id."""
    return session.get(User, user_id)


def members(session: Session, publisher_id: str) -> Sequence[tuple[Member, User]]:
    """A publisher's people."""
    rows = select(Member, User).join(User, User.id == Member.user_id).where(Member.publisher_id == publisher_id)
    return [(row[0], row[1]) for row in session.execute(rows.order_by(User.id))]


def role(session: Session, publisher_id: str, user_id: str) -> str:
    """A person's role there, "" for a stranger."""
    found = session.get(Member, (publisher_id, user_id))
    return found.role if found else ""


def token_by_hash(session: Session, token_hash: str) -> Token | None:
    """The token with this hash."""
    return session.scalar(select(Token).where(Token.hash == token_hash))


def token(session: Session, token_id: str) -> Token | None:
    """By id."""
    return session.get(Token, token_id)


def tokens(session: Session, publisher_id: str | None = None) -> Sequence[Token]:
    """Those that are not revoked, of one publisher or of all."""
    query = select(Token).where(Token.revoked_at.is_(None)).order_by(Token.created_at)
    return session.scalars(query.where(Token.publisher_id == publisher_id) if publisher_id else query).all()


def mark_used(session: Session, token_id: str, moment: str) -> None:
    """Note that a token was used."""
    session.execute(update(Token).where(Token.id == token_id).values(last_used_at=moment))


def trusted(session: Session, issuer: str, repository: str) -> Sequence[TrustedPublisher]:
    """Workflows of this repository that may publish; repository names have no case."""
    query = select(TrustedPublisher).where(TrustedPublisher.issuer == issuer)
    return session.scalars(query.where(func.lower(TrustedPublisher.repository) == repository.lower())).all()


def trusted_of(session: Session, publisher_id: str = "") -> Sequence[TrustedPublisher]:
    """Workflows that may publish for one publisher, or for any."""
    query = select(TrustedPublisher).order_by(TrustedPublisher.pack, TrustedPublisher.id)
    return session.scalars(query.where(TrustedPublisher.publisher_id == publisher_id) if publisher_id else query).all()


def is_used_assertion(session: Session, assertion_hash: str) -> bool:
    """Whether this identity token was exchanged before."""
    return session.get(UsedAssertion, assertion_hash) is not None


def forget_assertions(session: Session, moment: str) -> None:
    """Drop what has expired anyway."""
    session.execute(delete(UsedAssertion).where(UsedAssertion.expires_at < moment))
