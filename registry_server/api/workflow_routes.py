"""Workflows that a publisher lets publish without a stored token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from registry_server.accounts.service import may_manage
from registry_server.accounts.tables import TrustedPublisher
from registry_server.publishing.workflows import Workflow, register, registered, withdraw
from registry_server.requests import Reading, Registry, Text, Who, Writing

router = APIRouter(prefix="/api/v1/publishers/{publisher_id}/trusted-publishers", tags=["publishing"])

Short = Annotated[Text, Field(min_length=1, max_length=200)]
MOST_DIGITS = 2**31 - 1


class WorkflowBody(BaseModel):
    """A workflow, and the pack it may publish; the pack need not be there yet."""

    pack: Short
    issuer: Annotated[Text, Field(min_length=1, max_length=500)]
    repository: Annotated[Text, Field(min_length=1, max_length=500)]
    workflow: Short
    environment: Annotated[Text, Field(max_length=200)] = ""


@router.get("")
def list_workflows(publisher_id: str, session: Reading, who: Who) -> list[dict[str, Any]]:
    """A publisher's workflows, each with whether its pack is still to come: a bare array."""
    found = may_manage(session, who, publisher_id)
    return [_view(row, is_pending) for row, is_pending in registered(session, found.id)]


@router.post("", status_code=201)
def add_workflow(publisher_id: str, body: WorkflowBody, session: Writing, parts: Registry, who: Who) -> dict[str, Any]:
    """Let a workflow publish a pack of this publisher, or one that it is to make."""
    chosen = Workflow(
        issuer=body.issuer, repository=body.repository, workflow=body.workflow, environment=body.environment
    )
    row = register(
        session,
        who,
        parts.clock(),
        publisher_id=publisher_id,
        pack=body.pack,
        workflow=chosen,
        issuers=parts.settings.oidc_issuers,
    )
    pending = {one.id: is_pending for one, is_pending in registered(session, row.publisher_id)}
    return _view(row, pending[row.id])


@router.delete("/{number}", status_code=204)
def remove_workflow(publisher_id: str, number: int, session: Writing, parts: Registry, who: Who) -> Response:
    """Let a workflow publish no more."""
    withdraw(session, who, parts.clock(), min(max(number, 0), MOST_DIGITS), publisher_id)
    return Response(status_code=204)


def _view(row: TrustedPublisher, is_pending: bool) -> dict[str, Any]:
    return {
        "id": row.id,
        "pack": row.pack,
        "issuer": row.issuer,
        "repository": row.repository,
        "workflow": row.workflow,
        "environment": row.environment,
        "pending": is_pending,
        "createdAt": row.created_at,
    }
