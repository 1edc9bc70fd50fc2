"""Migrations, and what an operator does to the rows."""

import asyncio
import re
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from services.publish import schema
from services.publish.config import MaterialiseSettings, PublishSettings
from services.publish.connect import Connection, connect
from services.publish.maintain import VIEWS, accept_gap, grant_reader, prune_history, resync
from services.publish.materialise.app import run
from services.publish.materialise.positions import where_to_start
from shared.errors import SourceExpired, Unauthorised
from shared.settings import masked
from shared.topics import ARTICLES, STORIES, STORY_UPDATES
from tests.publish.conftest import all_rows
from tests.publish.made_up import feed, made_id, story, update, world
from tests.publish.stack import eventually, load, produce, put, running
from tests.publish.test_materialise import holds_all

pytestmark = pytest.mark.stack


async def test_two_migrations_at_once_take_turns(postgres: str) -> None:
    """Both end with the newest schema, in any schema of the database."""
    settings = PublishSettings(database_url=postgres, database_schema="beside")
    versions = await asyncio.gather(*(schema.migrate(settings) for _ in range(3)))
    assert set(versions) == {schema.newest_version()}
    connection = await connect(settings, "test")
    assert await schema.state(connection, "beside") is schema.SchemaState.CURRENT
    assert await schema.state(connection, "public") is schema.SchemaState.ABSENT
    await connection.execute("UPDATE alembic_version SET version_num = '0001'")
    assert await schema.state(connection, "beside") is schema.SchemaState.BEHIND
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert await schema.state(connection, "beside") is schema.SchemaState.AHEAD
    assert await schema.migrate(settings) == "9999", "a later release's schema stays as it is"
    await connection.close()


async def test_the_materialiser_waits_for_the_schema(postgres: str, clean_topics: str) -> None:
    """Started before the database is migrated, it goes on when it is."""
    settings = MaterialiseSettings(database_url=postgres, kafka_bootstrap_servers=clean_topics)
    await put(clean_topics, story())
    async with running(run, settings) as task:
        connection = await connect(settings, "test")
        await eventually(
            lambda: connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slugline materialise'")
        )
        await schema.migrate(settings)
        await eventually(lambda: connection.fetchval("SELECT count(*) FROM stories"))
        assert not task.done()
        await connection.close()


async def test_a_resync_while_it_runs_gives_the_same_rows(settings: PublishSettings, clean_topics: str, connection: Connection) -> None:
    """All rows are deleted under a running materialiser, which reads everything anew; what readers wrote stays."""
    log = world(11, steps=120)
    await produce(clean_topics, log.records())
    running_settings = MaterialiseSettings(
        database_url=settings.database_url, kafka_bootstrap_servers=clean_topics, materialise_batch_records=20
    )
    async with running(run, running_settings):
        await eventually(holds_all(connection, log))
        before = await all_rows(connection)
        await connection.execute("INSERT INTO story_reports (story_id) VALUES ($1)", made_id("story"))
        await resync(connection)
        await put(clean_topics, story("later"))
        await eventually(holds_all(connection, log))
        await eventually(lambda: connection.fetchval("SELECT true FROM stories WHERE story_id = $1", made_id("later")))
        await connection.execute("DELETE FROM stories WHERE story_id = $1", made_id("later"))
        await connection.execute("DELETE FROM feed_entries WHERE story_id = $1", made_id("later"))
        assert await all_rows(connection) == before
    assert await connection.fetchval("SELECT count(*) FROM story_reports") == 1


@pytest.mark.parametrize(
    ("topic", "stored", "begin", "end", "expected"),
    [
        (STORY_UPDATES, None, 5, 9, (5, 0)),
        (STORY_UPDATES, 7, 5, 9, (7, 0)),
        (STORY_UPDATES, 9, 9, 9, (9, 0)),
        (STORY_UPDATES, 4, 5, 9, "accept-gap story_updates.v1"),
        (STORY_UPDATES, 10, 5, 9, "resync"),
        (STORIES, 4, 7, 9, (7, 3)),
        (ARTICLES, 4, 7, 9, (7, 3)),
        (ARTICLES, 10, 7, 9, "resync"),
    ],
)
def test_where_reading_begins(topic, stored, begin, end, expected) -> None:
    """A log's hole stops the start and says what to do; a compacted topic's is passed over; a topic made anew is noticed."""
    if isinstance(expected, str):
        with pytest.raises(SourceExpired, match=expected):
            where_to_start(topic, 3, stored=stored, begin=begin, end=end)
    else:
        start = where_to_start(topic, 3, stored=stored, begin=begin, end=end)
        assert (start.offset, start.skipped) == expected


async def test_a_hole_can_be_accepted(settings: PublishSettings, clean_topics: str, connection: Connection) -> None:
    """After the history was deleted unread, the start fails, `accept-gap` mends it, and streams know where the rows begin."""
    from aiokafka import TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

    await put(clean_topics, *(update(revision=revision) for revision in range(1, 6)))
    worker = MaterialiseSettings(database_url=settings.database_url, kafka_bootstrap_servers=clean_topics)
    async with running(run, worker):
        await eventually(lambda: connection.fetchval("SELECT count(*) = 5 FROM story_updates"))
    await put(clean_topics, update(revision=6))
    [partition] = await connection.fetchrow("SELECT DISTINCT source_partition FROM story_updates")
    admin = AIOKafkaAdminClient(bootstrap_servers=clean_topics)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(STORY_UPDATES.name, partition): RecordsToDelete(before_offset=6)})
    finally:
        await admin.close()
    with pytest.raises(SourceExpired, match="1 records were deleted"):
        await run(worker, asyncio.Event())
    assert await accept_gap(connection, worker, STORY_UPDATES) == [partition]
    await put(clean_topics, update(revision=7))
    async with running(run, worker):
        await eventually(lambda: connection.fetchval("SELECT true FROM story_updates WHERE revision = 7"))
    assert (
        await connection.fetchval(
            "SELECT first_offset FROM consumed_offsets WHERE topic = $1 AND partition = $2", STORY_UPDATES.name, partition
        )
        == 6
    )


async def test_pruned_history_raises_the_floor(connection: Connection) -> None:
    """Streams learn from `first_offset` that older revisions are gone."""
    await load(connection, *(update(revision=revision) for revision in range(1, 4)))
    await connection.execute("UPDATE story_updates SET appended_at = now() WHERE revision = 3")
    assert await prune_history(connection, 30) == 2
    assert await connection.fetchval("SELECT max(first_offset) FROM consumed_offsets WHERE topic = $1", STORY_UPDATES.name) == 2


async def test_a_reader_may_read_the_views_and_nothing_else(settings: PublishSettings, connection: Connection, postgres_process) -> None:
    """The role that dashboards use reads every view, no table, and writes nothing."""
    await load(connection, world(3))
    admin = await asyncpg.connect(postgres_process.url(settings.database_url.rpartition("/")[2], "postgres"))
    role = f"reader_{settings.database_url[-8:]}"
    with pytest.raises(Unauthorised, match="of a superuser"):
        await grant_reader(connection, role, "public")
    try:
        await grant_reader(admin, role, "public")
        await grant_reader(admin, role, "public")
        await admin.execute(f"ALTER ROLE {role} PASSWORD 'made-up'")
        reader = await asyncpg.connect(settings.database_url, user=role, password="made-up")
        for view in VIEWS:
            await reader.fetch(f"SELECT * FROM {view}")
        assert await reader.fetchval("SELECT count(*) FROM top_headlines") > 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.fetch("SELECT * FROM articles")
        await reader.close()
    finally:
        await admin.execute(f"DROP OWNED BY {role}")
        await admin.execute(f"DROP ROLE {role}")
        await admin.close()


async def test_readers_see_no_secret_of_a_feed(connection: Connection) -> None:
    """The view masks URLs just as logs do."""
    urls = (
        "https://reader:s3cret@outlet.example/rss",
        "https://reader@desk:s3@cret@outlet.example:8080?a=1#b",
        "https://:s3cret@outlet.example",
        "https://outlet.example/rss?password=s3cret&api_password=s3cret&x=1",
        "https://outlet.example:8080/a:b@c?to=d:e@f.example",
        "https://token@outlet.example:443/rss",
        "https://outlet.example/rss?Key=s3cret&access_token=s3cret&keyword=port",
        "https://outlet.example/rss?API-KEY=s3cret#sig=1",
    )
    await load(connection, *(feed(f"feed{number}", url=url) for number, url in enumerate(urls)))
    shown = {row["url"] for row in await connection.fetch("SELECT url FROM freshness_by_feed")}
    assert shown == set(map(masked, urls))
    assert not any("s3" in url for url in shown)


async def test_the_documented_views_are_as_documented(connection: Connection) -> None:
    """Every view is in docs/sql.md with exactly its columns, and every example there runs."""
    text = (Path(__file__).parents[2] / "docs" / "sql.md").read_text(encoding="utf-8")
    documented = {row[0]: re.findall(r"`(\w+)`", row[1]) for row in re.findall(r"^\| `(\w+)` \| [^|]* \| (.*) \|$", text, re.MULTILINE)}
    assert set(documented) == set(VIEWS)
    for view, columns in documented.items():
        rows = await connection.fetch("SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum", view)
        assert [row["attname"] for row in rows] == columns
    await load(connection, world(5))
    for example in re.findall(r"```sql\n(.*?)```", text, re.DOTALL):
        await connection.execute(example)


def test_versions_are_one_line() -> None:
    """The files' names and Alembic agree on the order of migrations, of which each has one before it."""
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()][::-1] == schema.known_versions()
