"""Workers killed -9 among others: is an article lost, what is fetched twice? `python -m bench.ingest_kill --feeds 10000 --kills 5`.

A real broker, three workers (poll and fetch, each a process of its own), and a web of recorded feeds that counts what it is asked for.
While pages flow, one worker after the other is killed with all its subprocesses and started again. At the end each page of each outlet must
be in `articles.v1` once, and a page may have been fetched again only if it was in flight when a worker went or came: asked for, and its
article not yet in the topic.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from bench.broker import own_broker
from bench.ingest_web import ALLOWED, Plan, page_path, recorded_web
from services.ingest.identity import canonical_url
from services.ingest.registry import new_feed, register
from shared import logs
from shared.contracts import Article
from shared.kafka import admin as kafka_admin
from shared.settings import Settings
from shared.topics import ARTICLES, DEAD_LETTERS, Topic
from tests.processes import Service

AWAY_S = 2.0
"""How long a killed worker stays away."""
QUIET_S = 5.0
"""Nothing new for so long at the end means that nothing more comes."""
LIMIT_S = 1_800.0

log = logs.get_logger()


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    pages: int
    lost: list[str]
    doubled: list[str]
    """Article and version in the topic more than once, or in a second version."""
    letters: int
    refetched: int
    in_flight: int
    """Pages in flight at the kills and the returns together: what may be fetched again."""
    polls: int
    seconds: float
    most: list[tuple[str, int]] = field(default_factory=list)
    """Pages that were fetched most often, and how often."""

    @property
    def good(self) -> bool:
        """Say whether nothing is lost or doubled, and no more fetched again than was in flight."""
        return not self.lost and not self.doubled and not self.letters and self.refetched <= self.in_flight


@dataclass(slots=True)
class Seen:
    """What the topics hold so far."""

    versions: Counter[tuple[str, int]] = field(default_factory=Counter)
    urls: set[str] = field(default_factory=set)
    letters: int = 0
    last_at: float = field(default_factory=time.monotonic)

    def take(self, topic: str, value: bytes) -> None:
        """Take a record."""
        self.last_at = time.monotonic()
        if topic == DEAD_LETTERS.name:
            self.letters += 1
            return
        article = Article.from_bytes(value)
        self.versions[article.canonical_url, article.version] += 1
        self.urls.add(article.canonical_url)


async def run(broker: str, folder: Path, plan: Plan, *, workers: int, kills: int, seed: int = 5, **settings: object) -> Outcome:
    """Run workers on a broker whose topics are fresh, kill one after the other, and compare the outlets' pages with the topic."""
    began = time.monotonic()
    logs.configure(Settings(log_level="info"), service="bench")
    with recorded_web(plan) as port:
        feeds = [new_feed(f"http://{plan.host(feed)}:{port}/feeds/{feed}", now=datetime.now(UTC)) for feed in range(plan.feeds)]
        wanted = {
            canonical_url(f"http://{plan.host(feed)}:{port}{page_path(feed, item)}")
            for feed in range(plan.feeds)
            for item in range(plan.items)
        }
        told = {
            "kafka_bootstrap_servers": broker, "fetch_allow": ALLOWED, "extract_workers": 1, "session_timeout_s": 6, "log_level": "warning", **settings,
        }  # fmt: skip
        pairs = [[Service(name, folder / f"{name}-{number}.log", **told) for name in ("poll", "fetch")] for number in range(workers)]
        seen = Seen()
        following = asyncio.create_task(follow(broker, seen, ARTICLES, DEAD_LETTERS))
        try:
            with _running(pairs):
                await _all_in_their_groups(
                    broker, workers
                )  # while they come, partitions move, and what is in flight then would be fetched again
                await register(Settings(kafka_bootstrap_servers=broker), feeds)
                log.info("feeds_registered", feeds=len(feeds), pages=len(wanted))
                in_flight = await _kill(pairs, seen, port, len(wanted), kills, Random(seed))
                async with asyncio.timeout(LIMIT_S):
                    while len(seen.urls) < len(wanted) or time.monotonic() - seen.last_at < QUIET_S:
                        await asyncio.sleep(0.2)
                        if following.done() or time.monotonic() - seen.last_at > 120:
                            break
                counts = await _counts(port)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    doubled = [f"{url} version {version}, {count} times" for (url, version), count in seen.versions.items() if version > 1 or count > 1]
    return Outcome(
        pages=len(wanted),
        lost=sorted(wanted - seen.urls),
        doubled=doubled,
        letters=seen.letters,
        refetched=sum(counts["pages"].values()) - len(counts["pages"]),
        in_flight=in_flight,
        polls=sum(counts["feeds"].values()),
        seconds=time.monotonic() - began,
        most=Counter(counts["pages"]).most_common(5),
    )


async def _all_in_their_groups(broker: str, workers: int) -> None:
    """Wait until the groups of poll and fetch have so many members, and each has its partitions."""
    async with kafka_admin.connected(broker) as admin, asyncio.timeout(LIMIT_S):
        for group in ("slugline-poll", "slugline-fetch"):
            standing: list[tuple[str, int]] = []
            while standing != [("Stable", workers)]:
                await asyncio.sleep(0.1)
                with suppress(KafkaError):  # a fresh broker has no coordinator yet
                    described = await admin.describe_consumer_groups([group], await admin.find_coordinator(group))
                    standing = [(found[2], len(found[5])) for response in described for found in response.groups]


async def _kill(pairs: list[list[Service]], seen: Seen, port: int, pages: int, kills: int, chance: Random) -> int:
    """Kill a worker each time a further part of the pages is through. Gives the pages in flight then."""
    in_flight = 0
    for turn in range(kills):
        async with asyncio.timeout(LIMIT_S):
            while len(seen.urls) < pages * (turn + 1) / (kills + 2):  # noqa: ASYNC110 - a topic tells nobody
                await asyncio.sleep(0.05)
        pair = chance.choice(pairs)
        in_flight += await _in_flight(seen, port)
        log.info("worker_killed", worker=pairs.index(pair), articles=len(seen.urls), in_flight=in_flight)
        for service in pair:
            service.kill()
        await asyncio.sleep(AWAY_S)
        for service in pair:
            service.start()
        # the group takes it in, and partitions move to it, within a few seconds: what is in flight then may be fetched again too
        moved_by = time.monotonic() + 10.0
        most = 0
        while time.monotonic() < moved_by and len(seen.urls) < pages:
            most = max(most, await _in_flight(seen, port))
            await asyncio.sleep(0.2)
        in_flight += most
        log.info("worker_back", articles=len(seen.urls), in_flight=in_flight)
    return in_flight


async def _in_flight(seen: Seen, port: int) -> int:
    return max(0, len((await _counts(port))["pages"]) - len(seen.urls))


async def _counts(port: int) -> dict[str, dict[str, int]]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/-/counts") as answer:
        counts: dict[str, dict[str, int]] = await answer.json()
        return counts


async def follow(broker: str, seen: Seen, *topics: Topic) -> None:
    """Take what topics hold, until cancelled."""
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest", isolation_level="read_committed")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)])
        while True:
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    seen.take(tp.topic, record.value)
    finally:
        await consumer.stop()


@contextmanager
def _running(pairs: list[list[Service]]) -> Iterator[None]:
    services = [service for pair in pairs for service in pair]
    try:
        for service in services:
            service.start()
        yield
    finally:
        for service in services:
            service.kill()


async def _on_own_broker(plan: Plan, options: argparse.Namespace) -> Outcome:
    with own_broker() as (broker, folder):
        async with kafka_admin.connected(broker.bootstrap_servers) as admin:
            await kafka_admin.recreate(admin)
        return await run(broker.bootstrap_servers, folder, plan, workers=options.workers, kills=options.kills, seed=options.seed)


def main() -> None:
    """Print what came of a run; exit with 1 where something was lost, doubled, or fetched again without need."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--feeds", type=int, default=10_000)
    arguments.add_argument("--hosts", type=int, default=2_500)
    arguments.add_argument("--items", type=int, default=1, help="of each feed")
    arguments.add_argument("--workers", type=int, default=3)
    arguments.add_argument("--kills", type=int, default=5)
    arguments.add_argument("--seed", type=int, default=5)
    options = arguments.parse_args()
    outcome = asyncio.run(_on_own_broker(Plan(options.feeds, options.hosts, options.items), options))
    print(f"{options.feeds:,} feeds, {options.workers} workers, {options.kills} kills, {outcome.seconds:.0f} s")
    print(f"pages {outcome.pages:,}: {len(outcome.lost)} lost, {len(outcome.doubled)} doubled, {outcome.letters} dead letters")
    print(f"fetched again: {outcome.refetched}, of {outcome.in_flight} in flight when a worker went or came; polls: {outcome.polls:,}")
    for line in [
        *outcome.lost[:5],
        *outcome.doubled[:5],
        *(f"{page} was fetched {times} times" for page, times in outcome.most if times > 1),
    ]:
        print(f"  {line}")
    raise SystemExit(0 if outcome.good else 1)


if __name__ == "__main__":
    main()
