"""Alembic's entry: run the steps on the connection that `migrate` holds, inside its transaction."""

from alembic import context

from wherry.server.metadata.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # the transaction is the caller's
)
context.run_migrations()
