"""Migrations only add, so that the release before works with the schema of the one after while services change one by one."""

import asyncio
from importlib import import_module
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.publish import schema
from services.publish.config import PublishSettings
from services.publish.connect import Connection, connect
from tests.topics import until

pytestmark = pytest.mark.stack

FIRST = "0003"
"""The schema that the first release began with; whatever comes later is held to the rule."""
KNOWN = schema.known_versions()
MODULES = {path.stem.partition("_")[0]: path.stem for path in (schema._MIGRATIONS / "versions").glob("[0-9]*.py")}

_COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable = 'NO' AS required, column_default IS NOT NULL OR is_identity = 'YES' AS given
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
"""
_RULES = """
SELECT conrelid::regclass::text AS table_name, conname AS name, pg_get_constraintdef(oid) AS says FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'u', 'p', 'x')
UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE 'CREATE UNIQUE%'
"""
Shape = tuple[dict[str, Any], dict[tuple[str, str], str]]
"""All columns, of tables and views, and all rules that rows must keep."""


@pytest.mark.parametrize("version", [version for version in KNOWN if version > FIRST])
async def test_a_migration_only_adds(postgres: str, version: str) -> None:
    """What was there stays as it was, and nothing new is asked of rows that older code writes; else the migration says `contract`."""
    await migrate_to(postgres, KNOWN[KNOWN.index(version) - 1])
    connection = await connect(PublishSettings(database_url=postgres), "test")
    try:
        before = await shape(connection)
        await migrate_to(postgres, version)
        found = breaks(before, await shape(connection))
    finally:
        await connection.close()
    migration = import_module(f"services.publish.migrations.versions.{MODULES[version]}")
    if getattr(migration, "contract", None) is None:
        assert found == [], f"{MODULES[version]} takes from the release before what it needs; do it a release later, with contract = 'why'"
    else:
        assert found, f"{MODULES[version]} says contract, but takes nothing away"


async def test_what_takes_away_is_seen(postgres: str) -> None:
    """Each of these is a break for code that knows the schema before."""
    settings = PublishSettings(database_url=postgres)
    await schema.migrate(settings)
    connection = await connect(settings, "test")
    try:
        before = await shape(connection)
        for statement, what in (
            ("ALTER TABLE stories DROP COLUMN headline CASCADE", "stories.headline is gone"),
            ("ALTER TABLE brief_failures RENAME COLUMN error TO fault", "brief_failures.error is gone"),
            ("DROP TABLE story_briefs CASCADE", "story_briefs.story_id is gone"),
            (
                "ALTER TABLE brief_failures ALTER COLUMN story_revision TYPE bigint",
                "brief_failures.story_revision is bigint, and was integer",
            ),
            ("ALTER TABLE brief_queue ALTER COLUMN traceparent SET NOT NULL", "brief_queue.traceparent must be given"),
            ("ALTER TABLE brief_queue ADD COLUMN more text NOT NULL", "brief_queue.more must be given"),
            ("ALTER TABLE brief_queue ALTER COLUMN not_before DROP DEFAULT", "brief_queue.not_before must be given"),
            ("ALTER TABLE brief_queue ADD CHECK (touch > 0)", "brief_queue has a new rule"),
            ("CREATE UNIQUE INDEX ON brief_queue (story_id)", "brief_queue has a new rule"),
        ):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(statement)
            found = breaks(before, await shape(connection))
            await transaction.rollback()
            assert any(one.startswith(what) for one in found), (statement, found)
    finally:
        await connection.close()


async def migrate_to(database_url: str, version: str) -> None:
    """Bring an empty or older database to a version."""
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://"))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, version)
            await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: Any, version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS).replace("%", "%%"))
    config.attributes["schema"] = "public"
    config.attributes["connection"] = connection
    command.upgrade(config, version)


async def shape(connection: Connection) -> Shape:
    """Read what a database's rows look like."""
    columns = {f"{row['table_name']}.{row['column_name']}": dict(row) for row in await connection.fetch(_COLUMNS)}
    return columns, {(row["table_name"], row["name"]): row["says"] for row in await connection.fetch(_RULES)}


def breaks(before: Shape, after: Shape) -> list[str]:
    """Say what code that knows the schema before can't do any more."""
    (columns, rules), (columns_now, rules_now) = before, after
    tables = {column["table_name"] for column in columns.values()}
    found = [f"{name} is gone" for name in columns if name not in columns_now]
    for name, now in columns_now.items():
        was = columns.get(name)
        if was is not None and was["data_type"] != now["data_type"]:
            found.append(f"{name} is {now['data_type']}, and was {was['data_type']}")
        if now["table_name"] in tables and _asked(now) and not (was is not None and _asked(was)):
            found.append(f"{name} must be given")
    new = {place: says for place, says in rules_now.items() if place[0] in tables and place not in rules}
    return found + [f"{table} has a new rule: {says}" for (table, _), says in new.items()]


def _asked(column: dict[str, Any]) -> bool:
    """Say whether a row must give the column a value."""
    return bool(column["required"] and not column["given"])


async def test_a_migration_that_readers_deadlock_with_is_tried_again(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds one table and wants another; a reader holds that one and wants the first. Postgres ends the one that waited longer."""
    settings = PublishSettings(database_url=postgres)
    await schema.migrate(settings)
    tries = []

    def widen(connection: Any, _: str) -> None:
        tries.append(1)
        connection.execute(text("ALTER TABLE articles ADD COLUMN later_text text"))
        connection.execute(text("ALTER TABLE stories ADD COLUMN later_text text"))

    monkeypatch.setattr(schema, "_upgrade", widen)
    reader = await connect(settings, "test")

    async def waits() -> bool:
        return bool(await reader.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'stories'::regclass"))

    try:
        async with reader.transaction():
            await reader.execute("SELECT FROM stories")
            migrating = asyncio.create_task(schema.migrate(settings))
            await until(waits, "the migration waiting", interval_s=0.02)
            await reader.execute("SELECT FROM articles")
        await migrating
        assert len(tries) == 2
        assert await reader.fetchval("SELECT count(*) FROM information_schema.columns WHERE column_name = 'later_text'") == 2
    finally:
        await reader.close()
