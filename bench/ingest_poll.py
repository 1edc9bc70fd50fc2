"""Unchanged feeds polled a second by one worker, and the memory of its feeds: `python -m bench.ingest_poll`.

A server in another process answers 304 to every conditional request, under the names of many hosts. One partition holds all feeds, each
with remembered items, and polls them as in service: the real fetcher, robots.txt, a second between two polls of a host, the real
decisions. In place of the broker, each decision is applied at once. `--owner` runs the whole service instead on a broker of its own,
transactions and changelog included, from registering on. `--hosts 1` polls one host, without a pause.

Asked for: 500 polls a second, below 400 MB with 10,000 feeds. Beside the rate by the clock stands the rate by this process's own
processor time, which other programs on the machine do not change and which the gate is on, and the bare client's on the same server.
"""

import argparse
import asyncio
import multiprocessing
import resource
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import UUID

import aiohttp
import uvloop
from aiohttp import web
from prometheus_client import REGISTRY

from bench.broker import own_broker
from services.ingest.config import PollSettings
from services.ingest.extraction.pool import ExtractorPool
from services.ingest.http import Fetcher
from services.ingest.politeness import Politeness
from services.ingest.poll.app import run
from services.ingest.poll.logic import PollContext, PollLogic
from services.ingest.poll.look import FeedLooker
from services.ingest.poll.schedule import Bounds
from services.ingest.poll.state import FeedState, FeedStatus, SeenItems, feed_key, seen_key
from services.ingest.registry import register
from services.ingest.robots import RobotsCache
from shared import logs
from shared.contracts import Feed
from shared.ids import feed_id
from shared.kafka import admin as kafka_admin
from shared.kafka.decision import Decision

RATE_GATE = 500.0
MEMORY_GATE_MB = 400.0
LIMIT_S = 600.0


def main() -> None:
    """Print rates and memory; exit with 1 below a gate."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--feeds", type=int, default=10_000)
    arguments.add_argument("--hosts", type=int, default=2_500, help="hosts that the feeds are spread over")
    arguments.add_argument("--items", type=int, default=550, help="items remembered of each feed; 550 is what a busy one comes to")
    arguments.add_argument("--owner", action="store_true", help="the whole service, on a real broker")
    options = arguments.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        port = ours.recv()
        urls = [f"http://outlet-{number % options.hosts}.localhost:{port}/feed-{number}.xml" for number in range(options.feeds)]
        pause_s = 0.0 if options.hosts == 1 else 1.0
        at_once = 64 if options.hosts == 1 else 2
        settings = PollSettings(
            fetch_allow=("127.0.0.1", "*.localhost"), poll_host_delay_s=pause_s, poll_host_concurrency=at_once, log_level="warning"
        )
        logs.configure(settings, service="poll")
        work = measure_service(settings, urls) if options.owner else measure(settings, f"http://127.0.0.1:{port}", urls, options.items)
        good = uvloop.run(work)
    finally:
        server.terminate()
        server.join()
    if not good:
        raise SystemExit(1)


def serve(port_to: Connection) -> None:
    """Answer 304 to whatever is asked."""

    async def unchanged(_: web.Request) -> web.Response:
        return web.Response(status=304, headers={"ETag": '"one"', "Cache-Control": "max-age=300"})

    async def run() -> None:
        async def missing(_: web.Request) -> web.Response:
            return web.Response(status=404)

        app = web.Application()
        app.router.add_get("/robots.txt", missing)
        app.router.add_get("/{name}", unchanged)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port_to.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    uvloop.run(run())


async def measure(settings: PollSettings, base: str, urls: list[str], items: int) -> bool:
    """Poll every feed once."""
    feeds = len(urls)
    bare_s, bare_cpu_s = await timed(bare(base, feeds, settings.poll_concurrency))
    before_mb = resident_mb()
    async with Fetcher(settings) as fetcher:
        politeness = Politeness(RobotsCache(settings, fetcher), settings.poll_host_delay_s)
        context = PollContext(
            poll=FeedLooker(fetcher, ExtractorPool(settings, warm_up=False), politeness, now, settings.feed_max_bytes),
            delay_s=politeness.delay_s,
            host_concurrency=settings.poll_host_concurrency,
            clock=now,
            bounds=Bounds(settings.poll_interval_shortest_s, settings.poll_interval_longest_s),
            first_interval_s=settings.poll_interval_first_s,
            turns=asyncio.Semaphore(settings.poll_concurrency),
        )
        logic = PollLogic(context)
        for key, value in changelog(urls, items):
            logic.restore(key, value)
        logic.restored()
        held_mb = resident_mb()
        elapsed_s, cpu_s = await timed(poll_each_once(logic, feeds))
    assert all(state.failures == 0 and state.interval_s > settings.poll_interval_first_s for state in logic.feeds.values())
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    print(f"{feeds:,} feeds with {items} remembered items each: {held_mb - before_mb:.0f} MB; process at most {peak_mb:.0f} MB")
    print(f"polls a second: {feeds / elapsed_s:.0f} by the clock, {feeds / cpu_s:.0f} by this process's processor time")
    print(f"bare client:    {feeds / bare_s:.0f} by the clock, {feeds / bare_cpu_s:.0f} by this process's processor time")
    print(f"ratio {feeds / cpu_s / (feeds / bare_cpu_s):.2f}; asked for {RATE_GATE:.0f} a second and below {MEMORY_GATE_MB:.0f} MB")
    return feeds / cpu_s >= RATE_GATE and peak_mb < MEMORY_GATE_MB


def changelog(urls: list[str], items: int) -> Iterator[tuple[str, bytes]]:
    """Make what the changelog holds of feeds that were polled before and are all due."""
    at = now() - timedelta(seconds=1)
    for number, url in enumerate(urls):
        feed = Feed(feed_id=feed_id(url), url=url, title=f"Feed {number}", added_at=at - timedelta(days=30))
        state = FeedState(
            feed=feed, url=url, status=FeedStatus.OK, title=feed.title, etag='"one"', interval_s=900, next_poll_at=at,
            last_poll_at=at, last_success_at=at - timedelta(seconds=900), last_item_at=at, items_found=items, items_a_day=10.0,
        )  # fmt: skip
        seen = SeenItems(items={f"{number:08x}{item:08x}": f"{item:016x}" for item in range(items)})
        yield feed_key(feed.feed_id), state.model_dump_json().encode()
        yield seen_key(feed.feed_id), seen.model_dump_json().encode()


async def poll_each_once(logic: PollLogic, feeds: int) -> None:
    """Let the partition poll until each feed was."""
    done = asyncio.Event()
    polled: set[UUID] = set()

    async def submit(decide: Callable[[], Decision]) -> None:
        decision = decide()
        logic.apply(decision)
        polled.update(UUID(key[2:]) for key in decision.changes)
        if len(polled) == feeds:
            done.set()

    act = asyncio.ensure_future(logic.act(submit))
    try:
        async with asyncio.timeout(LIMIT_S):
            await done.wait()
    finally:
        act.cancel()
        await asyncio.gather(act, return_exceptions=True)


async def measure_service(settings: PollSettings, urls: list[str]) -> bool:
    """Register feeds and let the service poll each once."""
    with own_broker() as (broker, _):
        return await run_service(settings.model_copy(update={"kafka_bootstrap_servers": broker.bootstrap_servers}), urls)


async def run_service(settings: PollSettings, urls: list[str]) -> bool:
    """Run poll on a broker."""
    feeds = len(urls)
    async with kafka_admin.connected(settings.kafka_bootstrap_servers) as admin:
        await kafka_admin.recreate(admin)
    await register(settings, (Feed(feed_id=feed_id(url), url=url, added_at=now()) for url in urls))
    stop = asyncio.Event()
    service = asyncio.ensure_future(run(settings, stop))

    async def polled_are(count: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while polls() < count and not service.done():  # noqa: ASYNC110 - a counter tells nobody
                await asyncio.sleep(0.05)

    await polled_are(1)
    before = polls()
    elapsed_s, cpu_s = await timed(polled_are(feeds))
    polled = polls() - before
    stop.set()
    await service
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    commits = REGISTRY.get_sample_value("slugline_transactions_total", {"stage": "poll", "outcome": "committed"})
    print(f"{feeds:,} feeds registered and polled once, each in a transaction with its state; process at most {peak_mb:.0f} MB")
    print(f"polls a second: {polled / elapsed_s:.0f} by the clock, {polled / cpu_s:.0f} by this process's processor time")
    print(f"{commits:.0f} transactions; asked for {RATE_GATE:.0f} a second and below {MEMORY_GATE_MB:.0f} MB")
    return polled / cpu_s >= RATE_GATE and peak_mb < MEMORY_GATE_MB


def polls() -> float:
    """Give the polls so far that found a feed unchanged."""
    return REGISTRY.get_sample_value("slugline_feed_fetches_total", {"outcome": "unchanged"}) or 0.0


async def bare(base: str, count: int, concurrency: int) -> None:
    """Ask for the same with the client library alone."""
    names = iter(range(count))

    async def ask(session: aiohttp.ClientSession) -> None:
        for number in names:
            async with session.get(f"{base}/feed-{number}.xml", headers={"If-None-Match": '"one"'}) as answer:
                await answer.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(ask(session) for _ in range(concurrency)))


async def timed(work: Awaitable[None]) -> tuple[float, float]:
    """Give seconds by the clock and of this process's processor time."""
    began, cpu_began = time.perf_counter(), time.process_time()
    await work
    return time.perf_counter() - began, time.process_time() - cpu_began


def resident_mb() -> float:
    """Give the memory that the process holds now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 1_048_576


def now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
