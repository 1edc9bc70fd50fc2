"""The database's schema: which version it has, which one this code knows, and the way from one to the other."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.publish.config import PublishSettings
from services.publish.connect import Connection, open_plain

if TYPE_CHECKING:
    from sqlalchemy import Connection as SyncConnection

MIGRATION_LOCK: Final = 0x5C06_0001
"""Advisory lock: two migrations at once take turns."""
DEADLOCK: Final = "40P01"
"""A migration locks tables in its own order, and services that read two of them in theirs."""
TRIES: Final = 5
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class SchemaState(StrEnum):
    """How the database's schema stands to this code's."""

    CURRENT = "current"
    BEHIND = "behind"
    """The code needs a later one: `slugline db migrate`."""
    AHEAD = "ahead"
    """A later release has migrated already; this code works with it until it is replaced."""
    ABSENT = "absent"


def known_versions() -> list[str]:
    """Give the versions that this code knows, oldest first. Alembic is not asked, since each service would load it for this."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def newest_version() -> str:
    """Give the version that this code needs."""
    return known_versions()[-1]


async def stored_version(connection: Connection, schema: str) -> str | None:
    """Give the version that the database has; None where it has none."""
    if await connection.fetchval("SELECT to_regclass($1)", f'"{schema}".alembic_version') is None:
        return None
    version: str | None = await connection.fetchval(f'SELECT version_num FROM "{schema}".alembic_version')  # noqa: S608 - checked by the settings' pattern
    return version


async def state(connection: Connection, schema: str) -> SchemaState:
    """Compare the database's schema with this code's."""
    version = await stored_version(connection, schema)
    if version is None:
        return SchemaState.ABSENT
    if version == newest_version():
        return SchemaState.CURRENT
    return SchemaState.BEHIND if version in known_versions() else SchemaState.AHEAD


async def migrate(settings: PublishSettings) -> str:
    """Bring the database to this code's version, in one transaction, and give that version.

    Two at once take turns. A schema that a later release made stays as it is. One that services' reads deadlock with is tried again.
    """
    from sqlalchemy import text  # noqa: PLC0415 - the services that only compare versions need none of these
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    from services.publish import roles  # noqa: PLC0415

    async def open_connection() -> Connection:
        return await open_plain(settings, "migrate")

    engine = create_async_engine("postgresql+asyncpg://", async_creator=open_connection)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{settings.database_schema}"'))
            await connection.commit()
            for left in reversed(range(TRIES)):
                try:
                    await connection.run_sync(_upgrade, settings.database_schema)
                    await connection.commit()
                    break
                except DBAPIError as error:
                    await connection.rollback()
                    if getattr(error.orig, "sqlstate", None) != DEADLOCK or not left:
                        raise
            version = await connection.scalar(text(f'SELECT version_num FROM "{settings.database_schema}".alembic_version'))  # noqa: S608 - checked by the settings' pattern
    finally:
        await engine.dispose()
    plain = await open_connection()
    try:
        await roles.renew(plain, settings.database_schema)
    finally:
        await plain.close()
    return str(version)


def _upgrade(connection: "SyncConnection", schema: str) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import text  # noqa: PLC0415

    stored = None
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": f'"{schema}".alembic_version'}) is not None:
        stored = connection.scalar(text(f'SELECT version_num FROM "{schema}".alembic_version'))  # noqa: S608 - checked by the settings' pattern
    connection.commit()
    if stored is not None and stored not in known_versions():
        return
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["schema"] = schema
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
