"""The wiring of poll: a partition owner on `feeds.v1` around `PollLogic`."""

import asyncio
from datetime import UTC, datetime

from services.ingest.config import PollSettings
from services.ingest.control import followed
from services.ingest.extraction.pool import ExtractorPool
from services.ingest.http import Fetcher
from services.ingest.politeness import Politeness
from services.ingest.poll.figures import show_again_and_again
from services.ingest.poll.logic import PollContext, PollLogic
from services.ingest.poll.look import FeedLooker
from services.ingest.poll.schedule import Bounds
from services.ingest.robots import RobotsCache
from shared import health
from shared.kafka.owner import PartitionOwner
from shared.topics import FEEDS, POLL_STATE

STAGE = "poll"


async def run(settings: PollSettings, stop: asyncio.Event) -> None:
    """Poll until `stop` is set. Raises what must end the process."""
    readiness = health.Readiness()
    runner = await health.serve(readiness, settings)
    try:
        async with (
            followed(settings) as control,
            Fetcher(settings, blocks=control.blocks) as fetcher,
            ExtractorPool(settings, warm_up=False, wait=False) as pool,  # feeds alone are read here
        ):
            robots = RobotsCache(settings, fetcher) if settings.poll_obey_robots else None
            politeness = Politeness(robots, settings.poll_host_delay_s)
            context = PollContext(
                poll=FeedLooker(fetcher, pool, politeness, _now, settings.feed_max_bytes),
                delay_s=politeness.delay_s,
                host_concurrency=settings.poll_host_concurrency,
                clock=_now,
                bounds=Bounds(settings.poll_interval_shortest_s, settings.poll_interval_longest_s),
                first_interval_s=settings.poll_interval_first_s,
                turns=asyncio.Semaphore(settings.poll_concurrency),
                control=control,
            )
            owner = PartitionOwner(
                stage=STAGE,
                source=FEEDS,
                changelog=POLL_STATE,
                make_logic=lambda _: PollLogic(context),
                settings=settings,
                readiness=readiness,
            )
            readiness.add("parsers", pool.waits)
            showing = asyncio.create_task(show_again_and_again(context.owned, _now))
            try:
                await owner.run(stop)
            finally:
                showing.cancel()
    finally:
        if runner is not None:
            await runner.cleanup()


def _now() -> datetime:
    return datetime.now(UTC)
