"""Decides who may do what, and makes accounts."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from registry_server.accounts import repository
from registry_server.accounts.identity import Identity, Scope
from registry_server.accounts.tables import Member, Publisher, Token, User
from registry_server.accounts.tokens import check_scopes, hash_token, hint, is_valid, new_token
from registry_server.audit.repository import record
from registry_server.clock import later, stamp
from registry_server.errors import BadRequest, Banned, Conflict, Forbidden, NotAuthenticated, NotFound
from sdk.registry import fold

ACCOUNT_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
ROLES = ("owner", "member")
PROFILE = ("name", "description", "website", "support", "source_code_repo", "logo")
_RESERVED = frozenset({"core", "comfy-core", "admin", "validate"})


def authenticate(session: Session, token: str, moment: datetime) -> Identity:
    """Whom a token speaks for.

    Raises:
        NotAuthenticated: it is unknown, expired or revoked; which one is not told.
        Banned: its publisher is.
    """
    row = repository.token_by_hash(session, hash_token(token))
    if row is None or not is_valid(row.expires_at, row.revoked_at, stamp(moment)):
        raise NotAuthenticated("The token is unknown, expired or revoked. Make a new one.")
    owner = session.get(Publisher, row.publisher_id) if row.publisher_id else None
    if owner is not None and owner.banned:
        raise Banned(f"The publisher {owner.id!r} is banned.")
    who = row.publisher_id or row.user_id or "admin"
    return Identity(
        actor=f"{who} (token …{row.hint})",
        scopes=frozenset(row.scopes),
        token_id=row.id,
        publisher=row.publisher_id or "",
        user=row.user_id or "",
        packs=frozenset(row.packs),
        expires=row.expires_at or "",
        provenance=row.origin,
        last_used=row.last_used_at,
    )


def require(identity: Identity, scope: Scope) -> None:
    """Return if the token has the scope.

    Raises:
        Forbidden: it has not.
    """
    if not identity.has(scope):
        raise Forbidden(f"This needs a token with the scope {scope!s}.")


def may_publish(session: Session, identity: Identity, publisher: Publisher, pack_id: str) -> None:
    """Return if this identity may publish this pack for this publisher.

    Raises:
        Forbidden: it may not.
        Banned: the publisher is banned.
    """
    member = bool(identity.user) and repository.role(session, publisher.id, identity.user) != ""
    if not (member and Scope.ACCOUNT in identity.scopes):
        require(identity, Scope.PUBLISH)
    if publisher.banned:
        raise Banned(f"The publisher {publisher.id!r} is banned.")
    if identity.packs and fold(pack_id) not in identity.packs:
        raise Forbidden(f"This token is for {', '.join(sorted(identity.packs))} alone.")
    if not (identity.is_admin or identity.publisher == publisher.id or member):
        raise Forbidden(f"This token can't publish for {publisher.id!r}.")


def may_manage(session: Session, identity: Identity, publisher_id: str) -> Publisher:
    """The publisher, if this identity may change it.

    Raises:
        NotFound: there is no such publisher.
        Forbidden: it may not.
    """
    found = repository.publisher(session, publisher_id)
    if found is None:
        raise NotFound("publisher", publisher_id)
    own = identity.publisher == found.id and Scope.MANAGE in identity.scopes
    owner = Scope.ACCOUNT in identity.scopes and repository.role(session, found.id, identity.user) == "owner"
    if not (identity.is_admin or own or owner):
        raise Forbidden(f"This needs a token that manages {found.id!r}.")
    return found


def is_available(session: Session, publisher_id: str) -> bool:
    """Whether a publisher could have this id."""
    usable = ACCOUNT_ID.fullmatch(publisher_id) and len(publisher_id) <= 100
    return bool(usable) and fold(publisher_id) not in _RESERVED and not repository.publisher(session, publisher_id)


def create_publisher(
    session: Session, identity: Identity, moment: datetime, publisher_id: str, profile: Mapping[str, str]
) -> Publisher:
    """A new publisher; a user who makes one owns it.

    Raises:
        BadRequest: the id can't be used.
        Conflict: it is taken.
        Forbidden: the token makes no publishers.
    """
    require(identity, Scope.ACCOUNT)
    check_account_id(publisher_id)
    if not is_available(session, publisher_id):
        raise Conflict(f"There is a publisher {publisher_id!r} already, or the name is reserved.")
    values = {key: value for key, value in profile.items() if key in PROFILE}
    found = Publisher(id=publisher_id, folded=fold(publisher_id), created_at=stamp(moment), **values)
    session.add(found)
    session.flush()
    if identity.user:
        session.add(Member(publisher_id=found.id, user_id=identity.user, role="owner"))
    record(session, moment, identity.actor, "publisher.create", f"publisher/{found.id}")
    return found


def create_user(session: Session, identity: Identity, moment: datetime, user_id: str, name: str, email: str) -> User:
    """A new user.

    Raises:
        BadRequest: the id can't be used.
        Conflict: it is taken.
    """
    require(identity, Scope.ADMIN)
    check_account_id(user_id)
    if repository.user(session, user_id):
        raise Conflict(f"There is a user {user_id!r} already.")
    found = User(id=user_id, name=name or user_id, email=email, created_at=stamp(moment))
    session.add(found)
    record(session, moment, identity.actor, "user.create", f"user/{user_id}")
    return found


def set_member(
    session: Session, identity: Identity, moment: datetime, publisher_id: str, user_id: str, role: str
) -> None:
    """Give a user a role at a publisher; "" takes it away.

    Raises:
        NotFound: there is no such publisher or user.
        BadRequest: there is no such role.
        Forbidden: this identity does not manage the publisher.
    """
    found = may_manage(session, identity, publisher_id)
    if not repository.user(session, user_id):
        raise NotFound("user", user_id)
    if role and role not in ROLES:
        raise BadRequest(f"Roles are {' and '.join(ROLES)}, not {role!r}.")
    member = session.get(Member, (found.id, user_id))
    if member is not None:
        session.delete(member)
        session.flush()
    if role:
        session.add(Member(publisher_id=found.id, user_id=user_id, role=role))
    record(session, moment, identity.actor, "publisher.member", f"publisher/{found.id}", user=user_id, role=role)


def create_token(
    session: Session,
    identity: Identity,
    moment: datetime,
    *,
    publisher_id: str = "",
    user_id: str = "",
    scopes: Iterable[str],
    seconds: int | None = None,
    name: str = "",
    description: str = "",
    packs: Iterable[str] = (),
    origin: str = "",
) -> tuple[str, Token]:
    """A new token and its row; the token itself is kept nowhere.

    Raises:
        NotFound: there is no such publisher or user.
        BadRequest: the scopes are none.
        Forbidden: this identity may not give such a token.
    """
    wanted = check_scopes(scopes)
    _may_grant(session, identity, publisher_id, user_id, wanted)
    secret = new_token()
    row = Token(
        id=str(uuid.uuid4()),
        hash=hash_token(secret),
        hint=hint(secret),
        publisher_id=publisher_id or None,
        user_id=user_id or None,
        name=name,
        description=description,
        scopes=wanted,
        packs=sorted({fold(pack) for pack in packs}),
        origin=origin,
        created_at=stamp(moment),
        expires_at=later(moment, seconds) if seconds else None,
    )
    session.add(row)
    subject = f"publisher/{publisher_id}" if publisher_id else f"user/{user_id or 'admin'}"
    known = {"token": row.id, "scopes": wanted, "expires": row.expires_at, "packs": row.packs}
    record(session, moment, identity.actor, "token.create", subject, **known)
    return secret, row


def revoke_token(session: Session, identity: Identity, moment: datetime, token_id: str, publisher_id: str = "") -> None:
    """End a token at once.

    Raises:
        NotFound: there is none with this id, or not of this publisher.
        Forbidden: this identity may not.
    """
    row = repository.token(session, token_id)
    if row is None or row.revoked_at or (publisher_id and row.publisher_id != publisher_id):
        raise NotFound("token", token_id)
    if row.publisher_id:
        may_manage(session, identity, row.publisher_id)
    else:
        require(identity, Scope.ADMIN)
    row.revoked_at = stamp(moment)
    record(session, moment, identity.actor, "token.revoke", f"token/{token_id}")


def ban_publisher(session: Session, identity: Identity, moment: datetime, publisher_id: str, banned: bool) -> Publisher:
    """Shut a publisher out, or let it in again. Its packs stay as they are.

    Raises:
        NotFound: there is no such publisher.
        Forbidden: this identity is no admin.
    """
    require(identity, Scope.ADMIN)
    found = may_manage(session, identity, publisher_id)
    found.banned = banned
    record(session, moment, identity.actor, "publisher.ban" if banned else "publisher.unban", f"publisher/{found.id}")
    return found


def check_account_id(account_id: str) -> None:
    """Return if a publisher or user can be called this.

    Raises:
        BadRequest: it can't.
    """
    if not ACCOUNT_ID.fullmatch(account_id) or len(account_id) > 100:
        raise BadRequest(
            f"{account_id!r} can't be an id: 1 to 100 letters, digits, '.', '_' or '-', beginning and ending with a "
            "letter or digit."
        )


def _may_grant(session: Session, identity: Identity, publisher_id: str, user_id: str, scopes: list[str]) -> None:
    if publisher_id:
        may_manage(session, identity, publisher_id)
    elif user_id and not repository.user(session, user_id):
        raise NotFound("user", user_id)
    foreign = Scope.ADMIN in scopes or (Scope.ACCOUNT in scopes and not user_id) or not publisher_id
    if foreign and not identity.is_admin:
        raise Forbidden("Only the operator gives such tokens.")
