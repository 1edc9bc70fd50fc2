"""How old the data is; by language and by feed the SQL views tell."""

from services.publish.read.models import Database, Freshness, WorkerStatus

_FRESHNESS = """
SELECT now() AS now,
    (SELECT max(newest_fetched_at) FROM freshness_by_language) AS newest_fetched_at,
    (SELECT max(last_appended_at) FROM pipeline_positions) AS newest_appended_at,
    (SELECT coalesce(sum(behind), 0)::bigint FROM pipeline_positions) AS behind,
    (SELECT count(*) FROM (SELECT DISTINCT story_id FROM (SELECT story_id FROM brief_queue LIMIT 5000) q LIMIT 1000) q) AS briefs_waiting,
    coalesce(extract(epoch FROM now() - (SELECT touched_at FROM brief_queue ORDER BY touch LIMIT 1)), 0)::float8 AS oldest_brief_wait_s
"""

_WORKERS = "SELECT worker, seen_at, ready, waits, lag FROM worker_status ORDER BY worker"


async def freshness(db: Database) -> Freshness:
    """Give how old the data is, and what each worker of publish last said. Meant to be asked every few seconds, not for every page."""
    row = await db.fetchrow(_FRESHNESS)
    workers = tuple(WorkerStatus(**dict(worker)) for worker in await db.fetch(_WORKERS))
    return Freshness(**{**dict(row), "oldest_brief_wait_s": max(0.0, row["oldest_brief_wait_s"])}, workers=workers)
