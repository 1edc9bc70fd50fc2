"""One partition of feeds: their state, and polling them when they are due."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.ingest.control import Control
from services.ingest.hosts import Host, HostQueues, HostTurns, Kind
from services.ingest.identity import feed_host
from services.ingest.poll.discover import Conclusion, PollOutcome, conclude
from services.ingest.poll.schedule import Bounds
from services.ingest.poll.state import FEED_PREFIX, SEEN_PREFIX, FeedState, FeedStatus, SeenItems, feed_key, seen_key
from services.ingest.registry import feed_partition
from shared import metrics, traces
from shared.contracts import Feed
from shared.errors import InvalidMessage
from shared.kafka.decision import Decision, SourceRecord
from shared.kafka.partition import Submit
from shared.logs import get_logger

log = get_logger()

FETCHES = metrics.counter("slugline_feed_fetches_total", "Polls of feeds", "outcome")
GAPS = metrics.counter("slugline_feed_gaps_total", "Polls whose window had moved past all that was seen")


@dataclass(frozen=True, slots=True)
class PollContext:
    """What all partitions of a process share. `poll` never raises and obeys robots.txt; `delay_s` is a host's pause."""

    poll: Callable[[FeedState], Awaitable[PollOutcome]]
    delay_s: Callable[[str], float]
    host_concurrency: int
    clock: Callable[[], datetime]
    bounds: Bounds
    first_interval_s: float
    turns: asyncio.Semaphore
    control: Control = field(default_factory=Control)
    owned: "set[PollLogic]" = field(default_factory=set)
    """The partitions at work in this process, for its metrics."""


class PollLogic:
    """Keeps the partition's feeds and polls each when it is due."""

    def __init__(self, context: PollContext) -> None:
        self._context = context
        self.feeds: dict[UUID, FeedState] = {}
        self._seen: dict[UUID, bytes] = {}
        """As the changelog has them, read when a feed has changed: thousands of items a feed, which most polls never touch."""
        queues = HostQueues(self._is_current, context.delay_s, context.host_concurrency)
        self._turns = HostTurns(queues, context.turns, context.control, context.clock)
        self._polling: set[UUID] = set()
        self._held: set[UUID] = set()
        """Feeds of blocked outlets whose turn has come."""

    @property
    def states(self) -> Collection[FeedState]:
        """Give all feeds' states."""
        return self.feeds.values()

    def restore(self, key: str, value: bytes | None) -> None:
        """Take a changelog record."""
        self._take(key, value)

    def restored(self) -> None:
        """Put all feeds into the queue."""
        for feed_id in self.feeds:
            self._enqueue(feed_id)

    def decide(self, record: SourceRecord) -> Decision:
        """Register, change or remove a feed. A new definition makes it due at once."""
        feed_id = _feed_id(record)
        if record.value is None:
            known = feed_id in self.feeds
            return Decision(changes={feed_key(feed_id): None, seen_key(feed_id): None} if known else {})
        feed = Feed.from_bytes(record.value)
        if feed.feed_id != feed_id:
            raise InvalidMessage(f"a feed with id {feed.feed_id} has the key {feed_id}")
        if record.partition != (home := feed_partition(feed.url)):
            raise InvalidMessage(
                f"{feed.url[:300]} belongs into partition {home} of {record.topic}, not {record.partition}: "
                f"that of its host, so that one worker polls it. Register it with: slugline feeds add"
            )
        now = datetime.fromtimestamp(record.timestamp_ms / 1000, tz=UTC)
        before = self.feeds.get(feed_id)
        if before is None or before.feed.url != feed.url:
            state = FeedState(feed=feed, url=feed.url, interval_s=self._context.first_interval_s, next_poll_at=now)
        else:
            status = FeedStatus.NEW if before.status is FeedStatus.GONE else before.status
            state = before.model_copy(update={"feed": feed, "status": status, "next_poll_at": min(before.next_poll_at, now)})
        return Decision(changes={feed_key(feed_id): state.model_dump_json().encode()})

    def apply(self, decision: Decision) -> None:
        """Take over changed state."""
        for key, value in decision.changes.items():
            self._take(key, value)
            if key.startswith(FEED_PREFIX) and value is not None:
                self._enqueue(UUID(key[len(FEED_PREFIX) :]))

    async def act(self, submit: Submit) -> None:
        """Poll feeds as they fall due."""
        self._context.owned.add(self)
        unfollow = self._context.control.follow(self._hold_anew)
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._turns.begin_each(tasks, lambda host, feed_id, _: self._begin(host, feed_id, submit))
        finally:
            unfollow()
            self._context.owned.discard(self)

    def _hold_anew(self) -> None:
        """Look at all again: what may be fetched has changed."""
        held, self._held = self._held, set()
        for feed_id in held:
            self._enqueue(feed_id)
        self._turns.look_again()

    def _is_current(self, due_at: datetime, feed_id: UUID, _: Kind) -> bool:
        state = self.feeds.get(feed_id)
        return state is not None and state.due_at == due_at and feed_id not in self._polling and feed_id not in self._held

    def _begin(self, host: Host, feed_id: UUID, submit: Submit) -> Coroutine[Any, Any, None]:
        self._polling.add(feed_id)
        return self._poll(host, feed_id, submit)

    async def _poll(self, host: Host, feed_id: UUID, submit: Submit) -> None:
        try:
            state = self.feeds.get(feed_id)
            if state is None or state.due_at is None:
                return
            if self._context.control.blocks(state.url):
                self._held.add(feed_id)
                return
            with traces.current(traces.begin("poll feed")):
                outcome = await self._context.poll(state)
                found, gap = await self._conclude(feed_id, state.url, outcome, submit)
            _report(state, outcome, found, gap=gap)
        finally:
            self._polling.discard(feed_id)
            self._turns.end(host)
            self._enqueue(feed_id)

    async def _conclude(self, feed_id: UUID, url: str, outcome: PollOutcome, submit: Submit) -> tuple[int, bool]:
        """Commit what a poll found, a turn at a time. Gives how many items in all, and whether some may have been missed before."""
        concluded: Conclusion | None = None
        poll = traces.here()

        def decide() -> Decision:
            nonlocal concluded
            now = self.feeds.get(feed_id)
            if now is None or now.url != url:  # removed or redefined while it was polled
                concluded = None
                return Decision()
            seen = self._seen_items(feed_id) if outcome.parsed else SeenItems()
            concluded = conclude(now, seen, outcome, self._context.bounds, concluded)
            return concluded.decision if poll is None else _traced(concluded.decision, poll)

        await submit(decide)
        while concluded is not None and concluded.waiting:
            await submit(decide)
        return (concluded.found, concluded.gap) if concluded is not None else (0, False)

    def _take(self, key: str, value: bytes | None) -> None:
        prefix, feed_id = key[:2], UUID(key[2:])
        if prefix == FEED_PREFIX:
            if value is None:
                self.feeds.pop(feed_id, None)
            else:
                self.feeds[feed_id] = FeedState.model_validate_json(value)
        elif prefix == SEEN_PREFIX:
            if value is None:
                self._seen.pop(feed_id, None)
            else:
                self._seen[feed_id] = value

    def _seen_items(self, feed_id: UUID) -> SeenItems:
        kept = self._seen.get(feed_id)
        return SeenItems() if kept is None else SeenItems.model_validate_json(kept)

    def _enqueue(self, feed_id: UUID) -> None:
        state = self.feeds.get(feed_id)
        if state is not None and state.due_at is not None and feed_id not in self._polling and feed_id not in self._held:
            self._turns.add(feed_host(state.url), state.due_at, feed_id, "feed")


def _traced(decision: Decision, poll: traces.Span) -> Decision:
    """Begin a trace for each item that a poll found, so that a trace is an article's and not a feed's; the poll is its link."""
    outputs = []
    for output in decision.outputs:
        span = traces.begin("poll", links=[poll.traceparent])
        if span is not None:
            span.end()
        outputs.append(output if span is None else replace(output, headers=span.headers))
    return replace(decision, outputs=tuple(outputs))


def _feed_id(record: SourceRecord) -> UUID:
    try:
        return UUID((record.key or b"").decode())
    except ValueError as error:
        raise InvalidMessage(f"the key of a feed must be its id, not {record.key!r}") from error


def _report(state: FeedState, outcome: PollOutcome, found: int, *, gap: bool) -> None:
    result = (
        "failed" if outcome.error else "gone" if outcome.gone else "unchanged" if outcome.unchanged else "new" if found else "nothing_new"
    )
    FETCHES.labels(result).inc()
    bound = log.bind(feed_id=str(state.feed.feed_id), url=state.url)
    if outcome.error:
        bound.warning("feed_failed", error=outcome.error, failures=state.failures + 1)
    elif outcome.gone:
        bound.warning("feed_gone", then="not polled again until it is registered anew")
    elif found:
        bound.info("feed_polled", outcome=result, items=found)
    else:
        bound.debug("feed_polled", outcome=result)
    if gap:
        GAPS.inc()
        bound.warning("feed_window_moved", note="items may have been missed between two polls; it is polled sooner now")
