"""Brings a database to the schema of this version."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from registry_server.db.database import Database
from registry_server.errors import Conflict

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x434E5245


def migrate(database: Database) -> None:
    """Apply the migrations that are missing, in one transaction; of several processes, one does it.

    Raises:
        Conflict: the database is of a newer version than this program.
        Unavailable: the database can't be reached.
    """
    with database.write() as session:
        connection = session.connection()
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        scripts = ScriptDirectory.from_config(config)
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise Conflict(f"The database has schema {current}, which this version does not know: update comfy-nodes.")
        config.attributes["connection"] = connection
        if current != scripts.get_current_head():
            logger.info("migrating the database from %s to %s", current or "nothing", scripts.get_current_head())
            command.upgrade(config, "head")
