"""Alembic's entry point: runs the steps on the connection that the caller holds, inside its transaction."""

from alembic import context

from streaming.ledgers.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
