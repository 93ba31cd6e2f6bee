"""Every table of the registry, so that a migration sees them all."""

from __future__ import annotations

from sqlalchemy import MetaData

from registry_server.accounts import tables as accounts
from registry_server.audit import tables as audit
from registry_server.db.metadata import Base
from registry_server.index import tables as index
from registry_server.nodes import tables as nodes
from registry_server.packs import tables as packs
from registry_server.publishing import tables as publishing
from registry_server.webhooks import tables as webhooks

SUBJECTS = (accounts, audit, index, nodes, packs, publishing, webhooks)


def metadata() -> MetaData:
    """The tables' descriptions."""
    return Base.metadata
