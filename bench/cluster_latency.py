"""The time from the append of an article to its story's update, through the real broker, enrich and assign alone.

Starts a broker and the two services of its own, sends made-up articles of 300 words at a steady rate, and prints quantiles; beside
them the same of bare records through the same broker.

    python -m bench.cluster_latency [--rate 100] [--seconds 20]
"""

import argparse
import asyncio
import contextlib
import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.broker import own_broker
from bench.pipeline import articles
from deploy.local.kafka import Broker
from deploy.local.services import COMMON_ENVIRONMENT
from shared import ids
from shared.contracts import Article, Publisher, StoryUpdated
from shared.kafka import admin as kafka_admin
from shared.topics import ARTICLES, STORY_BRIEFS, STORY_UPDATES, key_partition

WARM = 200
START_LIMIT_S = 180
DRAIN_LIMIT_S = 60


def made(count: int, seed: int) -> list[Article]:
    """Make up articles, as fetch would publish them."""
    now = datetime.now(UTC)
    found = []
    for discovery in articles(count, seed):
        url, text = str(discovery.url), discovery.text or ""
        host = url.split("/")[2]
        found.append(
            Article(
                article_id=ids.article_id(url),
                version=1,
                url=url,
                canonical_url=url,
                publisher=Publisher(id=host, name=host),
                title=discovery.title or "",
                text=text,
                language="en",
                published_at=discovery.published_at,
                fetched_at=now,
                content_hash=hashlib.sha256(text.encode()).hexdigest(),
            )
        )
    return found


@contextlib.contextmanager
def running(broker: Broker) -> Iterator[None]:
    """Run enrich and assign beside a broker."""
    environment = {**os.environ, **COMMON_ENVIRONMENT, "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "run", name], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for name in ("enrich", "assign")
    ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)


async def send(bootstrap_servers: str, topic: str, records: Sequence[tuple[str, bytes, int]], rate: float) -> dict[str, float]:
    """Append records at a steady rate; give when each was handed over, by key."""
    sent_at: dict[str, float] = {}
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all") as producer:
        began = time.monotonic()
        for number, (key, value, partition) in enumerate(records):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            sent_at[key] = time.monotonic()
            await producer.send(topic, key=key.encode(), value=value, partition=partition)
    return sent_at


async def updates(consumer: Any, wanted: set[UUID], seen_at: dict[str, float], limit_s: float) -> None:
    """Read story updates until each wanted article was added to a story."""
    left, until = set(wanted), time.monotonic() + limit_s
    while left:
        if time.monotonic() > until:
            raise SystemExit(f"{len(left)} articles have no story after {limit_s} s")
        for records in (await consumer.getmany(timeout_ms=200)).values():
            now = time.monotonic()
            for record in records:
                for article_id in StoryUpdated.from_bytes(record.value).articles_added:
                    if article_id in left:
                        left.discard(article_id)
                        seen_at[str(article_id)] = now


async def through(bootstrap_servers: str, given: Sequence[Article], rate: float, limit_s: float) -> list[float]:
    """Give seconds from append to update."""
    consumer = AIOKafkaConsumer(
        STORY_UPDATES.name, bootstrap_servers=bootstrap_servers, auto_offset_reset="latest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        await consumer.seek_to_end()
        seen_at: dict[str, float] = {}
        reading = asyncio.create_task(updates(consumer, {article.article_id for article in given}, seen_at, limit_s))
        records = [(str(article.article_id), article.to_bytes(), key_partition(str(article.article_id), ARTICLES)) for article in given]
        sent_at = await send(bootstrap_servers, ARTICLES.name, records, rate)
        await reading
    finally:
        await consumer.stop()
    return [seen_at[key] - at for key, at in sent_at.items()]


async def bare(bootstrap_servers: str, values: Sequence[bytes], rate: float) -> list[float]:
    """Give seconds from append to reading of the same bytes, with nothing between, in a topic that this bench leaves unused."""
    consumer = AIOKafkaConsumer(STORY_BRIEFS.name, bootstrap_servers=bootstrap_servers, auto_offset_reset="latest")
    await consumer.start()
    seen_at: dict[str, float] = {}

    async def read() -> None:
        while len(seen_at) < len(values):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                seen_at.update({record.key.decode(): time.monotonic() for record in records})

    try:
        await consumer.seek_to_end()
        reading = asyncio.create_task(read())
        sent_at = await send(bootstrap_servers, STORY_BRIEFS.name, [(str(place), value, 0) for place, value in enumerate(values)], rate)
        await asyncio.wait_for(reading, DRAIN_LIMIT_S)
    finally:
        await consumer.stop()
    return [seen_at[key] - at for key, at in sent_at.items()]


def told(name: str, took: Sequence[float]) -> str:
    """Say quantiles."""
    cuts = statistics.quantiles(took, n=100)
    return f"{name:<32} p50 {cuts[49] * 1e3:5.0f} ms, p95 {cuts[94] * 1e3:5.0f} ms, p99 {cuts[98] * 1e3:5.0f} ms ({len(took)} records)"


def measure(broker: Broker, arguments: Mapping[str, float]) -> None:
    """Warm up, measure, print."""
    rate, count = arguments["rate"], int(arguments["rate"] * arguments["seconds"])
    given = made(count, 2)
    asyncio.run(through(broker.bootstrap_servers, made(WARM, 1), 50, START_LIMIT_S))
    took = asyncio.run(through(broker.bootstrap_servers, given, rate, arguments["seconds"] + DRAIN_LIMIT_S))
    print(told(f"append to update at {rate:g}/s", took))
    print(told("bare, through the same broker", asyncio.run(bare(broker.bootstrap_servers, [one.to_bytes() for one in given], rate))))


async def _topics(bootstrap_servers: str) -> None:
    async with kafka_admin.connected(bootstrap_servers) as admin:
        await kafka_admin.recreate(admin)


def main() -> None:
    """Run in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with own_broker() as (broker, _):
        asyncio.run(_topics(broker.bootstrap_servers))
        with running(broker):
            measure(broker, vars(arguments))


if __name__ == "__main__":
    main()
