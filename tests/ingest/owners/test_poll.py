"""Poll's decisions: what is new, what changed, when the feed is polled next."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.feeds.model import FeedItem, ParsedFeed
from services.ingest.poll.discover import Conclusion, PollOutcome, conclude
from services.ingest.poll.figures import FEEDS, figures, show, silent_s
from services.ingest.poll.logic import PollContext, PollLogic
from services.ingest.poll.schedule import Bounds, backoff, next_interval
from services.ingest.poll.state import FeedState, FeedStatus, SeenItems, feed_key, seen_key
from services.ingest.registry import feed_partition
from shared.contracts import Discovery, Feed
from shared.errors import InvalidMessage
from shared.ids import feed_id
from shared.kafka.decision import Decision, SourceRecord

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOUNDS = Bounds(60, 86_400)
FEED = Feed(feed_id=feed_id("https://ledger.example/rss"), url="https://ledger.example/rss", added_at=NOW)


def registration(feed: Feed, at: datetime = NOW) -> SourceRecord:
    """Give the record that registers a feed."""
    return SourceRecord("feeds.v1", feed_partition(feed.url), 0, str(feed.feed_id).encode(), feed.to_bytes(), int(at.timestamp() * 1000))


def context_of(poll: Callable[[FeedState], Awaitable[PollOutcome]], **more: Any) -> PollContext:
    """Give what a partition's tests share: no pauses and one poll at once, unless told otherwise."""
    told: dict[str, Any] = {
        "clock": lambda: NOW, "bounds": BOUNDS, "first_interval_s": 900, "turns": asyncio.Semaphore(1), "delay_s": lambda _: 0.0,
        "host_concurrency": 64,
    }  # fmt: skip
    return PollContext(poll=poll, **{**told, **more})


def item(number: int, title: str = "A title") -> FeedItem:
    url = f"https://ledger.example/{number}"
    return FeedItem(item_id=f"id-{number}", url=url, canonical_url=url, title=title)


class Watch:
    """A feed under observation."""

    def __init__(self) -> None:
        self.state = FeedState(feed=FEED, url=FEED.url, interval_s=900, next_poll_at=NOW)
        self.seen = SeenItems()
        self.found: list[Discovery] = []

    def conclude(self, outcome: PollOutcome, before: Conclusion | None = None) -> Conclusion:
        conclusion = conclude(self.state, self.seen, outcome, BOUNDS, before)
        changes = conclusion.decision.changes
        if (value := changes.get(feed_key(FEED.feed_id))) is not None:
            self.state = FeedState.model_validate_json(value)
        if (value := changes.get(seen_key(FEED.feed_id))) is not None:
            self.seen = SeenItems.model_validate_json(value)
        self.found += [output.value for output in conclusion.decision.outputs if isinstance(output.value, Discovery)]
        return conclusion

    def show(self, *items: FeedItem, at: datetime = NOW) -> Conclusion:
        return self.turns(*items, at=at)[-1]

    def turns(self, *items: FeedItem, at: datetime = NOW) -> list[Conclusion]:
        """Conclude one poll, with as many turns as it takes."""
        outcome = PollOutcome(at=at, parsed=ParsedFeed(format="rss20", title="The Ledger", items=items))
        turns = [self.conclude(outcome)]
        while turns[-1].waiting:
            turns.append(self.conclude(outcome, turns[-1]))
        return turns


def test_items_are_found_once_oldest_first_and_again_when_they_change() -> None:
    watch = Watch()
    watch.show(item(2), item(1))
    watch.show(item(2), item(1))
    watch.show(item(3), item(2, "Another title"))
    assert [found.url for found in watch.found] == [f"https://ledger.example/{number}" for number in (1, 2, 2, 3)]


def test_an_item_repeated_within_a_feed_is_found_once() -> None:
    watch = Watch()
    watch.show(item(1), item(1), item(1))
    assert len(watch.found) == 1


def test_an_item_without_url_is_a_whole_article_if_it_has_an_id() -> None:
    watch = Watch()
    watch.show(FeedItem(item_id="only-id", url=None, canonical_url=None, title="Read at noon", text="Whole."))
    assert (watch.found[0].kind, watch.found[0].item_id, watch.found[0].source) == ("article", "only-id", "The Ledger")


def test_a_long_feed_comes_in_turns_and_its_state_is_done_with_the_last() -> None:
    watch = Watch()
    items = [item(number) for number in range(1_200)]
    turns = watch.turns(*items)
    assert [(turn.found, turn.waiting) for turn in turns] == [(500, 700), (1_000, 200), (1_200, 0)]
    assert watch.state.items_found == 1_200
    assert len({found.url for found in watch.found}) == 1_200
    assert watch.state.status is FeedStatus.OK


def test_a_window_that_moved_past_all_that_was_seen_is_a_gap_and_shortens_the_interval() -> None:
    watch = Watch()
    watch.show(item(1), item(2))
    before = watch.state.interval_s
    conclusion = watch.show(item(8), item(9))
    assert conclusion.gap
    assert watch.state.gaps == 1
    assert watch.state.interval_s < before / 2


def test_410_ends_a_feed_and_a_moved_one_is_polled_where_it_went() -> None:
    watch = Watch()
    watch.conclude(PollOutcome(at=NOW, unchanged=True, moved_to="https://ledger.example/feed.xml"))
    assert watch.state.url == "https://ledger.example/feed.xml"
    watch.conclude(PollOutcome(at=NOW, gone=True))
    assert watch.state.status is FeedStatus.GONE
    assert watch.state.due_at is None


def test_validators_are_kept_over_unchanged_answers() -> None:
    watch = Watch()
    watch.conclude(PollOutcome(at=NOW, parsed=ParsedFeed(format="rss20", items=(item(1),)), etag='"one"'))
    watch.conclude(PollOutcome(at=NOW, unchanged=True))
    assert watch.state.etag == '"one"'


def test_failures_back_off_and_a_success_ends_them() -> None:
    watch = Watch()
    pauses = []
    for _ in range(5):
        watch.conclude(PollOutcome(at=NOW, error="timeout"))
        pauses.append(watch.state.next_poll_at - NOW)
    assert pauses == sorted(pauses)
    assert watch.state.status is FeedStatus.FAILING
    watch.conclude(PollOutcome(at=NOW, unchanged=True))
    assert (watch.state.failures, watch.state.last_error, watch.state.status) == (0, None, FeedStatus.OK)


def test_retry_after_is_obeyed_and_bounded() -> None:
    assert backoff(1, BOUNDS, 7_200) == 7_200
    assert backoff(1, BOUNDS, 10**9) == BOUNDS.longest_s


@given(st.floats(1, 1e6), st.integers(0, 100), st.booleans(), st.none() | st.floats(0, 1e7))
def test_an_interval_stays_within_its_bounds(interval_s: float, found: int, gap: bool, hint_s: float | None) -> None:
    assert BOUNDS.shortest_s <= next_interval(interval_s, BOUNDS, found=found, gap=gap, hint_s=hint_s) <= BOUNDS.longest_s


@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=12))
def test_every_item_ever_shown_is_found_exactly_once(shows: list[list[int]]) -> None:
    watch = Watch()
    for step, numbers in enumerate(shows):
        watch.show(*(item(number) for number in numbers), at=NOW + timedelta(minutes=step))
    assert sorted(found.url or "" for found in watch.found) == sorted(
        {f"https://ledger.example/{number}" for numbers in shows for number in numbers}
    )
    assert all(isinstance(found.feed_id, UUID) for found in watch.found)


def test_items_a_day_are_averaged_over_time_not_over_polls() -> None:
    """Ten items a day, polled at uneven intervals, come to about ten a day."""
    watch = Watch()
    number = 0
    shown: list[FeedItem] = [item(0)]
    watch.show(*shown, at=NOW)
    at = NOW
    for step in range(400):
        pause = timedelta(hours=2.4) if step % 3 else timedelta(minutes=1)
        at += pause
        if step % 3:
            number += 1
            shown = [item(number), *shown[:30]]
        watch.show(*shown, at=at)
    assert watch.state.items_a_day is not None
    assert 9 < watch.state.items_a_day < 11


def habitual(**more: object) -> FeedState:
    state = FeedState(
        feed=FEED, url=FEED.url, status=FeedStatus.OK, interval_s=900, next_poll_at=NOW, last_success_at=NOW, last_item_at=NOW, items_a_day=20.0,
        finds=9, longest_quiet_s=3 * 3_600.0,
    )  # fmt: skip
    return state.model_copy(update=more)


def test_a_feed_is_silent_against_its_own_habit() -> None:
    busy = habitual()
    assert silent_s(busy, NOW + timedelta(hours=23)) is None
    assert silent_s(busy, NOW + timedelta(hours=25)) == 25 * 3_600
    assert silent_s(habitual(finds=3), NOW + timedelta(days=20)) is None
    assert silent_s(habitual(status=FeedStatus.FAILING), NOW + timedelta(days=20)) is None
    assert silent_s(habitual(feed=FEED.model_copy(update={"paused": True})), NOW + timedelta(days=20)) is None


@pytest.mark.parametrize(("every_days", "still_quiet", "silent"), [((7.0,), 10, 11), ((1, 1, 1, 1, 3), 4, 5), ((0.1, 0.1, 0.6), 0.9, 1.1)])
def test_a_rare_feed_and_one_that_rests_at_weekends_are_noticed_by_their_habit(
    every_days: tuple[float, ...], still_quiet: float, silent: float
) -> None:
    watch = Watch()
    at = NOW
    watch.show(item(0), at=at)
    for number in range(1, 60):
        at += timedelta(days=every_days[number % len(every_days)])
        watch.show(item(number), item(number - 1), at=at)
    watch.conclude(PollOutcome(at=at + timedelta(days=1), unchanged=True))
    assert silent_s(watch.state, at + timedelta(days=still_quiet)) is None
    assert silent_s(watch.state, at + timedelta(days=silent)) is not None


def test_figures_count_each_feed_once_and_leave_out_those_that_rest() -> None:
    paused = habitual(feed=FEED.model_copy(update={"paused": True}), last_success_at=NOW - timedelta(days=90))
    failing = habitual(status=FeedStatus.FAILING, last_success_at=NOW - timedelta(hours=2))
    found = figures([habitual(), habitual(last_item_at=NOW - timedelta(days=3)), paused, failing, habitual(status=FeedStatus.GONE)], NOW)
    assert found.by_state == {"new": 0, "ok": 2, "failing": 1, "gone": 1, "paused": 1}
    assert (found.silent, found.oldest_success_s, found.items_a_day) == (1, 7_200, 60)
    assert figures([habitual(), habitual(next_poll_at=NOW - timedelta(minutes=2))], NOW).latest_s == 120
    show(found)
    assert FEEDS.labels("failing")._value.get() == 1


async def test_a_partition_polls_all_its_feeds_with_no_more_turns_than_there_are() -> None:
    at_once = most = 0

    async def poll(_: FeedState) -> PollOutcome:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return PollOutcome(at=NOW, unchanged=True)

    context = context_of(poll, turns=asyncio.Semaphore(3))
    logic = PollLogic(context)
    done = asyncio.Event()
    polled: set[str] = set()

    async def submit(decide: Callable[[], Decision]) -> None:
        assert context.owned == {logic}
        decision = decide()
        logic.apply(decision)
        polled.update(decision.changes)
        if len(polled) == 100:
            done.set()

    for number in range(100):
        url = f"https://ledger.example/{number}"
        feed = Feed(feed_id=feed_id(url), url=url, added_at=NOW)
        logic.apply(logic.decide(registration(feed)))
    act = asyncio.create_task(logic.act(submit))
    async with asyncio.timeout(10):
        await done.wait()
    act.cancel()
    await asyncio.gather(act, return_exceptions=True)
    assert most == 3
    assert not context.owned
    assert all(state.due_at is not None and state.due_at > NOW for state in logic.states)
    async with asyncio.timeout(10):
        for _ in range(3):
            await context.turns.acquire()


async def test_what_was_seen_outlives_a_restart() -> None:
    """A restored partition finds nothing new in a feed that shows what it showed before."""
    shown = ParsedFeed(format="rss20", items=(item(1), item(2)))

    async def poll(_: FeedState) -> PollOutcome:
        return PollOutcome(at=NOW, parsed=shown)

    changelog: dict[str, bytes | None] = {}
    found: list[int] = []
    for _ in range(2):
        logic = PollLogic(context_of(poll))
        for key, value in changelog.items():
            logic.restore(key, value)
        logic.restored()
        decision = logic.decide(registration(FEED))
        logic.apply(decision)
        done = asyncio.Event()

        async def submit(decide: Callable[[], Decision], logic: PollLogic = logic, done: asyncio.Event = done) -> None:
            decision = decide()
            logic.apply(decision)
            changelog.update(decision.changes)
            found.append(len(decision.outputs))
            done.set()

        act = asyncio.create_task(logic.act(submit))
        async with asyncio.timeout(10):
            await done.wait()
        act.cancel()
        await asyncio.gather(act, return_exceptions=True)
    assert found == [2, 0]


def test_a_hosts_feeds_lie_in_one_partition_and_one_that_lies_elsewhere_is_refused() -> None:
    urls = ("https://ledger.example/rss", "http://WWW.Ledger.example:8080/sport.xml?a=b", "https://ledger.example/world")
    assert len({feed_partition(url) for url in urls}) == 1
    assert len({feed_partition(f"https://outlet-{number}.example/rss") for number in range(100)}) > 1

    async def poll(_: FeedState) -> PollOutcome:
        raise AssertionError

    misplaced = replace(registration(FEED), partition=feed_partition(FEED.url) + 1)
    with pytest.raises(InvalidMessage, match="slugline feeds add"):
        PollLogic(context_of(poll)).decide(misplaced)


async def test_feeds_of_one_host_are_polled_one_pause_apart_and_other_hosts_do_not_wait() -> None:
    now = NOW
    polled: list[tuple[str, float]] = []
    done = asyncio.Event()

    async def poll(state: FeedState) -> PollOutcome:
        polled.append((state.url, (now - NOW).total_seconds()))
        return PollOutcome(at=now, unchanged=True)

    logic = PollLogic(
        context_of(poll, clock=lambda: now, delay_s=lambda host: 5.0 if host == "slow.example" else 1.0, turns=asyncio.Semaphore(9))
    )

    async def submit(decide: Callable[[], Decision]) -> None:
        logic.apply(decide())
        done.set()

    for host in ("slow", "quick"):
        for number in range(3):
            url = f"https://{host}.example/{number}"
            logic.apply(logic.decide(registration(Feed(feed_id=feed_id(url), url=url, added_at=NOW))))
    act = asyncio.create_task(logic.act(submit))
    for _ in range(12):
        for _ in range(20):
            await asyncio.sleep(0)
        now += timedelta(seconds=1)
        logic.apply(Decision())
        logic._turns.look_again()
    act.cancel()
    await asyncio.gather(act, return_exceptions=True)
    assert [at for url, at in polled if "slow" in url] == [0, 5, 10]
    assert [at for url, at in polled if "quick" in url] == [0, 1, 2]


def test_feeds_that_were_registered_together_do_not_stay_together() -> None:
    nexts = []
    for number in range(200):
        feed = Feed(feed_id=feed_id(f"https://ledger.example/{number}"), url=f"https://ledger.example/{number}", added_at=NOW)
        state = FeedState(feed=feed, url=feed.url, interval_s=900, next_poll_at=NOW)
        value = conclude(state, SeenItems(), PollOutcome(at=NOW, unchanged=True), BOUNDS).decision.changes[feed_key(feed.feed_id)]
        polled = FeedState.model_validate_json(value or b"")
        nexts.append((polled.next_poll_at - NOW).total_seconds() / polled.interval_s)
    assert min(nexts) >= 1
    assert 90 < sum(share < 1.5 for share in nexts) < 110
    assert max(nexts) < 2
