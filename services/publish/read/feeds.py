"""Feeds: their list, and their pages."""

# The SQL is composed of constants of this package; all values are parameters.
# ruff: noqa: S608

from uuid import UUID

from services.publish.read.models import Database, FeedPage, FeedSummary, Page, Publisher, Story
from services.publish.read.stories import CARD, to_story

COUNTED = 1_000
"""Articles and stories are counted up to here: a reader of a list needs to know no more, and a great outlet has a million."""

_PAGE = f"""
SELECT {CARD}, e.rank AS entry_rank
FROM (
    SELECT story_id, rank FROM feed_entries
    WHERE feed = $1 AND (rank, story_id) < ($2, $3)
    ORDER BY rank DESC, story_id DESC LIMIT $4
) e
JOIN stories s USING (story_id)
ORDER BY e.rank DESC, e.story_id DESC
"""

_LATEST = f"""
SELECT {CARD} FROM (
    SELECT * FROM stories WHERE article_count > 0 AND redirect_to IS NULL AND ($2::text IS NULL OR language = $2)
    ORDER BY appended_at DESC LIMIT $1
) s
ORDER BY s.appended_at DESC
"""

_FEEDS = f"""
WITH RECURSIVE names (feed) AS (
    (SELECT feed FROM feed_entries ORDER BY feed LIMIT 1)
    UNION ALL
    SELECT (SELECT e.feed FROM feed_entries e WHERE e.feed > n.feed ORDER BY e.feed LIMIT 1) FROM names n WHERE n.feed IS NOT NULL
),
listed AS (
    SELECT n.feed FROM names n WHERE n.feed IS NOT NULL
    UNION SELECT feed FROM feed_views
    UNION SELECT 'top'
)
SELECT l.feed, coalesce(v.kind, split_part(l.feed, '/', 1)) AS kind, coalesce(v.title, p.publisher_name, '') AS title,
    counted.stories AS story_count, dated.last_published_at, coalesce(best.headline, '') AS headline,
    coalesce(best.language, 'und') AS language
FROM listed l
LEFT JOIN feed_views v USING (feed)
LEFT JOIN LATERAL (
    SELECT m.publisher_name FROM story_members m
    WHERE l.feed LIKE 'publisher/%' AND m.publisher_id = substr(l.feed, 11) AND m.present ORDER BY m.fetched_at DESC LIMIT 1
) p ON true
CROSS JOIN LATERAL (SELECT count(*) AS stories FROM (SELECT FROM feed_entries e WHERE e.feed = l.feed LIMIT {COUNTED}) e) counted
CROSS JOIN LATERAL (
    SELECT max(s.last_published_at) AS last_published_at
    FROM (SELECT e.story_id FROM feed_entries e WHERE e.feed = l.feed ORDER BY e.rank DESC, e.story_id DESC LIMIT 5) e
    JOIN stories s USING (story_id)
) dated
LEFT JOIN LATERAL (
    SELECT s.headline, s.language FROM feed_entries e JOIN stories s USING (story_id)
    WHERE e.feed = l.feed ORDER BY e.rank DESC, e.story_id DESC LIMIT 1
) best ON true
WHERE $1::text[] IS NULL OR coalesce(v.kind, split_part(l.feed, '/', 1)) = ANY ($1)
ORDER BY v.position NULLS LAST, counted.stories DESC, l.feed
LIMIT $2
"""

_PUBLISHER = f"""
SELECT m.publisher_id, m.publisher_name,
    (SELECT count(*) FROM (SELECT FROM story_members WHERE publisher_id = $1 AND present LIMIT {COUNTED}) m) AS articles,
    (SELECT count(*) FROM (SELECT FROM feed_entries WHERE feed = 'publisher/' || $1 LIMIT {COUNTED}) e) AS stories
FROM (SELECT publisher_id, publisher_name FROM story_members WHERE publisher_id = $1 AND present ORDER BY fetched_at DESC LIMIT 1) m
"""

_LAST = UUID(int=2**128 - 1)


async def feed_page(db: Database, feed: str, *, limit: int = 30, after: Page | None = None) -> FeedPage:
    """Give stories of a feed in its order, those behind `after`.

    A feed is named 'top', 'language/en', 'country/KR', 'publisher/example.org', or as an operator named it ('section/science').
    An unknown feed is an empty one. A story whose rank rose meanwhile is met again at the top, not further down.
    """
    rank, last = (float("inf"), _LAST) if after is None else (after.rank, after.story_id)
    rows = await db.fetch(_PAGE, feed, rank, last, limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    return FeedPage(tuple(map(to_story, rows)), Page(rows[-1]["entry_rank"], rows[-1]["story_id"]) if more else None)


async def latest_stories(db: Database, *, limit: int = 10, language: str | None = None) -> tuple[Story, ...]:
    """Give the stories that changed last."""
    return tuple(map(to_story, await db.fetch(_LATEST, limit, language)))


async def feeds(db: Database, *, kinds: list[str] | None = None, limit: int = 1_000) -> tuple[FeedSummary, ...]:
    """Give the feeds that have stories or that an operator defined; operators' order first, then the largest."""
    return tuple(
        FeedSummary(
            row["feed"],
            row["kind"],
            row["title"] or row["feed"].partition("/")[2] or row["feed"],
            row["story_count"],
            row["last_published_at"],
            row["headline"],
            row["language"],
        )
        for row in await db.fetch(_FEEDS, kinds, limit)
    )


async def publisher(db: Database, publisher_id: str) -> Publisher | None:
    """Give an outlet and how much it reported; its stories are the feed 'publisher/ID'."""
    row = await db.fetchrow(_PUBLISHER, publisher_id)
    return None if row is None else Publisher(row["publisher_id"], row["publisher_name"], row["articles"], row["stories"])
