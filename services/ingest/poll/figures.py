"""Figures of all feeds of a process, for alerts. Computing them is pure."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from services.ingest.poll.state import FeedState, FeedStatus
from shared import metrics

SILENT_TIMES: Final = 1.5
"""A feed is silent once it has been quiet for so many times its longest quiet between two finds."""
SILENT_LEAST_FINDS: Final = 4
"""Fewer finds are no habit yet."""
SILENT_LEAST_S: Final = 86_400.0
"""No feed is silent sooner: nights are quiet."""
PAUSED: Final = "paused"
STATES: Final = (*(status.value for status in FeedStatus), PAUSED)
REFRESH_S: Final = 15.0

FEEDS = metrics.gauge("slugline_feeds", "Feeds by state", "state")
SILENT = metrics.gauge("slugline_feeds_silent", "Feeds that answer but have shown nothing new for far longer than is their habit")
OLDEST = metrics.gauge("slugline_feed_oldest_success_seconds", "Seconds since the last success of the feed that waits longest for one")
LATEST = metrics.gauge("slugline_feed_latest_seconds", "Seconds by which the feed is late that has waited longest for its turn")
HABIT = metrics.gauge("slugline_feed_items_a_day", "Items a day that all feeds show by their habit")


@dataclass(frozen=True, slots=True)
class Figures:
    """How a process's feeds do."""

    by_state: dict[str, int]
    silent: int
    oldest_success_s: float
    latest_s: float
    items_a_day: float


class HasFeeds(Protocol):
    """A partition's feeds."""

    @property
    def states(self) -> Collection[FeedState]:
        """Give the feeds' states."""


def state_of(state: FeedState) -> str:
    """Name a feed's state as operators see it."""
    return PAUSED if state.feed.paused else state.status.value


def silent_s(state: FeedState, now: datetime) -> float | None:
    """Give for how many seconds a feed has been silent against its own habit; None if it is not, or polling it fails.

    A feed that rests at weekends has a longest quiet of more than two days and is silent after four; a weekly one after eleven.
    """
    if state.feed.paused or state.status is not FeedStatus.OK or state.last_item_at is None:
        return None
    if state.longest_quiet_s is None or state.finds < SILENT_LEAST_FINDS:
        return None
    quiet_s = (now - state.last_item_at).total_seconds()
    return quiet_s if quiet_s > max(SILENT_LEAST_S, SILENT_TIMES * state.longest_quiet_s) else None


def figures(states: Iterable[FeedState], now: datetime) -> Figures:
    """Sum up feeds."""
    by_state: Counter[str] = Counter()
    silent = 0
    oldest_s = latest_s = items_a_day = 0.0
    for state in states:
        by_state[state_of(state)] += 1
        if state.due_at is None:
            continue
        silent += silent_s(state, now) is not None
        items_a_day += state.items_a_day or 0.0
        latest_s = max(latest_s, (now - state.due_at).total_seconds())
        oldest_s = max(oldest_s, (now - (state.last_success_at or state.feed.added_at)).total_seconds())
    return Figures({name: by_state[name] for name in STATES}, silent, oldest_s, latest_s, items_a_day)


async def show_again_and_again(owned: Collection[HasFeeds], clock: Callable[[], datetime]) -> None:
    """Keep the gauges up to date, until cancelled."""
    while True:
        show(figures((state for logic in owned for state in logic.states), clock()))
        await asyncio.sleep(REFRESH_S)


def show(found: Figures) -> None:
    """Set the gauges."""
    for name, count in found.by_state.items():
        FEEDS.labels(name).set(count)
    SILENT.set(found.silent)
    LATEST.set(found.latest_s)
    OLDEST.set(found.oldest_success_s)
    HABIT.set(found.items_a_day)
