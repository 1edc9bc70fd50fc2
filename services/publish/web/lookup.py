"""Answer what pages, the API and feeds ask alike, from the database."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.publish import read
from services.publish.web import present
from services.publish.web.position import Position
from services.publish.web.problems import ProblemRaised, not_found
from services.publish.web.site import Site

LONGEST_FEED = 400
SEARCH_WAIT_S = 3.0
PUBLISHER_KEPT_S = 60.0
PUBLISHERS_KEPT = 1_000

_VIEW = "SELECT title FROM feed_views WHERE feed = $1"
_KNOWN = "SELECT EXISTS (SELECT FROM feed_entries WHERE feed = $1)"
_NEWEST = "SELECT source_partition, source_offset FROM story_updates WHERE story_id = $1 ORDER BY revision DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class FeedStories:
    """A page of a feed."""

    feed: str
    kind: str
    title: str
    stories: tuple[read.Story, ...]
    next: read.Page | None


async def feed_stories(site: Site, db: read.Database, feed: str, *, after: read.Page | None, limit: int) -> FeedStories:
    """Give a page of a feed; Top Headlines in an order of diverse topics. Raises a 404 problem for a feed that is none."""
    if len(feed) > LONGEST_FEED or "\0" in feed:
        raise not_found("feed")
    page = await read.feed_page(db, feed, limit=limit, after=after)
    named = await _name(site, db, feed)
    if not page.stories and not named and not await _is_known(db, feed):
        raise not_found("feed")
    stories = tuple(present.diverse(page.stories)) if feed == "top" else page.stories
    return FeedStories(feed, feed.partition("/")[0], present.feed_title(feed, named), stories, page.next)


async def check_feed(site: Site, db: read.Database, feed: str) -> None:
    """Raise a 404 problem for a feed that is none, as `feed_stories` does."""
    if "\0" in feed or not (await _is_known(db, feed) or await _name(site, db, feed)):
        raise not_found("feed")


async def _is_known(db: read.Database, feed: str) -> bool:
    return feed == "top" or bool(await db.fetchval(_KNOWN, feed))


async def _name(site: Site, db: read.Database, feed: str) -> str:
    """Give what an operator called a feed, or the outlet's name; nothing where neither did."""
    kind, _, rest = feed.partition("/")
    if kind in ("top", "language", "country"):
        return ""
    if kind == "publisher":
        publisher = await about_publisher(site, db, rest)
        return publisher.name if publisher else ""
    return await db.fetchval(_VIEW, feed) or ""


async def all_feeds(site: Site, db: read.Database) -> tuple[read.FeedSummary, ...]:
    """Give the list of feeds, as it was counted a few seconds ago; only the very first request waits for the count."""
    site.feeds_asked_s = site.clock()
    if site.feeds is None:
        site.feeds = await read.feeds(db)
    return site.feeds


async def about_publisher(site: Site, db: read.Database, publisher_id: str) -> read.Publisher | None:
    """Give an outlet. Counts that have reached their end stay as they are for a minute: each reads a thousand rows."""
    kept = site.publishers.get(publisher_id)
    if kept is not None and site.clock() - kept[0] < PUBLISHER_KEPT_S:
        return kept[1]
    site.publishers.pop(publisher_id, None)
    found = await read.publisher(db, publisher_id)
    if found is not None and min(found.article_count, found.story_count) >= read.COUNTED:
        if len(site.publishers) >= PUBLISHERS_KEPT:
            del site.publishers[next(iter(site.publishers))]
        site.publishers[publisher_id] = (site.clock(), found)
    return found


async def whole_story(db: read.Database, story_id: UUID, *, member_limit: int) -> read.StoryDetail | read.Redirect:
    """Give a story, or where it lives on. Raises a 404 problem."""
    found = await read.story(db, story_id, member_limit=member_limit)
    if found is None:
        raise not_found("story")
    return found


async def story_to_follow(db: read.Database, story_id: UUID, position: Position | None) -> UUID:
    """Give the story whose events follow on `position`: another one once its merge was heard. Raises a 404 problem."""
    living = await read.resolve(db, story_id)
    if living == story_id:
        return story_id
    newest = await db.fetchrow(_NEWEST, story_id)
    if newest is None and living is None:
        raise not_found("story")
    heard = position is None or newest is None or newest["source_offset"] < position.get(newest["source_partition"], 0)
    return living if living is not None and heard else story_id


async def search_stories(
    site: Site, query: str, *, language: str | None, after: datetime | None, before: datetime | None, limit: int, page: read.Page | None
) -> read.SearchResult:
    """Search, a few at a time. Raises a 503 problem when too many wait."""
    try:
        async with asyncio.timeout(SEARCH_WAIT_S):
            await site.searching.acquire()
    except TimeoutError:
        raise ProblemRaised(503, "Too many searches at the moment. Try again in a few seconds.", headers={"Retry-After": "5"}) from None
    try:
        async with site.connections.read() as db:
            return await read.search(db, query, language=language, published_after=after, published_before=before, limit=limit, after=page)
    finally:
        site.searching.release()
