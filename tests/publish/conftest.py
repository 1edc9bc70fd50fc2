"""A database with the schema, and the rows in a form that two databases can be compared by."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from services.publish.config import PublishSettings
from services.publish.connect import Connection, Pool, connect, open_pool
from services.publish.materialise import tables

DERIVED = ("feed_entries",)


@pytest.fixture
async def settings(postgres_with_schema: str) -> PublishSettings:
    """Give settings of an empty database of the test's own that has the schema."""
    return PublishSettings(database_url=postgres_with_schema)


@pytest.fixture
async def connection(settings: PublishSettings) -> AsyncIterator[Connection]:
    """Give a connection to it."""
    connection = await connect(settings, "test")
    yield connection
    await connection.close()


@pytest.fixture
async def pool(settings: PublishSettings) -> AsyncIterator[Pool]:
    """Give a pool of connections to it."""
    pool = await open_pool(settings, "test")
    yield pool
    await pool.close()


async def all_rows(connection: Connection, *, offsets: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Give what every table holds, sorted; without where and when records stood, unless asked."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for table in tables.ALL:
        names = [column.name for column in table.columns if column.told or offsets]
        rows[table.name] = await _sorted(connection, f"SELECT {', '.join(names)} FROM {table.name}")
    rows["feed_entries"] = await _sorted(connection, "SELECT feed, story_id, rank FROM feed_entries")
    return rows


async def _sorted(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(map(_comparable, row)) for row in await connection.fetch(query)), key=repr)


def _comparable(value: Any) -> Any:
    return repr(value) if isinstance(value, (dict, list)) else value


async def empty(connection: Connection, names: Iterable[str] = ()) -> None:
    """Delete all rows but those that migrations put in."""
    found = names or [row["tablename"] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    await connection.execute(f"TRUNCATE {', '.join(name for name in found if name not in ('alembic_version', 'feed_views'))}")
