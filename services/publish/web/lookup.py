"""Answer what pages, the API and feeds ask alike, from the database."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.publish import read
from services.publish.web import present
from services.publish.web.problems import ProblemRaised, not_found
from services.publish.web.site import Site

LONGEST_FEED = 400
SEARCH_WAIT_S = 3.0
PUBLISHER_KEPT_S = 60.0
PUBLISHERS_KEPT = 1_000

_VIEW = "SELECT title FROM feed_views WHERE feed = $1"
_KNOWN = "SELECT EXISTS (SELECT FROM feed_entries WHERE feed = $1)"


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
    kind = feed.partition("/")[0]
    page = await read.feed_page(db, feed, limit=limit, after=after)
    named = ""
    if kind not in ("top", "language", "country"):
        if kind == "publisher":
            publisher = await about_publisher(site, db, feed.partition("/")[2])
            named = publisher.name if publisher else ""
        else:
            named = await db.fetchval(_VIEW, feed) or ""
    if not page.stories and feed != "top" and not named and not await db.fetchval(_KNOWN, feed):
        raise not_found("feed")
    stories = tuple(present.diverse(page.stories)) if feed == "top" else page.stories
    return FeedStories(feed, kind, present.feed_title(feed, named), stories, page.next)


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
