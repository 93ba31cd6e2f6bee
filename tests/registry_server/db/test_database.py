"""Migrations and transactions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from registry_server.db.database import Database
from registry_server.db.migrate import migrate
from registry_server.db.tables import metadata
from registry_server.errors import BadRequest, Conflict, Unavailable


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


def _change_and_fail(database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE index_state SET serial = 7"))
        session.execute(text("INSERT INTO index_state (id, serial, packs, snapshot_serial) VALUES (1, 0, 0, 0)"))
