"""The queue of stories whose brief may be behind, and what is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.publish.brief.due import Facts, to_story
from services.publish.brief.limits import DEFAULT_LIMITS
from services.publish.brief.source import Source
from services.publish.connect import Connection
from shared.contracts import Brief, Extraction
from shared.topics import ARTICLES, STORIES, STORY_MEMBERS

STORY_LOCK: Final = 0x5C08
"""Advisory lock, with the story's hash as its second part: two workers never make one story's brief at once."""
LEFT_LOCK: Final = 0x5C09
"""Advisory lock of the worker that takes up what others left for a model."""
CURRENT: Final = 1_000
"""The rows count as current while fewer records than this wait; more, and they are being read anew."""

_OLDEST = """
SELECT touch, story_id FROM brief_queue WHERE not_before <= now() ORDER BY touch LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_LOCK = "SELECT story_id FROM unnest($1::uuid[]) AS s (story_id) WHERE pg_try_advisory_xact_lock($2, hashtext(story_id::text))"
_LOCK_ONE = "SELECT pg_try_advisory_xact_lock($1, hashtext($2::uuid::text))"
_FINGERPRINT = "SELECT fingerprint FROM brief_inputs WHERE story_id = $1"
_ALL_OF = "SELECT touch, story_id, touched_at, traceparent FROM brief_queue WHERE story_id = ANY ($1::uuid[]) FOR UPDATE SKIP LOCKED"
_STORIES = """
SELECT asked.story_id AS asked_id, s.*, b.story_revision AS brief_revision, b.sections, b.corrected, b.made_by,
    f.story_revision AS failed_revision, i.fingerprint, i.made_at
FROM unnest($1::uuid[]) AS asked (story_id)
LEFT JOIN stories s USING (story_id)
LEFT JOIN story_briefs b USING (story_id)
LEFT JOIN brief_failures f USING (story_id)
LEFT JOIN brief_inputs i USING (story_id)
"""
_MEMBERS = """
SELECT m.story_id, m.number, m.article_id, m.wire_group, m.title AS member_title, m.publisher_id, m.publisher_name, m.published_at,
    m.fetched_at, coalesce(a.version >= m.version, false) AS arrived, a.version, a.status, a.title, a.language, a.extraction,
    left(CASE WHEN a.text = '' THEN a.summary ELSE a.text END, $2) AS text
FROM unnest($1::uuid[]) AS asked (story_id)
CROSS JOIN LATERAL (
    SELECT * FROM story_members m WHERE m.story_id = asked.story_id AND m.present ORDER BY m.number LIMIT $3
) m
LEFT JOIN articles a USING (article_id)
ORDER BY m.story_id, m.number
"""
_BEHIND = "SELECT coalesce(sum(greatest(end_offset - next_offset, 0)), 0)::bigint FROM consumed_offsets WHERE topic = ANY ($1::text[])"
_DONE = "DELETE FROM brief_queue WHERE touch = ANY ($1::bigint[])"
_LATER = "UPDATE brief_queue SET not_before = now() + make_interval(secs => $2) WHERE touch = ANY ($1::bigint[])"
_MADE = """
INSERT INTO brief_inputs (story_id, fingerprint) VALUES ($1, $2)
ON CONFLICT (story_id) DO UPDATE SET fingerprint = excluded.fingerprint, made_at = now()
"""
_FAILED = """
INSERT INTO brief_failures (story_id, story_revision, reason, error) VALUES ($1, $2, $3, $4)
ON CONFLICT (story_id) DO UPDATE
SET story_revision = excluded.story_revision, reason = excluded.reason, error = excluded.error, failed_at = now()
"""
_SWEEP = """
INSERT INTO brief_queue (story_id)
SELECT s.story_id
FROM stories s LEFT JOIN story_briefs b USING (story_id) LEFT JOIN brief_failures f USING (story_id)
WHERE s.article_count > 0 AND s.status NOT IN ('merged', 'empty')
    AND (b.story_revision IS NULL OR b.story_revision < s.revision)
    AND (f.story_revision IS NULL OR f.story_revision < s.revision)
    AND s.appended_at < now() - interval '10 seconds'
    AND NOT EXISTS (SELECT FROM brief_queue q WHERE q.story_id = s.story_id)
    AND EXISTS (SELECT FROM story_members m WHERE m.story_id = s.story_id AND m.present)
LIMIT 1000
"""
_UNWORDED = """
SELECT s.story_id, now() AS asked_at
FROM story_briefs b JOIN stories s USING (story_id) JOIN brief_inputs i USING (story_id)
WHERE b.made_by = 'extractive' AND b.sections <> '[]' AND b.story_revision >= s.revision AND s.status = 'open'
    AND b.appended_at > now() - interval '1 day'
    AND NOT EXISTS (SELECT FROM brief_queue q WHERE q.story_id = s.story_id)
ORDER BY s.publisher_count DESC, s.story_id LIMIT $1
"""
_WAITING = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(touched_at)), 0)::float8 FROM (
    SELECT touched_at FROM brief_queue WHERE not_before <= now() ORDER BY touch LIMIT 1000
) q
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A story taken from the queue, and the queue's rows that are settled with it."""

    story_id: UUID
    touches: tuple[int, ...]
    touched_at: datetime
    traceparents: tuple[str, ...] = ()
    """Of what touched it, newest first, where that is traced."""


async def claim(connection: Connection, stories: int) -> list[Claim] | None:
    """Take the stories that have waited longest, within a transaction that holds them until it ends.

    What is put on the queue from now on stays there, so the rows must be read after this. None: the queue is empty; an empty
    list: other workers have these stories in hand.
    """
    rows = await connection.fetch(_OLDEST, stories)
    if not rows:
        return None
    wanted = list(dict.fromkeys(row["story_id"] for row in rows))
    locked = {row["story_id"] for row in await connection.fetch(_LOCK, wanted, STORY_LOCK)}
    touches: dict[UUID, list[Any]] = {story_id: [] for story_id in wanted if story_id in locked}
    for row in await connection.fetch(_ALL_OF, list(touches)):
        touches[row["story_id"]].append(row)
    return [
        Claim(
            story_id,
            tuple(row["touch"] for row in found),
            min(row["touched_at"] for row in found),
            tuple(row["traceparent"] for row in sorted(found, key=_touch, reverse=True) if row["traceparent"]),
        )
        for story_id, found in touches.items()
        if found
    ]


def _touch(row: Any) -> int:
    return int(row["touch"])


async def facts(connection: Connection, claims: Sequence[Claim]) -> dict[UUID, Facts]:
    """Read what is known of the claimed stories."""
    asked = [claimed.story_id for claimed in claims]
    stories = await connection.fetch(_STORIES, asked)
    members: dict[UUID, list[Any]] = {story_id: [] for story_id in asked}
    for row in await connection.fetch(_MEMBERS, asked, DEFAULT_LIMITS.text_chars, DEFAULT_LIMITS.sources):
        members[row["story_id"]].append(row)
    touched = {claimed.story_id: claimed.touched_at for claimed in claims}
    return {row["asked_id"]: _facts(row, members[row["asked_id"]], touched[row["asked_id"]]) for row in stories}


def _facts(row: Any, members: Sequence[Any], touched_at: datetime) -> Facts:
    known = row["story_id"] is not None
    return Facts(
        story=to_story(row) if known else None,
        brief=_brief(row),
        sources=tuple(_source(member) for member in members if member["arrived"] and member["status"] != "withdrawn"),
        missing=tuple(member["fetched_at"] for member in members if not member["arrived"]),
        failed_revision=row["failed_revision"],
        fingerprint=row["fingerprint"],
        made_at=row["made_at"],
        touched_at=touched_at,
        place=(row["source_partition"], row["source_offset"], row["appended_at"]) if known else (0, 0, touched_at),
    )


def _brief(row: Any) -> Brief | None:
    if row["brief_revision"] is None:
        return None
    return Brief.model_validate(
        {
            "story_id": row["asked_id"],
            "story_revision": row["brief_revision"],
            "sections": row["sections"],
            "corrected": row["corrected"],
            "made_by": row["made_by"],
        }
    )


def _source(row: Any) -> Source:
    return Source(
        number=row["number"],
        article_id=row["article_id"],
        version=row["version"],
        title=row["title"],
        text=row["text"],
        publisher_id=row["publisher_id"],
        publisher_name=row["publisher_name"],
        language=row["language"],
        published_at=row["published_at"],
        wire_group=row["wire_group"],
        extraction=Extraction(row["extraction"]),
    )


async def rows_current(connection: Connection) -> bool:
    """Say whether the rows are up to the topics, give or take what is in flight."""
    behind = await connection.fetchval(_BEHIND, [ARTICLES.name, STORIES.name, STORY_MEMBERS.name])
    return bool(behind < CURRENT)


async def settle(connection: Connection, claimed: Claim) -> None:
    """Take a story off the queue."""
    await connection.execute(_DONE, claimed.touches)


async def put_off(connection: Connection, claimed: Claim, seconds: float) -> None:
    """Leave a story on the queue for later."""
    await connection.execute(_LATER, claimed.touches, seconds)


async def lock(connection: Connection, story_id: UUID) -> bool:
    """Hold a story until the transaction ends, as `claim` does; False if another worker holds it."""
    return bool(await connection.fetchval(_LOCK_ONE, STORY_LOCK, story_id))


async def fingerprint_of(connection: Connection, story_id: UUID) -> str | None:
    """Give what a story's brief was last made from."""
    found: str | None = await connection.fetchval(_FINGERPRINT, story_id)
    return found


async def leads(connection: Connection) -> bool:
    """Become the one worker that takes up what others left for a model, while the connection lives; False: another is."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEFT_LOCK))


async def unworded(connection: Connection, stories: int) -> list[Facts]:
    """Give what is known of open stories whose current brief, of the last day, no model has reworded: the largest first."""
    rows = await connection.fetch(_UNWORDED, stories)
    known = await facts(connection, [Claim(row["story_id"], (), row["asked_at"]) for row in rows])
    return [known[row["story_id"]] for row in rows]


async def note_made(connection: Connection, story_id: UUID, fingerprint: str) -> None:
    """Keep what a brief was made from."""
    await connection.execute(_MADE, story_id, fingerprint)


async def note_failed(connection: Connection, story_id: UUID, revision: int, reason: str, error: str) -> None:
    """Keep that a story's brief can't be made at a revision."""
    await connection.execute(_FAILED, story_id, revision, reason, error.replace("\0", " ")[:1_000])


async def sweep(connection: Connection) -> int:
    """Put stories on the queue that lack a current brief and are not on it, and give how many. It should find none."""
    status = await connection.execute(_SWEEP)
    return int(status.rpartition(" ")[2])


async def waiting(connection: Connection) -> tuple[int, float]:
    """Give how many rows are due, counted up to 1,000, and for how many seconds the first has been on the queue."""
    row = await connection.fetchrow(_WAITING)
    assert row is not None
    return int(row[0]), float(row[1])
