"""Run a migration's SQL file, which may hold many statements."""

from pathlib import Path

from alembic import op

from shared.errors import SluglineError


def execute_file(migration: str) -> None:
    """Run the `.sql` file beside a migration's `.py` file, within the migration's transaction."""
    sql = Path(migration).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.exec_driver_sql("SELECT 1")  # the driver begins its transaction at the first statement
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.run_async(lambda raw: raw.execute(sql))  # asyncpg's own execute takes several statements at once


def refuse_downgrade() -> None:
    """Schemas go forward only: code of the version before works with the schema of this one."""
    raise SluglineError("the schema goes forward only; restore a backup, or rebuild the rows from the topics")
