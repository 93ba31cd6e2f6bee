"""Decides who is told of a change."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from registry_server.accounts.identity import Identity, Scope
from registry_server.accounts.service import require
from registry_server.audit.repository import record
from registry_server.clock import stamp
from registry_server.errors import BadRequest, NotFound
from registry_server.packs.tables import PackRow
from registry_server.webhooks.tables import Delivery, Webhook


def announce(session: Session, moment: datetime, pack: PackRow, kind: str, version: str, serial: int) -> None:
    """Leave a message for every webhook that wants to know; it goes out once the transaction is committed."""
    wanting = or_(Webhook.publisher_id.is_(None), Webhook.publisher_id == pack.publisher_id)
    hooks = session.scalars(select(Webhook).where(wanting)).all()
    if not hooks:
        return
    at = stamp(moment)
    told = {
        "event": kind,
        "pack": pack.slug,
        "version": version,
        "publisher": pack.publisher_id or "",
        "serial": serial,
        "at": at,
    }
    body = json.dumps(told, sort_keys=True)
    session.add_all(Delivery(webhook_id=hook.id, body=body, next_at=at) for hook in hooks)


def add(session: Session, identity: Identity, moment: datetime, url: str, publisher_id: str = "") -> Webhook:
    """A new webhook; its secret signs what is sent to it.

    Raises:
        BadRequest: the address is no http address.
        Forbidden: this identity is no admin.
    """
    require(identity, Scope.ADMIN)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest(f"{url!r} is no address; write https://host/path.")
    hook = Webhook(
        url=url, secret=secrets.token_urlsafe(32), publisher_id=publisher_id or None, created_at=stamp(moment)
    )
    session.add(hook)
    session.flush()
    record(session, moment, identity.actor, "webhook.create", f"webhook/{hook.id}", host=parts.hostname)
    return hook


def remove(session: Session, identity: Identity, moment: datetime, webhook_id: int) -> None:
    """End a webhook.

    Raises:
        NotFound: there is none of this number.
        Forbidden: this identity is no admin.
    """
    require(identity, Scope.ADMIN)
    hook = session.get(Webhook, webhook_id)
    if hook is None:
        raise NotFound("webhook", str(webhook_id))
    session.delete(hook)
    record(session, moment, identity.actor, "webhook.delete", f"webhook/{webhook_id}")
