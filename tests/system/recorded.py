"""The recorded web, played on a clock that a test moves."""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from deploy.local.demo import register_feeds
from deploy.local.ports import free_ports
from deploy.recorded_web.expected import expected
from deploy.recorded_web.play import PlayState
from deploy.recorded_web.serve import Running
from deploy.recorded_web.serve import running as serving
from services.ingest import registry
from services.ingest.identity import canonical_url
from shared.ids import article_id
from shared.settings import Settings

PLAY: Final = timedelta(seconds=300)
"""Longer than the whole play, which so lies in the past: no outlet dates an article ahead of the clock."""
FETCHING: Final[Mapping[str, object]] = {
    "fetch_allow": "*.localhost,127.0.0.1",
    "fetch_host_delay_s": 0.02,
    "poll_host_delay_s": 0.02,
    "fetch_host_concurrency": 4,
    "fetch_total_timeout_s": 6,
    "fetch_tries": 2,
    "fetch_retry_s": 1,
    "poll_interval_first_s": 5,
    "poll_interval_shortest_s": 1,
}
"""Settings of polite services in a hurry."""


@dataclass
class Clock:
    """How far the play is, in its seconds."""

    epoch: datetime
    position_s: float = 0.0

    def now(self) -> datetime:
        """Give the time for the recorded web."""
        return self.epoch + timedelta(seconds=self.position_s)


@dataclass
class Recorded:
    """A play that goes on when it is told to."""

    server: Running
    clock: Clock
    broker: str
    truth: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.truth = expected(self.server.edition)

    async def play_to(self, position_s: float) -> None:
        """Turn the clock, and have every feed looked at now by registering it anew, as an operator does who changes one."""
        self.clock.position_s = position_s
        settings = Settings(kafka_bootstrap_servers=self.broker)
        known = await registry.registered(settings)
        if known:
            now = datetime.now(UTC)
            await registry.register(settings, [one.feed.model_copy(update={"added_at": now}) for one in known.values()])
        else:
            await register_feeds(f"{self.server.url}/feeds.opml", settings)

    def ids(self, position_s: float = math.inf) -> list[UUID]:
        """Give the ids of all articles that have been online by a second of the play."""
        edition = self.server.edition
        return [
            identity(edition.url(plan))
            for _, plan in edition.content.articles()
            if max(plan.appears, edition.content.outlet(plan.outlet).unavailable_until).total_seconds() <= position_s
        ]


def identity(url: str) -> UUID:
    """Give the id of the article at an address."""
    return article_id(canonical_url(url))


@asynccontextmanager
async def recorded_web(broker: str, folder: Path) -> AsyncIterator[Recorded]:
    """Serve all outlets at the play's beginning."""
    clock = Clock((datetime.now(UTC) - PLAY).replace(microsecond=0))
    [port] = free_ports(1)
    state = folder / "play.json"
    PlayState(epoch=clock.epoch, speed=1.0, port=port).save(state)
    async with serving(state_file=state, now=clock.now, drip_interval_s=0.2) as server:
        yield Recorded(server, clock, broker)
