"""How fast the materialiser is beside a bare COPY of the same rows, and how long a record takes to its row.

    python -m bench.materialise [--articles 20000] [--seconds 20] [--rate 100]

Starts a broker and a database of its own, fills the topics with made-up messages of usual sizes, and measures in the same run:
1. COPY of the rows that the topics hold, from memory, into the same tables with the same indexes;
2. the materialiser from the topics' beginning to their end, its offsets and all that it derives (feeds' entries, queue) included;
3. the time from append to row, while articles flow at a rate;
4. the time from a story's append to its brief's row, brief worker and materialiser together, at a tenth of the rate.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer

from deploy.local.kafka import Broker
from deploy.local.ports import free_ports
from deploy.local.postgres import Server
from deploy.local.supervise import Watchdog
from services.publish import schema
from services.publish.brief.app import run as run_briefs
from services.publish.config import BriefSettings, MaterialiseSettings
from services.publish.connect import Connection, connect
from services.publish.materialise import tables
from services.publish.materialise.app import run
from services.publish.materialise.decode import decode
from services.publish.materialise.gather import gather
from shared import ids
from shared.contracts import Article, Brief, Member, Publisher, Section, Sentence, Story, StoryStatus, StoryUpdated
from shared.kafka import admin as kafka_admin
from shared.kafka.decision import SourceRecord
from shared.topics import ARTICLES, STORIES, STORY_BRIEFS, STORY_MEMBERS, STORY_UPDATES, key_partition

NOW = datetime(2026, 3, 3, tzinfo=UTC)
ARTICLES_A_STORY = 4
WORDS_A_TEXT = 450


def vocabulary(chance: random.Random) -> list[str]:
    """Make words with the long tail of a language: most are rare."""
    syllables = ["ba", "ren", "to", "li", "mar", "sen", "ko", "dra", "vel", "ni", "pos", "ter", "qua", "shi", "um", "est"]
    return ["".join(chance.choices(syllables, k=chance.randint(1, 4))) for _ in range(30_000)]


def messages(articles: int, seed: int = 1) -> Iterator[list[tuple[Any, str, Any]]]:
    """Give, article by article, the messages that follow from it as (topic, key, message)."""
    chance = random.Random(seed)
    words = vocabulary(chance)
    weights = [1 / (rank + 8) for rank in range(len(words))]
    pool = chance.choices(words, weights, k=400_000)

    def text(count: int) -> str:
        start = chance.randrange(len(pool) - count)
        return " ".join(pool[start : start + count]).capitalize()

    for number in range(articles):
        home, place = divmod(number, ARTICLES_A_STORY)
        outlet = f"outlet{chance.randrange(300)}.example"
        publisher = Publisher(id=outlet, name=outlet.title())
        published_at = NOW + timedelta(seconds=number)
        article_id = ids.article_id(f"https://{outlet}/{seed}/{number}")
        story_id = ids.story_id(UUID(int=home + seed * 10**9), 1)
        title = text(10)
        article = Article(
            article_id=article_id,
            version=1,
            url=f"https://{outlet}/{seed}/{number}",
            canonical_url=f"https://{outlet}/{seed}/{number}",
            publisher=publisher,
            title=title,
            text=". ".join(text(18) for _ in range(WORDS_A_TEXT // 18)),
            summary=text(30),
            language="en",
            published_at=published_at,
            fetched_at=published_at,
            content_hash=f"{number:064x}",
        )
        counts: dict[str, Any] = {
            "revision": place + 1,
            "status": StoryStatus.OPEN,
            "headline": title,
            "language": "en",
            "article_count": place + 1,
            "publisher_count": place + 1,
            "first_published_at": published_at - timedelta(seconds=place),
            "last_published_at": published_at,
        }
        story = Story(story_id=story_id, **counts)
        member = Member(
            article_id=article_id,
            story_id=story_id,
            number=place + 1,
            version=1,
            title=title,
            url=article.url,
            publisher=publisher,
            published_at=published_at,
            fetched_at=published_at,
            story_revision=place + 1,
        )
        update = StoryUpdated(
            event_id=ids.event_id(story_id, place + 1),
            story_id=story_id,
            reason="created" if place == 0 else "article_added",
            articles_added=(article_id,),
            **counts,
        )
        sentences = tuple(Sentence(text=text(20), citations=(place + 1,)) for _ in range(3))
        brief = Brief(
            story_id=story_id, story_revision=place + 1, sections=tuple(Section(heading=text(6), sentences=sentences) for _ in range(3))
        )
        yield [
            (ARTICLES, str(article_id), article),
            (STORY_UPDATES, str(story_id), update),
            (STORIES, str(story_id), story),
            (STORY_MEMBERS, str(article_id), member),
            (STORY_BRIEFS, str(story_id), brief),
        ]


async def fill(bootstrap: str, made: list[list[tuple[Any, str, Any]]]) -> None:
    """Produce all messages."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=262_144)
    await producer.start()
    try:
        for batch in made:
            for topic, key, message in batch:
                await producer.send(
                    topic.name, key=key.encode(), value=message.to_bytes(), partition=key_partition(key, topic) % topic.partitions
                )
        await producer.flush()
    finally:
        await producer.stop()


def final_rows(made: list[list[tuple[Any, str, Any]]]) -> dict[str, list[Any]]:
    """Give the rows that the messages come to, by table."""
    records = (
        SourceRecord(topic.name, 0, offset, key.encode(), message.to_bytes(), int(NOW.timestamp() * 1000))
        for offset, (topic, key, message) in enumerate(item for batch in made for item in batch)
    )
    return {name: list(changes.rows.values()) for name, changes in gather(map(decode, records)).items()}


async def copy(connection: Connection, rows: dict[str, list[Any]]) -> float:
    """COPY rows into the tables and give the seconds it took."""
    by_name = {table.name: table for table in tables.ALL}
    ready = {name: [_as_copied(by_name[name], row) for row in found] for name, found in rows.items()}
    began = time.perf_counter()
    for name, found in ready.items():
        await connection.copy_records_to_table(name, records=found, columns=[column.name for column in by_name[name].columns])
    return time.perf_counter() - began


def _as_copied(table: tables.Table, row: Any) -> tuple[Any, ...]:
    return tuple(_value(column.type, value) for column, value in zip(table.columns, row, strict=True))


def _value(kind: str, value: Any) -> Any:
    if kind.endswith("[]"):
        return [part.strip('"') for part in value.strip("{}").split(",") if part]
    return json.loads(value) if kind == "jsonb" and value is not None else value


async def materialise(settings: MaterialiseSettings, connection: Connection, records: int) -> float:
    """Run the materialiser over the topics and give the seconds from its first row to its last."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(run(settings, stop))
    behind = "SELECT count(*) > 0 AND sum(next_offset) >= $1 FROM consumed_offsets"
    while not await connection.fetchval("SELECT count(*) FROM consumed_offsets"):  # noqa: ASYNC110 - a database has no event to wait for
        await asyncio.sleep(0.01)
    began = time.perf_counter()
    while not await connection.fetchval(behind, records):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    took = time.perf_counter() - began
    stop.set()
    await task
    return took


async def latency(settings: MaterialiseSettings, connection: Connection, seconds: int, rate: int) -> list[float]:
    """Give the milliseconds from append to row of members, while articles with all that follows flow at a rate."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(run(settings, stop))
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers)
    await producer.start()
    sent: dict[UUID, float] = {}
    seen: dict[UUID, float] = {}
    listener = await connect(settings, "bench")
    due = time.perf_counter()
    made = messages(seconds * rate, seed=2)

    async def watch() -> None:
        last: set[UUID] = set()
        while not stop.is_set():
            rows = await listener.fetch("SELECT article_id FROM story_members WHERE fetched_at > $1", NOW - timedelta(days=1))
            now = time.perf_counter()
            for article_id in {row["article_id"] for row in rows} - last:
                seen.setdefault(article_id, now)
            last = {row["article_id"] for row in rows}
            await asyncio.sleep(0.002)

    await connection.execute("DELETE FROM story_members")
    watching = asyncio.ensure_future(watch())
    for batch in made:
        due += 1 / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        sends = [
            await producer.send(topic.name, key=key.encode(), value=message.to_bytes(), partition=key_partition(key, topic))
            for topic, key, message in batch
        ]
        await asyncio.gather(*sends)
        sent[batch[0][2].article_id] = time.perf_counter()
        if len(sent) % 200 == 0:
            await connection.execute("DELETE FROM story_members WHERE story_id <> $1", batch[1][2].story_id)
    await asyncio.sleep(2)
    stop.set()
    await asyncio.gather(task, watching)
    await producer.stop()
    await listener.close()
    return sorted(1000 * (seen[article_id] - at) for article_id, at in sent.items() if article_id in seen)


async def brief_latency(settings: MaterialiseSettings, connection: Connection, seconds: int, rate: int) -> list[float]:
    """Give the milliseconds from a story's append to its brief's row, while articles with all but briefs flow at a rate."""
    briefs = BriefSettings(kafka_bootstrap_servers=settings.kafka_bootstrap_servers, database_url=settings.database_url)
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(run(settings, stop)), asyncio.ensure_future(run_briefs(briefs, stop))]
    names = ", ".join([*(table.name for table in tables.ALL if table.name != "story_updates"), "feed_entries", "brief_queue"])
    await connection.execute(f"TRUNCATE {names}")
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers)
    await producer.start()
    due = time.perf_counter()
    sent: dict[tuple[UUID, int], float] = {}
    seen: dict[tuple[UUID, int], float] = {}

    async def watch() -> None:
        listener = await connect(settings, "bench")
        while not stop.is_set():
            rows = await listener.fetch("SELECT story_id, story_revision FROM story_briefs ORDER BY appended_at DESC LIMIT 50")
            for row in rows:
                seen.setdefault((row["story_id"], row["story_revision"]), time.perf_counter())
            await asyncio.sleep(0.002)
        await listener.close()

    watching = asyncio.ensure_future(watch())
    for batch in messages(seconds * rate, seed=3):
        due += 1 / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        story = batch[2][2]
        sends = [
            await producer.send(topic.name, key=key.encode(), value=message.to_bytes(), partition=key_partition(key, topic))
            for topic, key, message in batch
            if topic is not STORY_BRIEFS
        ]
        sent[story.story_id, story.revision] = time.perf_counter()
        await asyncio.gather(*sends)
    await asyncio.sleep(2)
    stop.set()
    await asyncio.gather(*tasks, watching)
    await producer.stop()
    # Of two revisions soon after each other only the last may get a brief.
    return sorted(1000 * (seen[key] - at) for key, at in sent.items() if key in seen)


def told(found: list[float]) -> str:
    """Say a distribution of milliseconds in words."""
    return f"median {statistics.median(found):.0f} ms, p99 {found[int(len(found) * 0.99)]:.0f} ms, of {len(found):,}"


async def measure(articles: int, seconds: int, rate: int) -> None:
    """Start everything, measure, and print."""
    watchdog = Watchdog()
    with tempfile.TemporaryDirectory() as folder:
        kafka_port, controller_port, postgres_port = free_ports(3)
        broker = Broker(Path(folder) / "kafka", kafka_port, controller_port, watchdog)
        broker.prepare()
        server = Server(Path(folder) / "postgres", postgres_port, watchdog)
        server.prepare()
        try:
            await broker.start_async()
            await server.start()
            async with kafka_admin.connected(broker.bootstrap_servers) as admin:
                await kafka_admin.apply(admin)
            settings = MaterialiseSettings(kafka_bootstrap_servers=broker.bootstrap_servers, database_url=server.url(), status_interval_s=1)
            await schema.migrate(settings)
            connection = await connect(settings, "bench")
            made = list(messages(articles))
            await fill(broker.bootstrap_servers, made)
            rows = final_rows(made)
            count = sum(map(len, rows.values()))
            copied = await copy(connection, rows)
            names = ", ".join([*(table.name for table in tables.ALL), "consumed_offsets", "feed_entries", "brief_queue"])
            await connection.execute(f"TRUNCATE {names}")
            took = await materialise(settings, connection, articles * 5)
            print(f"rows {count:,} of {articles * 5:,} records")
            print(f"COPY         {count / copied:9,.0f} rows/s  ({copied:.2f} s)")
            print(
                f"materialise  {count / took:9,.0f} rows/s  ({took:.2f} s), {articles * 5 / took:,.0f} records/s: {copied / took:.2f} of COPY"
            )
            if seconds:
                print(f"append to row at {rate} articles/s: {told(await latency(settings, connection, seconds, rate))}")
                slow = max(1, rate // 10)
                print(f"story to brief's row at {slow} articles/s: {told(await brief_latency(settings, connection, seconds, slow))}")
            await connection.close()
        finally:
            broker.kill()
            server.kill()
            watchdog.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rate", type=int, default=100)
    asked = parser.parse_args()
    asyncio.run(measure(asked.articles, asked.seconds, asked.rate))


if __name__ == "__main__":
    main()
