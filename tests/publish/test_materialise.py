"""The materialiser on the real broker and database."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import TopicPartition
from opentelemetry.sdk.trace import SpanProcessor

from deploy.local.kafka import Broker
from deploy.local.postgres import Server
from services.publish.brief import queue
from services.publish.config import MaterialiseSettings, PublishSettings
from services.publish.connect import Connection, connect
from services.publish.materialise.app import follow, run, traced
from services.publish.materialise.commit import commit_batch
from services.publish.materialise.decode import handle
from services.publish.materialise.offsets import begin_offsets
from shared import traces
from shared.contracts import DeadLetter
from shared.errors import SourceExpired
from shared.kafka.decision import SourceRecord
from shared.topics import ARTICLES, DEAD_LETTERS, STORIES, STORY_UPDATES
from tests.publish.conftest import all_rows, empty
from tests.publish.made_up import Log, article, made_id, member, story, update, world
from tests.publish.stack import eventually, process, produce, producing, put, read_topic, running

pytestmark = pytest.mark.stack

Condition = Callable[[], Awaitable[Any]]


@pytest.fixture
def materialise(settings: PublishSettings, clean_topics: str) -> MaterialiseSettings:
    """Give settings of a materialiser on empty topics and an empty database."""
    return MaterialiseSettings(
        database_url=settings.database_url, kafka_bootstrap_servers=clean_topics, materialise_batch_records=50, status_interval_s=0.1
    )


def holds_all(connection: Connection, log: Log) -> Condition:
    """Make the condition that the stored offsets are behind all records of a log."""

    async def condition() -> bool:
        rows = await connection.fetch("SELECT topic, partition, next_offset FROM consumed_offsets")
        stored = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        return all(stored.get(place, 0) >= len(records) for place, records in log.partitions.items())

    return condition


async def rows_of(settings: MaterialiseSettings, connection: Connection, log: Log) -> dict[str, list[Any]]:
    """Give the rows that an undisturbed run makes of the topics."""
    await empty(connection)
    async with running(run, settings):
        await eventually(holds_all(connection, log))
    return await all_rows(connection)


async def test_rows_follow_the_topics(materialise: MaterialiseSettings, connection: Connection) -> None:
    """A story with its article and member is there some milliseconds after it was appended."""
    async with running(run, materialise):
        await eventually(lambda: connection.fetchval("SELECT count(*) FROM consumed_offsets"))
        took = []
        for number in range(1, 21):
            began = time.perf_counter()
            await put(materialise.kafka_bootstrap_servers, article(), member(version=1), story(revision=number), update(revision=number))
            await eventually(
                lambda number=number: connection.fetchval("SELECT true FROM stories WHERE revision = $1", number), every_s=0.001
            )
            took.append(time.perf_counter() - began)
        assert await connection.fetchval("SELECT headline FROM top_headlines") == story(revision=20).headline
    assert sorted(took)[10] < 0.5, f"half of the stories took longer: {took}"


async def test_a_brief_follows_from_all_that_one_transaction_wrote_of_its_story(connection: Connection) -> None:
    """Two articles' revisions of a story in one batch: the claim for its brief carries both traces, the newer first."""
    traces.begin_with(SpanProcessor(), service="test")
    try:
        log = Log()
        records = [log.put(story()), log.put(story(revision=2)), log.put(story("other"))]
        written = [f"00-{number:032x}-{number:016x}-01" for number in (1, 2)]
        headers = [*(((traces.HEADER, one.encode()),) for one in written), ()]
        batch = [handle(replace(record, headers=own)) for record, own in zip(records, headers, strict=True)]
        places = dict.fromkeys((TopicPartition(*place) for place in log.partitions), 0)
        await begin_offsets(connection, dict.fromkeys(places, (0, 0)))
        spans = follow(batch)
        await commit_batch(connection, places, batch, {}, traced(batch, spans))
        async with connection.transaction():
            claims = {claim.story_id: claim.traceparents for claim in await queue.claim(connection, 10) or ()}
        assert claims == {
            made_id("story"): tuple(spans[one].traceparent for one in reversed(written)),
            made_id("other"): (),
        }
    finally:
        traces.stop()


async def test_a_record_that_is_wrong_becomes_a_dead_letter_and_the_next_is_handled(
    materialise: MaterialiseSettings, connection: Connection
) -> None:
    """Bad bytes, a wrong key, NUL, a number beyond Postgres', a value that only Postgres refuses: each is one letter."""
    log = Log()
    place = 0
    log.append(ARTICLES, made_id("article"), b"{not json", place)
    log.append(ARTICLES, made_id("another"), article(), place)
    log.append(ARTICLES, "no uuid", article(), place)
    log.append(ARTICLES, made_id("nul"), article("nul").to_bytes().replace(b'"content_hash":"nul-1"', b'"content_hash":"n\\u0000l"'), place)
    log.append(ARTICLES, made_id("huge"), article("huge").model_copy(update={"version": 2**40}), place)
    log.append(STORY_UPDATES, made_id("story"), None, place)
    log.append(STORIES, made_id("story"), story().to_bytes().replace(b'"schema_version":1', b'"schema_version":9'), place)
    log.append(ARTICLES, made_id("good"), article("good"), place)
    await produce(materialise.kafka_bootstrap_servers, log.records())
    async with running(run, materialise):
        await eventually(holds_all(connection, log))
    assert await connection.fetchval("SELECT array_agg(article_id) FROM articles") == [made_id("good")]
    letters = [DeadLetter.from_bytes(record.value) for record in await read_topic(materialise.kafka_bootstrap_servers, DEAD_LETTERS)]
    assert len(letters) == len({letter.letter_id for letter in letters}) == 7
    assert {(letter.topic, letter.offset) for letter in letters} == {
        *((ARTICLES.name, offset) for offset in range(5)),
        (STORY_UPDATES.name, 0),
        (STORIES.name, 0),
    }


async def test_what_only_postgres_refuses_is_found_within_its_batch(materialise: MaterialiseSettings, connection: Connection) -> None:
    """A row that meets the contract and yet can't be stored becomes a dead letter; its batch is stored."""
    await connection.execute("ALTER TABLE articles ADD CONSTRAINT bad_luck CHECK (content_hash <> 'article-7-1')")
    log = Log()
    for number in range(20):
        log.put(article(f"article-{number}"))
    await produce(materialise.kafka_bootstrap_servers, log.records())
    async with running(run, materialise):
        await eventually(holds_all(connection, log))
    assert await connection.fetchval("SELECT count(*) FROM articles") == 19
    [letter] = await read_topic(materialise.kafka_bootstrap_servers, DEAD_LETTERS)
    assert "bad_luck" in DeadLetter.from_bytes(letter.value).error


async def test_killed_at_any_moment_nothing_is_lost_and_nothing_twice(materialise: MaterialiseSettings, connection: Connection) -> None:
    """Killed again and again while records flow, the rows end as those of an undisturbed run."""
    log = world(7, steps=250)
    small = materialise.model_copy(update={"materialise_batch_records": 5})
    records = list(log.records())
    feeding = asyncio.ensure_future(_feed(materialise.kafka_bootstrap_servers, records))
    for kill in range(10):
        async with process("services.publish.materialise", small) as child:
            before = await connection.fetchval("SELECT coalesce(sum(next_offset), 0) FROM consumed_offsets")
            await eventually(
                lambda before=before, kill=kill: connection.fetchval(
                    "SELECT coalesce(sum(next_offset), 0) > $1 FROM consumed_offsets", before + 2 * kill
                )
            )
            child.send_signal(signal.SIGKILL)
    await feeding
    async with running(run, materialise):
        await eventually(holds_all(connection, log))
    found = await all_rows(connection)
    assert found == await rows_of(materialise, connection, log)


async def _feed(bootstrap: str, records: list[SourceRecord]) -> None:
    async with producing(bootstrap) as producer:
        for record in records:
            await producer.send_and_wait(record.topic, key=record.key, value=record.value, partition=record.partition)
            await asyncio.sleep(0.01)


async def test_two_at_once_are_safe_and_the_second_takes_over(materialise: MaterialiseSettings, connection: Connection) -> None:
    """The second stands by without writing, and goes on when the first dies."""
    async with process("services.publish.materialise", materialise) as first:
        await eventually(lambda: connection.fetchval("SELECT count(*) FROM consumed_offsets"))
        async with running(run, materialise) as second:
            await put(materialise.kafka_bootstrap_servers, story())
            await eventually(lambda: connection.fetchval("SELECT count(*) FROM stories"))
            holders = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 23558"
            assert await connection.fetchval(holders) == 1
            first.kill()
            await first.wait()
            await put(materialise.kafka_bootstrap_servers, story(revision=2))
            await eventually(lambda: connection.fetchval("SELECT true FROM stories WHERE revision = 2"))
            assert not second.done()


async def test_a_database_that_restarts_is_waited_for(
    materialise: MaterialiseSettings, postgres_process: Server, connection: Connection
) -> None:
    """While the database is away nothing is lost; when it is back it goes on."""
    async with running(run, materialise) as task:
        await put(materialise.kafka_bootstrap_servers, story())
        await eventually(lambda: connection.fetchval("SELECT count(*) FROM stories"))
        postgres_process.kill()
        await put(materialise.kafka_bootstrap_servers, story(revision=2))
        await postgres_process.start()
        again = await connect(materialise, "test")
        try:
            await eventually(lambda: again.fetchval("SELECT true FROM stories WHERE revision = 2"))
            assert not task.done()
        finally:
            await again.close()


async def test_a_broker_that_restarts_is_waited_for(
    materialise: MaterialiseSettings, broker_process: Broker, connection: Connection
) -> None:
    """While the broker is away it waits; when it is back it goes on."""
    async with running(run, materialise) as task:
        await put(materialise.kafka_bootstrap_servers, story())
        await eventually(lambda: connection.fetchval("SELECT count(*) FROM stories"))
        broker_process.kill()
        await eventually(lambda: connection.fetchval("SELECT NOT ready FROM worker_status WHERE waits LIKE '%broker%'"))
        await broker_process.start_async()
        await put(materialise.kafka_bootstrap_servers, story(revision=2))
        await eventually(lambda: connection.fetchval("SELECT true FROM stories WHERE revision = 2"))
        await eventually(lambda: connection.fetchval("SELECT ready FROM worker_status"))
        assert not task.done()


async def test_history_that_expired_before_it_was_read_stops_the_start(materialise: MaterialiseSettings, connection: Connection) -> None:
    """A hole in the history is an error that says what to do, never a silent jump."""
    await put(materialise.kafka_bootstrap_servers, update())
    async with running(run, materialise):
        await eventually(lambda: connection.fetchval("SELECT count(*) FROM story_updates"))
    await connection.execute("UPDATE consumed_offsets SET next_offset = 99 WHERE topic = $1", STORY_UPDATES.name)
    with pytest.raises(SourceExpired, match="slugline db resync"):
        await run(materialise, asyncio.Event())


async def test_transactions_markers_leave_no_lag(materialise: MaterialiseSettings, connection: Connection) -> None:
    """Stored offsets pass markers behind the last record, so that an idle log's expiry is no hole and its lag is none."""
    async with producing(materialise.kafka_bootstrap_servers, transactional_id="slugline-test-markers") as producer:
        async with producer.transaction():
            await producer.send_and_wait(STORY_UPDATES.name, key=str(made_id("story")).encode(), value=update().to_bytes(), partition=3)
        async with running(run, materialise):
            await eventually(
                lambda: connection.fetchval(
                    "SELECT next_offset = 2 AND end_offset = 2 FROM consumed_offsets WHERE topic = $1 AND partition = 3", STORY_UPDATES.name
                )
            )
