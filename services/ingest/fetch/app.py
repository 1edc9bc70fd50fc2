"""The wiring of fetch: a partition owner on `discoveries.v1` around `FetchLogic`."""

import asyncio
from datetime import UTC, datetime, timedelta

from services.ingest.config import FetchSettings
from services.ingest.control import followed
from services.ingest.extraction.pool import ExtractorPool
from services.ingest.fetch.discover import Retry
from services.ingest.fetch.logic import FetchContext, FetchLogic
from services.ingest.fetch.look import PageLooker
from services.ingest.fetch.publish import Schedule
from services.ingest.http import Fetcher
from services.ingest.politeness import Politeness
from services.ingest.robots import RobotsCache
from shared import health
from shared.kafka.owner import PartitionOwner
from shared.topics import DISCOVERIES, FETCH_STATE

STAGE = "fetch"


async def run(settings: FetchSettings, stop: asyncio.Event) -> None:
    """Fetch until `stop` is set. Raises what must end the process."""
    readiness = health.Readiness()
    runner = await health.serve(readiness, settings)
    try:
        async with (
            followed(settings) as control,
            Fetcher(settings, blocks=control.blocks) as fetcher,
            ExtractorPool(settings, wait=False) as pool,
        ):
            robots = RobotsCache(settings, fetcher) if settings.fetch_obey_robots else None
            politeness = Politeness(robots, settings.fetch_host_delay_s)
            context = FetchContext(
                fetch=PageLooker(fetcher, pool, politeness, _now, settings.page_max_bytes),
                delay_s=politeness.delay_s,
                clock=_now,
                retry=Retry(settings.fetch_tries, settings.fetch_retry_s, settings.fetch_retry_longest_s),
                schedule=Schedule(
                    tuple(timedelta(hours=hours) for hours in settings.recheck_after_h), timedelta(seconds=settings.withdrawn_after_s)
                ),
                host_concurrency=settings.fetch_host_concurrency,
                pages=asyncio.Semaphore(settings.fetch_concurrency),
                state_for=timedelta(days=settings.article_state_days),
                control=control,
            )
            owner = PartitionOwner(
                stage=STAGE,
                source=DISCOVERIES,
                changelog=FETCH_STATE,
                make_logic=lambda partition: FetchLogic(partition, context),
                settings=settings,
                readiness=readiness,
                is_full=lambda logic: len(logic.pending) >= settings.fetch_pending_limit,
                begins_traces=True,
            )
            readiness.add("parsers", pool.waits)
            await owner.run(stop)
    finally:
        if runner is not None:
            await runner.cleanup()


def _now() -> datetime:
    return datetime.now(UTC)
