"""Which workflows may publish which packs without a stored token; a pack need not be there yet.

A workflow that is registered for a pack that nobody has published is a *pending* publisher: its first publish makes
the pack, and it is the publisher's. It keeps nobody else from publishing under that name before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from registry_server.accounts import repository as accounts
from registry_server.accounts.identity import Identity
from registry_server.accounts.service import may_manage
from registry_server.accounts.tables import TrustedPublisher
from registry_server.audit.repository import record
from registry_server.clock import stamp
from registry_server.errors import BadRequest, Conflict, NotFound
from registry_server.packs import repository as packs
from registry_server.packs.service import check_distinct
from sdk.pack_ids import is_pack_id
from sdk.registry import fold

_REPOSITORY = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)+")


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A workflow's file of a repository at an issuer of identity tokens; ``environment`` "" for any."""

    issuer: str
    repository: str
    workflow: str
    environment: str = ""


def register(
    session: Session,
    who: Identity,
    moment: datetime,
    *,
    publisher_id: str,
    pack: str,
    workflow: Workflow,
    issuers: Sequence[str] = (),
) -> TrustedPublisher:
    """Let a workflow of a repository publish a pack, which may be one to come.

    Args:
        issuers: those that the registry accepts; any where none is named.

    Raises:
        NotFound: there is no such publisher.
        BadRequest: the pack can't be called this, the workflow is no file's name, or the issuer is not accepted.
        Conflict: it is registered already, the pack is another publisher's, or another publisher has the workflow.
        NameTooSimilar: a pack to come would be taken for one that is there.
        Forbidden: this identity does not manage the publisher.
    """
    publisher = may_manage(session, who, publisher_id)
    _check(pack, workflow, issuers)
    there = packs.pack(session, pack)
    if there is not None and there.publisher_id != publisher.id:
        raise Conflict(f"The pack {there.slug!r} is not {publisher.id}'s.")
    if there is None:
        check_distinct(session, pack)
    row = TrustedPublisher(
        publisher_id=publisher.id,
        pack=fold(pack),
        issuer=workflow.issuer,
        repository=workflow.repository,
        workflow=workflow.workflow,
        environment=workflow.environment,
        created_at=stamp(moment),
    )
    others = accounts.trusted(session, workflow.issuer, workflow.repository)
    if any(_same(row, other) for other in others):
        raise Conflict(f"{workflow.repository} {workflow.workflow} may publish {pack} already.")
    if not who.is_admin and any(other.publisher_id != publisher.id for other in others):
        raise Conflict(f"Another publisher has registered {workflow.repository}; ask the registry's operator.")
    session.add(row)
    session.flush()
    _log(session, who, moment, "trusted.create", row)
    return row


def registered(session: Session, publisher_id: str = "") -> list[tuple[TrustedPublisher, bool]]:
    """Workflows of one publisher or of all, each with whether its pack is still to come."""
    rows = accounts.trusted_of(session, publisher_id)
    there = {row.folded for row in packs.packs_by_slug(session, {row.pack for row in rows})}
    return [(row, row.pack not in there) for row in rows]


def withdraw(session: Session, who: Identity, moment: datetime, number: int, publisher_id: str = "") -> None:
    """Let a workflow publish no more; tokens that it was given end by themselves within minutes.

    Raises:
        NotFound: there is none with this number, or not of this publisher.
        Forbidden: this identity does not manage the publisher.
    """
    row = session.get(TrustedPublisher, number)
    if row is None or (publisher_id and fold(row.publisher_id) != fold(publisher_id)):
        raise NotFound("trusted publisher", str(number))
    may_manage(session, who, row.publisher_id)
    _log(session, who, moment, "trusted.delete", row)
    session.delete(row)


def _check(pack: str, workflow: Workflow, issuers: Sequence[str]) -> None:
    if not is_pack_id(pack):
        raise BadRequest(f"{pack!r} can't be a pack's id: letters, digits, '.', '_' and '-', 100 at most.")
    if not _REPOSITORY.fullmatch(workflow.repository):
        raise BadRequest(f"{workflow.repository!r} must be a repository with its owner, such as acme/my-pack.")
    if "/" in workflow.workflow or not workflow.workflow.endswith((".yml", ".yaml")):
        raise BadRequest(f"{workflow.workflow!r} must be the name of a workflow's file, such as publish.yml.")
    if issuers and workflow.issuer not in issuers:
        raise BadRequest(f"The issuer {workflow.issuer!r} is not accepted here; accepted are {', '.join(issuers)}.")


def _same(one: TrustedPublisher, other: TrustedPublisher) -> bool:
    return (one.pack, one.workflow, one.environment) == (other.pack, other.workflow, other.environment)


def _log(session: Session, who: Identity, moment: datetime, action: str, row: TrustedPublisher) -> None:
    facts = {"repository": row.repository, "workflow": row.workflow, "publisher": row.publisher_id}
    record(session, moment, who.actor, action, f"pack/{row.pack}", **facts)
