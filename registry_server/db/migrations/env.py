"""Runs migrations on the connection that ``registry_server.db.migrate`` hands over."""

from __future__ import annotations

from alembic import context

from registry_server.db.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata(), render_as_batch=True)
context.run_migrations()
