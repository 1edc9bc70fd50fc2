"""`slugline rebuild views` under readers and a writer: pages go on, damaged rows are whole again, grants and views stay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from deploy.local.ports import free_ports
from deploy.local.postgres import ADMIN, Server
from services.publish import schema
from services.publish.config import MaterialiseSettings
from services.publish.connect import Connection, connect
from services.publish.maintain import VIEWS, grant_reader
from services.publish.materialise.app import run
from services.publish.rebuild.fill import rebuild_rows
from services.publish.rebuild.swap import SWAPPED
from services.publish.web.config import WebSettings
from shared.errors import Refused
from tests.publish.conftest import all_rows
from tests.publish.made_up import article, member, story, update, world
from tests.publish.stack import eventually, produce, put, running
from tests.web.conftest import serving

pytestmark = pytest.mark.stack

_INDEXES = """
SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY ($1::text[]) ORDER BY 1, 2
"""
_GRANTS = """
SELECT c.relname, c.reloptions, array(SELECT a::text FROM unnest(c.relacl) a ORDER BY 1) AS acl
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY 1
"""


@pytest.fixture
async def settings(postgres: str, clean_topics: str) -> MaterialiseSettings:
    settings = MaterialiseSettings(
        database_url=postgres, kafka_bootstrap_servers=clean_topics, materialise_batch_records=200, status_interval_s=0.1
    )
    await schema.migrate(settings)
    return settings


class Readers:
    """Ask the page and the SQL views again and again; keep what went wrong and the fewest stories that were seen."""

    def __init__(self, web: Any, connection: Connection) -> None:
        self._web = web
        self._connection = connection
        self.fewest = 10**9
        self.asked = 0
        self.wrong: list[str] = []

    async def read(self) -> None:
        while True:
            status, text, _ = await self._web.get("/?feed=top")
            if status != 200 or "/stories/" not in text:
                self.wrong.append(f"{status}: {text[:200]}")
            self.fewest = min(self.fewest, await self._connection.fetchval("SELECT count(*) FROM top_headlines"))
            self.asked += 1


@pytest.fixture
async def reader(settings: MaterialiseSettings, postgres_process: Server) -> AsyncIterator[Any]:
    """Give a connection of a role that may read the SQL views, and the table of articles by an operator's leave."""
    name = settings.database_url.rpartition("/")[2]
    admin = await asyncpg.connect(postgres_process.url(name, ADMIN))
    role = f"dashboard_{name}"
    try:
        await grant_reader(admin, role, "public")
        await admin.execute(f"GRANT SELECT ON articles TO {role}")
        await admin.execute(f"ALTER ROLE {role} PASSWORD 'made-up'")
        reader = await asyncpg.connect(settings.database_url, user=role, password="made-up")
        yield reader
        await reader.close()
    finally:
        await admin.execute(f"DROP OWNED BY {role}")
        await admin.execute(f"DROP ROLE {role}")
        await admin.close()


async def test_rows_are_filled_beside_and_swapped_under_readers(settings: MaterialiseSettings, reader: Any) -> None:
    connection = await connect(settings, "test")
    [port] = free_ports(1)
    web_settings = WebSettings(database_url=settings.database_url, web_port=port, rate_per_client_s=100_000, rate_burst=100_000)
    log = world(11, 400)
    await produce(settings.kafka_bootstrap_servers, log.records())
    try:
        async with running(run, settings), serving(web_settings) as web:
            await eventually(lambda: _all_read(connection, log))
            await connection.execute("CREATE VIEW own_view AS SELECT story_id, headline FROM stories")
            await connection.execute("INSERT INTO story_reports (story_id, words) SELECT story_id, 'wrong' FROM stories LIMIT 1")
            whole, shape = await all_rows(connection), await _shape(connection)
            before = await connection.fetchval("SELECT count(*) FROM top_headlines")
            await connection.execute("UPDATE stories SET headline = 'damaged' WHERE article_count % 2 = 0")
            await connection.execute("DELETE FROM story_briefs")
            hook = "INSERT INTO webhooks (webhook_id, name, feed, url, secret) VALUES (gen_random_uuid(), 'desk', 'top', 'https://a.example', 's')"
            await connection.execute(hook)

            readers = Readers(web, reader)
            reading = asyncio.ensure_future(readers.read())
            waited_s = await rebuild_rows(settings, 60, lambda _: None)
            asked = readers.asked
            await eventually(lambda: _more(readers, asked + 5))
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

            assert readers.wrong == []
            assert readers.fewest >= before > 0
            assert waited_s < 2
            assert await all_rows(connection) == whole
            assert await _shape(connection) == shape
            assert await connection.fetchval("SELECT count(*) FROM story_reports") == 1
            assert await connection.fetchval("SELECT count(*) FROM webhook_pending") == 0, "filling is no news"
            assert not await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname ~ '_(rebuilt|before)$'")
            assert await connection.fetchval("SELECT count(*) FROM own_view") == len(whole["stories"])

            await put(settings.kafka_bootstrap_servers, article("late"), member("late", "late"), story("late"), update("late"))
            await eventually(lambda: connection.fetchval("SELECT count(*) FROM story_sources WHERE title LIKE '%late'"))
            for view in VIEWS:
                await reader.fetch(f"SELECT * FROM {view} LIMIT 1")
            await reader.fetch("SELECT article_id FROM articles LIMIT 1")
    finally:
        await connection.close()


async def test_a_feed_that_is_defined_meanwhile_is_filled(settings: MaterialiseSettings) -> None:
    connection = await connect(settings, "test")
    log = world(5, 60)
    await produce(settings.kafka_bootstrap_servers, log.records())
    try:
        async with running(run, settings):
            await eventually(lambda: _all_read(connection, log))
            told: list[str] = []

            def tell(what: str) -> None:
                told.append(what)

            edited = asyncio.ensure_future(_edit(connection, told))
            await rebuild_rows(settings, 60, tell)
            await edited
            entries = await connection.fetch("SELECT story_id FROM feed_entries WHERE feed = 'search/ferries'")
            stories = await connection.fetch("SELECT story_id FROM stories WHERE article_count > 0 AND status NOT IN ('merged', 'empty')")
            assert {row["story_id"] for row in entries} == {row["story_id"] for row in stories}
    finally:
        await connection.close()


async def test_a_table_that_something_of_the_operators_hangs_on_is_refused(settings: MaterialiseSettings) -> None:
    connection = await connect(settings, "test")
    try:
        await connection.execute("CREATE MATERIALIZED VIEW own_copy AS SELECT * FROM stories")
        with pytest.raises(Refused, match="own_copy"):
            await rebuild_rows(settings, 5, lambda _: None)
    finally:
        await connection.close()


async def _edit(connection: Connection, told: list[str]) -> None:
    await eventually(lambda: _said(told))
    await connection.execute("INSERT INTO feed_views (feed, kind, title, words) VALUES ('search/ferries', 'search', 'Ferries', 'ferries')")


async def _said(told: list[str]) -> bool:
    return bool(told)


async def _more(readers: Readers, asked: int) -> bool:
    return readers.asked > asked


async def _all_read(connection: Connection, log: Any) -> bool:
    rows = await connection.fetch("SELECT topic, partition, next_offset FROM consumed_offsets")
    stored = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    return all(stored.get(place, 0) >= len(records) for place, records in log.partitions.items())


async def _shape(connection: Connection) -> list[Any]:
    """Give names and definitions of indexes, and who may do what."""
    return [*await connection.fetch(_INDEXES, list(SWAPPED)), *await connection.fetch(_GRANTS)]
