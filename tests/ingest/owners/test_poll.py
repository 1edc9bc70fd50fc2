"""Poll's decisions: what is new, what changed, when the feed is polled next."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.feeds.model import FeedItem, ParsedFeed
from services.ingest.poll.discover import Conclusion, PollOutcome, conclude
from services.ingest.poll.schedule import Bounds, backoff, next_interval
from services.ingest.poll.state import FeedState, FeedStatus, SeenItems, feed_key, seen_key
from shared.contracts import Discovery, Feed
from shared.ids import feed_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOUNDS = Bounds(60, 86_400)
FEED = Feed(feed_id=feed_id("https://ledger.example/rss"), url="https://ledger.example/rss", added_at=NOW)


def item(number: int, title: str = "A title") -> FeedItem:
    url = f"https://ledger.example/{number}"
    return FeedItem(item_id=f"id-{number}", url=url, canonical_url=url, title=title)


class Watch:
    """A feed under observation."""

    def __init__(self) -> None:
        self.state = FeedState(feed=FEED, url=FEED.url, interval_s=900, next_poll_at=NOW)
        self.seen = SeenItems()
        self.found: list[Discovery] = []

    def conclude(self, outcome: PollOutcome) -> Conclusion:
        conclusion = conclude(self.state, self.seen, outcome, BOUNDS)
        changes = conclusion.decision.changes
        if (value := changes.get(feed_key(FEED.feed_id))) is not None:
            self.state = FeedState.model_validate_json(value)
        if (value := changes.get(seen_key(FEED.feed_id))) is not None:
            self.seen = SeenItems.model_validate_json(value)
        self.found += [output.value for output in conclusion.decision.outputs if isinstance(output.value, Discovery)]
        return conclusion

    def show(self, *items: FeedItem, at: datetime = NOW) -> Conclusion:
        return self.conclude(PollOutcome(at=at, parsed=ParsedFeed(format="rss20", title="The Ledger", items=items)))


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
    turns = [watch.show(*items) for _ in range(3)]
    assert [(turn.found, turn.waiting) for turn in turns] == [(500, 700), (500, 200), (200, 0)]
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
