"""Answer what pages, the API and feeds ask alike, from the database."""

from dataclasses import dataclass
from uuid import UUID

from services.publish import read
from services.publish.web import present
from services.publish.web.problems import not_found
from services.publish.web.site import Site

FEEDS_KEPT_S = 5.0
"""The list of feeds is counted anew no more often."""
LONGEST_FEED = 400

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


async def feed_stories(db: read.Database, feed: str, *, after: read.Page | None, limit: int) -> FeedStories:
    """Give a page of a feed; Top Headlines in an order of diverse topics. Raises a 404 problem for a feed that is none."""
    if len(feed) > LONGEST_FEED or "\0" in feed:
        raise not_found("feed")
    kind = feed.partition("/")[0]
    page = await read.feed_page(db, feed, limit=limit, after=after)
    named = ""
    if kind not in ("top", "language", "country"):
        if kind == "publisher":
            publisher = await read.publisher(db, feed.partition("/")[2])
            named = publisher.name if publisher else ""
        else:
            named = await db.fetchval(_VIEW, feed) or ""
    if not page.stories and feed != "top" and not named and not await db.fetchval(_KNOWN, feed):
        raise not_found("feed")
    stories = tuple(present.diverse(page.stories)) if feed == "top" else page.stories
    return FeedStories(feed, kind, present.feed_title(feed, named), stories, page.next)


async def all_feeds(site: Site, db: read.Database) -> tuple[read.FeedSummary, ...]:
    """Give the list of feeds, counted within the last seconds."""
    if site.clock() - site.feeds_at_s > FEEDS_KEPT_S:
        site.feeds = await read.feeds(db)
        site.feeds_at_s = site.clock()
    return site.feeds


async def whole_story(db: read.Database, story_id: UUID, *, member_limit: int) -> read.StoryDetail | read.Redirect:
    """Give a story, or where it lives on. Raises a 404 problem."""
    found = await read.story(db, story_id, member_limit=member_limit)
    if found is None:
        raise not_found("story")
    return found
