"""Migrations and transactions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry_server.db.database import Database
from registry_server.db.migrate import migrate, newest_schema
from registry_server.db.tables import metadata
from registry_server.errors import BadRequest, Conflict, Unavailable
from registry_server.nodes.repository import put_shapes, sharing_bands, signatures_of
from registry_server.nodes.shapes import encode_signature
from registry_server.packs.tables import PackRow


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


def test_the_migrations_make_the_tables_that_the_code_expects(database: Database) -> None:
    migrate(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _ours})
        assert compare_metadata(context, metadata()) == []


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    migrate(database)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="update comfy-nodes"):
        migrate(database)


def test_the_newest_schema_is_what_alembic_takes_for_it(database: Database) -> None:
    migrate(database)
    with database.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == newest_schema()


def test_signatures_are_moved_to_a_table_of_their_own(database: Database) -> None:
    migrate(database)
    body = encode_signature(tuple(range(128)))
    columns = "node_id, pack_id, folded, title, code, aliases, first_version, last_version, listed, signature"
    with database.write() as session:
        _downgrade(session)
        for number in (1, 2):
            session.execute(
                text(
                    "INSERT INTO packs (id, slug, folded, origin, name, description, author, category, license, icon, "
                    "banner_url, repository, tags, systems, accelerators, requires_comfyui, requires_frontend, "
                    "preempted, status, status_detail, deprecated, deprecation_reason, replacement, downloads, stars, "
                    "rating_sum, rating_count, search_ranking, created_at, updated_at) VALUES (:id, :slug, :slug, '', "
                    "'', '', '', '', '', '', '', '', '[]', '[]', '[]', '', '', '[]', 'active', '', :no, '', '', "
                    "0, 0, 0, 0, 0, '', '')"
                ),
                {"id": number, "slug": f"pack-{number}", "no": False},
            )
            values = "'Node', :id, 'node', '', 'c0de', '[]', '1', '1', :yes, :signature"
            statement = text(f"INSERT INTO node_claims ({columns}) VALUES ({values})")
            session.execute(statement, {"id": number, "yes": True, "signature": body})
    migrate(database)
    with database.read() as session:
        assert session.scalars(select(PackRow.lookalike).order_by(PackRow.id)).all() == ["pack1", "pack2"]
    with database.write() as session:
        assert signatures_of(session, ["c0de"]) == {"c0de": body}
        assert sharing_bands(session, [body]) == {body: {"c0de": body}}
        put_shapes(session, {"0ther": tuple(range(1, 129))})
        assert len(signatures_of(session, ["c0de", "0ther"])) == 2, "numbers go on after those that were moved"


def test_a_transaction_that_fails_changes_nothing(database: Database) -> None:
    migrate(database)
    with pytest.raises(IntegrityError):
        _change_and_fail(database)
    with database.read() as session:
        assert session.execute(text("SELECT serial FROM index_state")).scalar_one() == 0


@pytest.mark.parametrize("address", ["", "nonsense", "mysql://x/y", "sqlite://"])
def test_other_databases_are_refused(address: str) -> None:
    with pytest.raises(BadRequest):
        Database(address)


def test_a_database_that_is_away_is_said_so(tmp_path: Path) -> None:
    away = Database("postgresql://tests@/x?host=/nonexistent")
    with pytest.raises(Unavailable):
        away.check()
    away.close()
    (tmp_path / "file").write_text("no database, and long enough to be seen as none" * 100)
    broken = Database(f"sqlite:///{tmp_path / 'file'}")
    with pytest.raises((Unavailable, BadRequest)):
        broken.check()
    broken.close()


def _ours(item: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    """The search engines' own tables are no part of the metadata."""
    return not (kind == "table" and str(name).startswith(("pack_search", "pack_trigrams", "alembic")))


def _downgrade(session: Session) -> None:
    """What the migrations after the first have made, undone."""
    session.execute(text("DROP INDEX ix_packs_lookalike"))
    session.execute(text("ALTER TABLE packs DROP COLUMN lookalike"))
    session.execute(text("DROP TABLE code_bands"))
    session.execute(text("DROP TABLE code_shapes"))
    kind = "BLOB" if session.get_bind().dialect.name == "sqlite" else "BYTEA"
    session.execute(text(f"ALTER TABLE node_claims ADD COLUMN signature {kind}"))
    session.execute(text("UPDATE alembic_version SET version_num = '0001'"))


def _change_and_fail(database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE index_state SET serial = 7"))
        session.execute(text("INSERT INTO index_state (id, serial, packs, snapshot_serial) VALUES (1, 0, 0, 0)"))
