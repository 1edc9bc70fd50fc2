"""What follows from a poll: which items are new or changed, and the feed's next state. Pure."""

import hashlib
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.ingest.feeds.model import FeedItem, ParsedFeed
from services.ingest.identity import article_host, unlinked_urn
from services.ingest.poll.schedule import FIRST_JITTER, JITTER, Bounds, backoff, jitter, next_interval
from services.ingest.poll.state import FeedState, FeedStatus, SeenItems, feed_key, seen_key
from services.ingest.text import one_line
from shared.contracts import Discovery, DiscoveryKind, Extraction, Publisher
from shared.kafka.decision import Decision, Output
from shared.settings import masked
from shared.topics import DISCOVERIES

SEEN_LIMIT = 500
"""Items remembered beyond those that the feed shows now. One that comes back later is known to fetch; what it costs here is memory:
20 KB a feed, 200 MB for 10,000."""
DISCOVERIES_A_TURN = 500
"""Items discovered in one transaction; a longer feed takes several."""
SECONDS_A_DAY = 86_400.0
HABIT_S = 14 * SECONDS_A_DAY
"""The time over which a feed's items a day are averaged."""
QUIET_FADES_S = 56 * SECONDS_A_DAY
"""After so long the longest time between two finds counts half."""


@dataclass(frozen=True, slots=True)
class PollOutcome:
    """How a poll went. Exactly one of `parsed`, `unchanged`, `gone` and `error` says it."""

    at: datetime
    parsed: ParsedFeed | None = None
    unchanged: bool = False
    gone: bool = False
    error: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    moved_to: str | None = None
    retry_after_s: float | None = None
    max_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A decision, how many items the poll has found so far, and how many wait for its next turn."""

    decision: Decision
    found: int
    waiting: int
    gap: bool = False


@dataclass(slots=True)
class _Found:
    fresh: list[tuple[str, str, FeedItem]] = field(default_factory=list)
    known: int = 0


def conclude(state: FeedState, seen: SeenItems, outcome: PollOutcome, bounds: Bounds, before: Conclusion | None = None) -> Conclusion:
    """Decide what a poll changes. Items come out oldest first; at most 500 a turn, the rest in the turns that follow.

    `before` is what the poll's last turn concluded.
    """
    if outcome.error is not None or outcome.gone:
        return Conclusion(
            Decision(changes={feed_key(state.feed.feed_id): _failed(state, outcome, bounds).model_dump_json().encode()}), 0, 0
        )
    changes: dict[str, bytes | None] = {}
    outputs: tuple[Output, ...] = ()
    found, waiting, gap = (before.found, 0, before.gap) if before else (0, 0, False)
    if outcome.parsed is not None:
        sorted_out = _sort_out(outcome.parsed, seen)
        gap = gap or (bool(seen.items) and bool(sorted_out.fresh) and sorted_out.known == 0)
        turn = sorted_out.fresh[:DISCOVERIES_A_TURN]
        found, waiting = found + len(turn), len(sorted_out.fresh) - len(turn)
        outputs = tuple(output for _, _, item in turn if (output := discovery(state, outcome.parsed, item, outcome.at)) is not None)
        if turn:
            changes[seen_key(state.feed.feed_id)] = _remember(seen, turn, outcome.parsed).model_dump_json().encode()
    if not waiting:
        changes[feed_key(state.feed.feed_id)] = _succeeded(state, outcome, bounds, found=found, gap=gap).model_dump_json().encode()
    return Conclusion(Decision(outputs, changes), found, waiting, gap)


def item_key(item: FeedItem) -> str | None:
    """Give what tells a feed's items apart: its canonical URL, else its id (ids change and repeat in the wild, URLs less)."""
    identity = item.canonical_url or item.item_id
    return None if identity is None else _hash(identity)


def fingerprint(item: FeedItem) -> str:
    """Give a hash of what a reader would see change."""
    return _hash("\x1f".join((item.title, item.summary, item.text, item.updated_at.isoformat() if item.updated_at else "")))


def discovery(state: FeedState, parsed: ParsedFeed, item: FeedItem, at: datetime) -> Output | None:
    """Make the discovery of an item; an item without URL is a whole article if it has an id and words."""
    feed = state.feed
    source = feed.publisher_name or item.publisher_name or parsed.title or feed.title or masked(feed.url)
    canonical = item.canonical_url
    if canonical is None:
        if item.item_id is None or not (item.title or item.text):
            return None
        canonical = unlinked_urn(source, item.item_id)
    message = Discovery(
        kind=DiscoveryKind.ITEM if item.url else DiscoveryKind.ARTICLE,
        feed_id=feed.feed_id,
        url=item.url,
        source=one_line(source),
        item_id=item.item_id[:2_000] if item.item_id else None,
        title=item.title,
        summary=item.summary,
        text=item.text,
        truncated=item.truncated,
        authors=item.authors[:50],
        image=item.image,
        section=item.section or feed.section,
        publisher=None if item.url else Publisher(id=one_line(source, 255), name=one_line(source)),
        language=item.language or parsed.language or feed.language,
        published_at=item.published_at or item.updated_at,
        discovered_at=at,
        extraction=None if item.url else Extraction.SUMMARY,
    )
    return Output(DISCOVERIES, article_host(canonical), message)


def _sort_out(parsed: ParsedFeed, seen: SeenItems) -> _Found:
    found = _Found()
    taken: set[str] = set()
    for item in reversed(parsed.items):
        key = item_key(item)
        if key is None or key in taken:
            continue
        taken.add(key)
        print_now = fingerprint(item)
        before = seen.items.get(key)
        if before is not None:
            found.known += 1
        if before != print_now:
            found.fresh.append((key, print_now, item))
    return found


def _remember(seen: SeenItems, turn: list[tuple[str, str, FeedItem]], parsed: ParsedFeed) -> SeenItems:
    items = dict(seen.items)
    for key, print_now, _ in turn:
        items.pop(key, None)
        items[key] = print_now
    limit = len(parsed.items) + SEEN_LIMIT
    if len(items) > limit:
        shown = {item_key(item) for item in parsed.items}
        surplus = [key for key in items if key not in shown][: len(items) - limit]
        for key in surplus:
            del items[key]
    return SeenItems(items=items)


def _failed(state: FeedState, outcome: PollOutcome, bounds: Bounds) -> FeedState:
    failures = state.failures + 1
    pause = jitter(backoff(failures, bounds, outcome.retry_after_s), state.feed.feed_id, failures)
    return state.model_copy(
        update={
            "status": FeedStatus.GONE if outcome.gone else FeedStatus.FAILING,
            "failures": failures,
            "last_error": "gone: the outlet answered 410" if outcome.gone else one_line(outcome.error or "", 500),
            "last_poll_at": outcome.at,
            "next_poll_at": outcome.at + timedelta(seconds=pause),
        }
    )


def _succeeded(state: FeedState, outcome: PollOutcome, bounds: Bounds, *, found: int, gap: bool) -> FeedState:
    parsed = outcome.parsed
    hints = [hint for hint in (outcome.max_age_s, outcome.retry_after_s, parsed.interval_hint_s if parsed else None) if hint]
    own = (
        bounds if state.feed.min_interval_s is None else Bounds(state.feed.min_interval_s, max(bounds.longest_s, state.feed.min_interval_s))
    )
    spread = FIRST_JITTER if state.last_success_at is None else JITTER
    interval_s = next_interval(state.interval_s, own, found=found, gap=gap, hint_s=max(hints, default=None))
    return state.model_copy(
        update={
            "status": FeedStatus.OK,
            "url": outcome.moved_to or state.url,
            "title": one_line(parsed.title) if parsed and parsed.title else state.title,
            "etag": outcome.etag or (state.etag if outcome.unchanged else None),
            "last_modified": outcome.last_modified or (state.last_modified if outcome.unchanged else None),
            "interval_s": interval_s,
            "failures": 0,
            "last_error": None,
            "last_poll_at": outcome.at,
            "last_success_at": outcome.at,
            "last_item_at": outcome.at if found else state.last_item_at,
            "longest_quiet_s": _longest_quiet_s(state, outcome.at) if found else state.longest_quiet_s,
            "finds": state.finds + (1 if found else 0),
            "next_poll_at": outcome.at + timedelta(seconds=jitter(interval_s, state.feed.feed_id, int(outcome.at.timestamp()), spread)),
            "items_found": state.items_found + found,
            "items_a_day": _items_a_day(state, outcome.at, found),
            "gaps": state.gaps + (1 if gap else 0),
        }
    )


def _items_a_day(state: FeedState, at: datetime, found: int) -> float | None:
    """Average over two weeks, or over a younger feed's life. What a feed shows at its first poll says nothing of its habit."""
    since_s = (at - state.last_success_at).total_seconds() if state.last_success_at else 0.0
    if since_s <= 0:
        return state.items_a_day
    now_a_day = found * SECONDS_A_DAY / since_s
    if state.items_a_day is None:
        return now_a_day
    life_s = max((at - state.feed.added_at).total_seconds(), since_s)
    weight = max(since_s / life_s, 1 - math.exp(-since_s / HABIT_S))
    return state.items_a_day + weight * (now_a_day - state.items_a_day)


def _longest_quiet_s(state: FeedState, at: datetime) -> float | None:
    """Give the longest time between two finds, which fades: a feed that has become busier is measured by what it is now."""
    if state.last_item_at is None:
        return None
    quiet_s = (at - state.last_item_at).total_seconds()
    faded: float = (state.longest_quiet_s or 0.0) * 0.5 ** (quiet_s / QUIET_FADES_S)
    return max(quiet_s, faded)


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
