"""What waits to be told: put there with the feeds' entries, taken by the worker, settled when it is told."""

# The statements are composed of constants of this module; all values are parameters.
# ruff: noqa: S608

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.publish.connect import Connection, Pool
from services.publish.read.models import Database
from services.publish.webhooks.event import Event, Told
from shared.topics import ARTICLES, FEEDS, STORIES, STORY_MEMBERS

CHANNEL: Final = "slugline_webhooks_due"
"""Signals the worker that `webhook_pending` has rows, or that an endpoint was changed."""
CURRENT: Final = 1_000
"""The rows count as current while fewer records than this wait; more, and they are being read anew."""


def _touch(entries: str, told: str) -> str:
    """Write the statement that notes what endpoints have to be told, of the entries, and of what was told, that meet a condition."""
    return f"""
WITH wanted AS (
    SELECT w.webhook_id, e.story_id, s.revision
    FROM webhooks w JOIN feed_entries e USING (feed) JOIN stories s USING (story_id)
    WHERE {entries}
),
told AS (
    SELECT t.webhook_id, t.story_id, t.revision FROM webhook_told t JOIN webhooks w USING (webhook_id) WHERE t.present AND {told}
),
put AS (
    INSERT INTO webhook_pending (webhook_id, story_id)
    SELECT webhook_id, story_id FROM wanted FULL JOIN told USING (webhook_id, story_id)
    WHERE wanted.revision IS DISTINCT FROM told.revision
    ORDER BY webhook_id, story_id
    ON CONFLICT (webhook_id, story_id) DO UPDATE SET touch = webhook_pending.touch + 1, touched_at = now()
    RETURNING 1
)
SELECT pg_notify('{CHANNEL}', '') FROM put LIMIT 1
"""


_TOUCH_STORIES: Final = _touch("e.story_id = ANY ($1::uuid[])", "t.story_id = ANY ($1::uuid[])")
_TOUCH_FEED: Final = _touch("w.feed = $1", "w.feed = $1")
_TOUCH_ALL: Final = _touch("true", "true")
_BEGIN = """
INSERT INTO webhook_told (webhook_id, story_id, revision, present, turn)
SELECT $1, e.story_id, s.revision, true, 0 FROM feed_entries e JOIN stories s USING (story_id) WHERE e.feed = $2
"""
_DUE = """
SELECT p.story_id, p.touch, p.since, p.touched_at, p.attempts, t.revision AS told_revision, t.present AS told_present, t.turn,
    s.story_id IS NOT NULL AS known, s.revision, s.status, s.headline, s.language, s.article_count, s.publisher_count,
    s.first_published_at, s.last_published_at, s.redirect_to, s.appended_at AS changed_at,
    EXISTS (SELECT FROM feed_entries e WHERE e.feed = w.feed AND e.story_id = p.story_id) AS present
FROM (
    SELECT * FROM webhook_pending WHERE webhook_id = $1 AND not_before <= now() AND story_id <> ALL ($3::uuid[])
    ORDER BY since, story_id LIMIT $2
) p
JOIN webhooks w USING (webhook_id)
LEFT JOIN webhook_told t USING (webhook_id, story_id)
LEFT JOIN stories s USING (story_id)
ORDER BY p.since, p.story_id
"""
_BEHIND = """
SELECT count(DISTINCT topic) = cardinality($1::text[]) AND sum(greatest(end_offset - next_offset, 0)) < $2
FROM consumed_offsets WHERE topic = ANY ($1)
"""
_TOLD = """
INSERT INTO webhook_told (webhook_id, story_id, revision, present, turn) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (webhook_id, story_id) DO UPDATE
SET revision = excluded.revision, present = excluded.present, turn = excluded.turn, told_at = now()
"""
_SETTLE = "DELETE FROM webhook_pending WHERE webhook_id = $1 AND story_id = $2 AND touch = $3"
_GO_ON = """
UPDATE webhook_pending SET attempts = 0, since = touched_at, not_before = '-infinity' WHERE webhook_id = $1 AND story_id = $2
"""
_LATER = "UPDATE webhook_pending SET not_before = $3, attempts = attempts + $4 WHERE webhook_id = $1 AND story_id = $2"
_LOG = """
INSERT INTO webhook_deliveries (webhook_id, event_id, kind, story_id, revision, attempt, outcome, status, error, took_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_PRUNE_LOG = "DELETE FROM webhook_deliveries WHERE attempted_at < now() - make_interval(secs => $1)"
_PRUNE_TOLD = """
DELETE FROM webhook_told t WHERE told_at < now() - make_interval(secs => $1)
    AND (NOT present OR NOT EXISTS (SELECT FROM stories s WHERE s.story_id = t.story_id))
"""
_WAITING = """
SELECT w.name, count(p.story_id) AS waiting, w.disabled_at IS NOT NULL AS disabled, w.failing_since IS NOT NULL AS failing
FROM webhooks w LEFT JOIN webhook_pending p USING (webhook_id) GROUP BY w.webhook_id
"""


@dataclass(frozen=True, slots=True)
class Due:
    """A story that waits for an endpoint, and how it stands now."""

    story_id: UUID
    touch: int
    since: datetime
    touched_at: datetime
    attempts: int
    told: Told | None
    story: dict[str, Any] | None
    """None: there is no such row, as while the rows are read anew."""
    present: bool


async def touch_stories(connection: Connection, story_ids: Sequence[UUID]) -> None:
    """Note which endpoints have something to be told of these stories. Within the transaction that has refreshed their entries."""
    await connection.execute(_TOUCH_STORIES, story_ids)


async def touch_feed(connection: Connection, feed: str) -> None:
    """Note what a feed's endpoints have to be told after it was filled anew, within that transaction."""
    await connection.execute(_TOUCH_FEED, feed)


async def sweep(pool: Pool) -> None:
    """Note all that endpoints have to be told by the rows. It should find nothing, but after rows were replaced as a whole."""
    await pool.execute(_TOUCH_ALL)


async def begin_told(connection: Connection, webhook_id: UUID, feed: str) -> None:
    """Count a feed's present stories as told, so that an endpoint hears of what comes from now on."""
    await connection.execute(_BEGIN, webhook_id, feed)


async def due(pool: Pool, webhook_id: UUID, most: int, under_way: Sequence[UUID]) -> list[Due]:
    """Give the stories that have waited longest for an endpoint, without those under way."""
    return [_due(row) for row in await pool.fetch(_DUE, webhook_id, most, under_way)]


def _due(row: Any) -> Due:
    told = None if row["turn"] is None else Told(row["told_revision"], row["told_present"], row["turn"])
    story = dict(row) if row["known"] else None
    return Due(row["story_id"], row["touch"], row["since"], row["touched_at"], row["attempts"], told, story, row["present"])


async def rows_current(pool: Pool) -> bool:
    """Say whether the rows are up to the topics, give or take what is in flight."""
    return bool(await pool.fetchval(_BEHIND, [ARTICLES.name, FEEDS.name, STORIES.name, STORY_MEMBERS.name], CURRENT))


async def settle(connection: Connection | Any, webhook_id: UUID, item: Due, event: Event | None) -> None:
    """Note that an endpoint was told (None: there was nothing to tell). A change that came meanwhile waits on."""
    if event is not None and event.revision is not None:
        turn = 1 if item.told is None else item.told.turn + 1
        await connection.execute(_TOLD, webhook_id, item.story_id, event.revision, item.present, turn)
    if await connection.execute(_SETTLE, webhook_id, item.story_id, item.touch) == "DELETE 0":
        await connection.execute(_GO_ON, webhook_id, item.story_id)


async def put_off(connection: Connection | Any, webhook_id: UUID, story_id: UUID, until: datetime, *, failed: bool) -> None:
    """Leave a story waiting for later."""
    await connection.execute(_LATER, webhook_id, story_id, until, int(failed))


async def log_delivery(
    connection: Connection | Any,
    webhook_id: UUID,
    event: Event,
    *,
    attempt: int,
    outcome: str,
    status: int | None,
    error: str,
    took_ms: int,
) -> None:
    """Keep a try for whoever looks for the fault."""
    await connection.execute(
        _LOG, webhook_id, event.event_id, event.kind.value, event.story_id, event.revision, attempt, outcome, status, error, took_ms
    )


async def prune(pool: Pool, log_s: float, told_s: float) -> None:
    """Forget old tries, and stories that left a feed long ago or are no longer kept."""
    await pool.execute(_PRUNE_LOG, log_s)
    await pool.execute(_PRUNE_TOLD, told_s)


async def waiting(db: Database) -> list[Any]:
    """Give each endpoint's name, how many stories wait for it, and whether it fails or is disabled."""
    return list(await db.fetch(_WAITING))
