"""How old the data is, in all, by language and by feed."""

from services.publish.read.models import Database, FeedFreshness, Freshness, LanguageFreshness, WorkerStatus

_FRESHNESS = """
SELECT now() AS now,
    (SELECT max(newest_fetched_at) FROM freshness_by_language) AS newest_fetched_at,
    (SELECT max(last_appended_at) FROM pipeline_positions) AS newest_appended_at,
    (SELECT coalesce(sum(behind), 0)::bigint FROM pipeline_positions) AS behind,
    (SELECT count(*) FROM (SELECT DISTINCT story_id FROM (SELECT story_id FROM brief_queue LIMIT 5000) q LIMIT 1000) q) AS briefs_waiting,
    coalesce(extract(epoch FROM now() - (SELECT touched_at FROM brief_queue ORDER BY touch LIMIT 1)), 0)::float8 AS oldest_brief_wait_s
"""

_WORKERS = "SELECT worker, seen_at, ready, waits, lag FROM worker_status ORDER BY worker"

_BY_LANGUAGE = """
SELECT language, newest_fetched_at, newest_published_at, age_seconds::float8 AS age_s FROM freshness_by_language ORDER BY language
"""

_BY_FEED = """
SELECT feed_id, title, url, language, paused, newest_fetched_at, coalesce(articles_last_7_days, 0) AS articles_last_7_days,
    age_seconds::float8 AS age_s
FROM freshness_by_feed ORDER BY newest_fetched_at DESC NULLS LAST, url
"""


async def freshness(db: Database) -> Freshness:
    """Give how old the data is, and what each worker of publish last said. Meant to be asked every few seconds, not for every page."""
    row = await db.fetchrow(_FRESHNESS)
    workers = tuple(WorkerStatus(**dict(worker)) for worker in await db.fetch(_WORKERS))
    return Freshness(**{**dict(row), "oldest_brief_wait_s": max(0.0, row["oldest_brief_wait_s"])}, workers=workers)


async def freshness_by_language(db: Database) -> tuple[LanguageFreshness, ...]:
    """Give how old each language's newest article is."""
    return tuple(LanguageFreshness(**dict(row)) for row in await db.fetch(_BY_LANGUAGE))


async def freshness_by_feed(db: Database) -> tuple[FeedFreshness, ...]:
    """Give how old each polled feed's newest article is. Looks at 7 days of articles: ask once a minute at most."""
    return tuple(FeedFreshness(**dict(row)) for row in await db.fetch(_BY_FEED))
