"""Brings a database to the schema of this version."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from registry_server.db.database import Database
from registry_server.errors import Conflict

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x434E5245


def newest_schema() -> str:
    """The revision of the newest migration, with which its file's name begins."""
    return max(path.name for path in (FOLDER / "versions").glob("[0-9]*.py")).partition("_")[0]


def migrate(database: Database) -> None:
    """Apply the migrations that are missing, in one transaction; of several processes, one does it.

    Raises:
        Conflict: the database is of a newer version than this program.
        Unavailable: the database can't be reached.
    """
    with database.read() as session:
        if _schema(session.connection()) == newest_schema():
            return
    with database.write() as session:
        connection = session.connection()
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        _upgrade(connection, _schema(connection))


def _schema(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _upgrade(connection: Connection, current: str | None) -> None:
    from alembic import command  # here, as it is slow to import, and most starts do not need it
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    scripts = ScriptDirectory.from_config(config)
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise Conflict(f"The database has schema {current}, which this version does not know: update comfy-nodes.")
    config.attributes["connection"] = connection
    if current != scripts.get_current_head():
        logger.info("migrating the database from %s to %s", current or "nothing", scripts.get_current_head())
        command.upgrade(config, "head")
