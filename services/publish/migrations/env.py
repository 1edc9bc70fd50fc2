"""Alembic's entry. It migrates over the connection that `services.publish.schema` hands it."""

from alembic import context

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("start migrations by `slugline db migrate`")
context.configure(
    connection=connection,
    target_metadata=None,
    version_table_schema=context.config.attributes["schema"],
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
