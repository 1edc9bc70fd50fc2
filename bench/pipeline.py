"""The whole system on this machine: articles a second from the first topic to the database, and the time from append to row.

Starts a local Slugline of its own (no demo) in a temporary folder, sends made-up articles through it, and prints both figures,
each beside a bare measure from the same run: the same messages written to and read from the same broker, and a bare INSERT.

    python -m bench.pipeline [--articles 2000] [--rate 50] [--seconds 30]
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.contracts import Discovery, DiscoveryKind
from shared.ids import article_id
from shared.kafka.decision import Decision, Output
from shared.kafka.encode import encode
from shared.topics import DISCOVERIES

WORDS_A_TEXT = 300
ARTICLES_A_STORY = 4
START_LIMIT_S = 300
DRAIN_LIMIT_S = 900


def words(chance: random.Random, count: int) -> list[str]:
    """Make up words that look like words."""
    syllables = ["ba", "den", "ko", "lir", "mas", "no", "pel", "ri", "sta", "tu", "van", "wes", "zo", "chan", "dor", "el", "fi", "gra"]
    return ["".join(chance.choice(syllables) for _ in range(chance.randint(2, 4))) for _ in range(count)]


def articles(count: int, seed: int) -> Iterator[Discovery]:
    """Make up articles: stories of four that share half of their words, from as many outlets, in the last day."""
    chance = random.Random(seed)
    common = words(chance, 400)
    now = datetime.now(UTC)
    for number in range(count):
        story, place = divmod(number, ARTICLES_A_STORY)
        of_story = random.Random(f"{seed}-{story}")
        own = words(of_story, 60)
        title = " ".join([*own[:5], *of_story.sample(common, 2)]).capitalize()
        body = [chance.choice(own if chance.random() < 0.35 else common) for _ in range(WORDS_A_TEXT)]
        text = ". ".join(" ".join(body[at : at + 14]).capitalize() for at in range(0, len(body), 14)) + "."
        url = f"https://outlet{place}.example/{seed}/{story}"
        yield Discovery(
            kind=DiscoveryKind.ARTICLE,
            url=url,
            title=title,
            text=text,
            language="en",
            published_at=now - timedelta(minutes=of_story.randint(60, 1_400)) + timedelta(minutes=place),
            discovered_at=now,
        )


def outputs(count: int, seed: int) -> list[Output]:
    """Give made-up articles as records for `discoveries.v1`."""
    return [Output(DISCOVERIES, str(one.url).split("/")[2], one) for one in articles(count, seed)]


@contextmanager
def local_slugline() -> Iterator[dict[str, Any]]:
    """Run a local Slugline in a temporary folder; give its state (addresses)."""
    with tempfile.TemporaryDirectory(prefix="slugline-bench-") as folder:
        environment = {**os.environ, "SLUGLINE_DATA": folder}
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "local", "run", "--no-demo"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            began = time.monotonic()
            assert process.stdout is not None
            for line in process.stdout:
                if "Slugline is at" in line:
                    break
                if time.monotonic() - began > START_LIMIT_S:
                    raise SystemExit("Slugline did not start")
            yield json.loads((Path(folder) / "state.json").read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


async def rows(connection: asyncpg.Connection, pattern: str) -> int:
    """Count members whose article has a row, too."""
    return int(
        await connection.fetchval("SELECT count(*) FROM story_members JOIN articles USING (article_id) WHERE articles.url LIKE $1", pattern)
    )


async def throughput(state: dict[str, Any], count: int) -> tuple[float, float]:
    """Give articles a second from the first append to the last row, and the same messages a second through the broker alone."""
    records = encode(Decision(outputs=tuple(outputs(count, 1))))
    connection = await asyncpg.connect(state["database_url"])
    async with AIOKafkaProducer(bootstrap_servers=state["bootstrap_servers"], linger_ms=5) as producer:
        began = time.monotonic()
        for sent in [await producer.send(out.topic, key=out.key, value=out.value, partition=out.partition) for out in records]:
            await sent
        while await rows(connection, "https://outlet%/1/%") < count:
            if time.monotonic() - began > DRAIN_LIMIT_S:
                raise SystemExit("not all articles arrived")
            await asyncio.sleep(0.1)
        through = count / (time.monotonic() - began)
    await connection.close()
    return through, await bare_broker(state, [record.value or b"" for record in records])


async def bare_broker(state: dict[str, Any], values: list[bytes]) -> float:
    """Give messages a second written to and read from a topic of their own."""
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=state["bootstrap_servers"])
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with (
        AIOKafkaProducer(bootstrap_servers=state["bootstrap_servers"], linger_ms=5) as producer,
        AIOKafkaConsumer(topic, bootstrap_servers=state["bootstrap_servers"], auto_offset_reset="earliest") as consumer,
    ):
        began = time.monotonic()
        sending = asyncio.gather(*[await producer.send(topic, value) for value in values])
        read = 0
        while read < len(values):
            read += sum(len(batch) for batch in (await consumer.getmany(timeout_ms=500)).values())
        await sending
        return len(values) / (time.monotonic() - began)


async def latency(state: dict[str, Any], rate: float, seconds: float, seed: int = 2) -> list[float]:
    """Give seconds from append to the article's row in its story, one value an article, at a steady rate."""
    count = int(rate * seconds)
    made = list(articles(count, seed))
    records = encode(Decision(outputs=tuple(Output(DISCOVERIES, str(one.url).split("/")[2], one) for one in made)))
    sent_at: dict[uuid.UUID, float] = {}
    took: list[float] = []
    watching = asyncio.Event()
    listener = await asyncpg.connect(state["database_url"])

    async def watch() -> None:
        seen: set[uuid.UUID] = set()
        while len(seen) < count:
            found = await listener.fetch("SELECT article_id FROM story_members WHERE url LIKE $1", f"https://outlet%/{seed}/%")
            now = time.monotonic()
            for row in found:
                if row["article_id"] not in seen:
                    seen.add(row["article_id"])
                    took.append(now - sent_at[row["article_id"]])
            watching.set()
            await asyncio.sleep(0.01)

    watcher = asyncio.create_task(watch())
    await watching.wait()
    async with AIOKafkaProducer(bootstrap_servers=state["bootstrap_servers"]) as producer:
        began = time.monotonic()
        for number, (one, out) in enumerate(zip(made, records, strict=True)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            sent_at[article_id(str(one.url))] = time.monotonic()
            await producer.send(out.topic, key=out.key, value=out.value, partition=out.partition)
        await asyncio.wait_for(watcher, 120)
    await listener.close()
    return took


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    with local_slugline() as state:
        took = asyncio.run(latency(state, arguments.rate, arguments.seconds))
        through, bare = asyncio.run(throughput(state, arguments.articles))
    cuts = statistics.quantiles(took, n=100)
    print(f"through the whole system   {through:8.0f} articles a second ({arguments.articles} articles of {WORDS_A_TEXT} words)")
    print(f"the same through the broker{bare:8.0f} messages a second; ratio {through / bare:.4f}")
    print(
        f"append to row at {arguments.rate:g}/s    p50 {cuts[49] * 1000:.0f} ms, p95 {cuts[94] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms ({len(took)} articles)"
    )


if __name__ == "__main__":
    main()
