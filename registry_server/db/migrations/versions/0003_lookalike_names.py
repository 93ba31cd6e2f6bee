"""Packs by the form in which names look alike, to refuse new ones that would be taken for them.

No constraint: packs of the public catalogue and of mirrored registries may look alike. New names are compared while
the index is locked, so that of two published at once one is refused.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from registry_server.packs.names import lookalike

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and fill it."""
    op.add_column("packs", sa.Column("lookalike", sa.String(length=100), nullable=False, server_default=""))
    connection = op.get_bind()
    found = connection.execute(sa.text("SELECT id, slug FROM packs")).all()
    if found:
        connection.execute(
            sa.text("UPDATE packs SET lookalike = :lookalike WHERE id = :id"),
            [{"id": number, "lookalike": lookalike(slug)} for number, slug in found],
        )
    op.create_index("ix_packs_lookalike", "packs", ["lookalike"])
