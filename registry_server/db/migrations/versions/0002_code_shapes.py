"""Signatures of node code in a table of their own, with bands to find what is near; an index for lists of packs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from registry_server.nodes.shapes import bands

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_AT_ONCE = 1000


def upgrade() -> None:
    """Make the tables, and move what there is."""
    shapes = op.create_table(
        "code_shapes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_shapes")),
        sa.UniqueConstraint("code", name=op.f("uq_code_shapes_code")),
    )
    rows = op.create_table(
        "code_bands",
        sa.Column("bucket", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("shape_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["shape_id"], ["code_shapes.id"], name=op.f("fk_code_bands_shape_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("bucket", "shape_id", name=op.f("pk_code_bands")),
        sqlite_with_rowid=False,
    )
    _move(shapes, rows)
    op.drop_column("node_claims", "signature")
    op.drop_index("ix_packs_listing", "packs")
    op.create_index(
        "ix_packs_listing", "packs", ["status", "search_ranking", "downloads", "updated_at", "id"], unique=False
    )


def _move(shapes: sa.Table, rows: sa.Table) -> None:
    connection = op.get_bind()
    query = "SELECT code, signature FROM node_claims WHERE code <> '' AND listed AND length(signature) = 512"
    found = {code: bytes(signature) for code, signature in connection.execute(sa.text(query))}
    codes = list(found)
    for start in range(0, len(codes), _AT_ONCE):
        part = list(enumerate(codes[start : start + _AT_ONCE], start + 1))
        connection.execute(
            sa.insert(shapes), [{"id": number, "code": code, "signature": found[code]} for number, code in part]
        )
        split = [{"bucket": band, "shape_id": number} for number, code in part for band in set(bands(found[code]))]
        connection.execute(sa.insert(rows), split)
    if connection.dialect.name == "postgresql":
        numbers = "SELECT setval(pg_get_serial_sequence('code_shapes', 'id'), :next, false)"
        connection.execute(sa.text(numbers), {"next": len(codes) + 1})
