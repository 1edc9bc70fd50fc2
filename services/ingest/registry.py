"""The feeds that are polled: kept in `feeds.v1`, which is their only register."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import ValidationError

from services.ingest.identity import feed_host
from services.ingest.opml import Outline
from services.ingest.poll.state import FEED_PREFIX, FeedState
from services.ingest.text import one_line
from shared.contracts import Feed
from shared.contracts.base import describe
from shared.errors import SluglineError
from shared.ids import feed_id
from shared.kafka.decision import Output
from shared.kafka.tables import Sender, read_table
from shared.settings import Settings, masked
from shared.topics import FEEDS, POLL_STATE, key_partition


@dataclass(frozen=True, slots=True)
class Registered:
    """A feed, and what polling knows of it (None: not polled yet)."""

    feed: Feed
    state: FeedState | None


def new_feed(
    url: str,
    *,
    now: datetime,
    title: str = "",
    publisher_name: str | None = None,
    language: str | None = None,
    country: str | None = None,
    section: str | None = None,
    min_interval_s: float | None = None,
) -> Feed:
    """Define a feed. Raises `SluglineError` that says what is wrong with the URL or a setting."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise SluglineError(f"{(masked(url) if '@' in url else url)[:200]!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise SluglineError(f"{masked(url)[:200]!r} is no feed's address: it must begin with http:// or https:// and name a host")
    try:
        return Feed(
            feed_id=feed_id(url),
            url=url,
            title=one_line(title),
            publisher_name=publisher_name,
            language=language,
            country=country,
            section=section,
            min_interval_s=min_interval_s,
            added_at=now,
        )
    except ValidationError as error:
        raise SluglineError(f"{masked(url)[:200]}: {describe(error)}") from error


def from_outline(outline: Outline, now: datetime) -> Feed:
    """Define a feed as an OPML file names it."""
    language = (outline.language or "").split("-")[0].lower()
    return new_feed(
        outline.url,
        now=now,
        title=outline.title,
        section=outline.section[:100] if outline.section else None,
        language=language if language.isalpha() and len(language) in (2, 3) else None,
    )


def feed_partition(url: str) -> int:
    """Give the partition of `feeds.v1` that a feed lies in: its host's, so that one worker polls a host and keeps its pauses."""
    return key_partition(feed_host(url), FEEDS)


async def registered(settings: Settings) -> dict[UUID, Registered]:
    """Read all feeds with their states."""
    feeds = await read_table(settings, FEEDS)
    states = await read_table(settings, POLL_STATE)
    found = {}
    for key, value in feeds.items():
        feed = Feed.from_bytes(value)
        state = states.get(f"{FEED_PREFIX}{key}")
        found[feed.feed_id] = Registered(feed, FeedState.model_validate_json(state) if state else None)
    return found


async def register(settings: Settings, feeds: Iterable[Feed]) -> None:
    """Write feeds' definitions."""
    async with Sender(settings) as sender:
        await sender.send(Output(FEEDS, str(feed.feed_id), feed, partition=feed_partition(feed.url)) for feed in feeds)


async def remove(settings: Settings, feeds: Iterable[Feed]) -> None:
    """Remove feeds; what they found stays."""
    async with Sender(settings) as sender:
        await sender.send(Output(FEEDS, str(feed.feed_id), None, partition=feed_partition(feed.url)) for feed in feeds)


def find(feeds: dict[UUID, Registered], name: str) -> Registered:
    """Find a feed by its URL or by its id (or its beginning, if only one begins so). Raises `SluglineError`."""
    matches = [one for one in feeds.values() if one.feed.url == name or str(one.feed.feed_id).startswith(name.lower())]
    if len(matches) == 1:
        return matches[0]
    raise SluglineError(
        f"no feed has the URL or id {masked(name)!r}; see: slugline feeds list"
        if not matches
        else f"{len(matches)} feeds begin with {name!r}"
    )
