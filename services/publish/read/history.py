"""What happened to stories: one story's revisions, and the stream of all."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.publish.read.models import Change, Changes, Database, Update, Updates
from shared.topics import STORY_UPDATES

_HISTORY = """
SELECT revision, event_id, reason, status, article_count, publisher_count, articles_added, articles_removed, articles_changed,
    headline, redirect_to, evidence, actor, appended_at
FROM story_updates WHERE story_id = $1 AND revision > $2 AND revision < $3
ORDER BY revision DESC LIMIT $4
"""

_SINCE = """
SELECT revision, articles_added, articles_removed, articles_changed FROM story_updates
WHERE story_id = $1 AND revision > $2 ORDER BY revision
"""

_NUMBERS = "SELECT number FROM story_members WHERE story_id = $1 AND present AND article_id = ANY ($2::uuid[])"

_POSITIONS = "SELECT partition, next_offset, first_offset FROM consumed_offsets WHERE topic = $1"

_AFTER = """
SELECT * FROM (
    SELECT u.story_id, u.revision, u.event_id, u.reason, u.status, u.headline, u.language, u.article_count, u.publisher_count,
        u.articles_added, u.articles_removed, u.redirect_to, u.last_published_at, u.appended_at, u.source_partition, u.source_offset,
        max(u.appended_at) OVER (PARTITION BY u.source_partition ORDER BY u.source_offset) AS appended_by
    FROM unnest($1::integer[], $2::bigint[]) AS seen (partition, next_offset)
    CROSS JOIN LATERAL (
        SELECT * FROM story_updates u
        WHERE u.source_partition = seen.partition AND u.source_offset >= seen.next_offset
        ORDER BY u.source_offset LIMIT $3
    ) u
) u
ORDER BY u.appended_by, u.source_partition, u.source_offset
LIMIT $3
"""
# Ordered by append time, but never against a partition's own order, whatever its timestamps: else a cut would leave a hole.


def _to_change(row: Any) -> Change:
    actor = row["actor"]
    return Change(
        row["revision"],
        row["event_id"],
        row["reason"],
        row["status"],
        row["article_count"],
        row["publisher_count"],
        tuple(row["articles_added"]),
        tuple(row["articles_removed"]),
        tuple(row["articles_changed"]),
        row["headline"],
        row["redirect_to"],
        row["evidence"],
        actor.get("kind", "machine"),
        actor.get("name", ""),
        actor.get("why", ""),
        row["appended_at"],
    )


async def history(
    db: Database, story_id: UUID, *, after_revision: int = 0, before_revision: int = 2**31 - 1, limit: int = 100
) -> tuple[Change, ...]:
    """Give a story's revisions between the two (both excluded), newest first."""
    return tuple(map(_to_change, await db.fetch(_HISTORY, story_id, after_revision, before_revision, limit)))


async def changes_since(db: Database, story_id: UUID, revision: int) -> Changes:
    """Give what differs between a story's revision and now."""
    rows = await db.fetch(_SINCE, story_id, revision)
    added: dict[UUID, None] = {}
    removed: dict[UUID, None] = {}
    changed: dict[UUID, None] = {}
    for row in rows:
        for article_id in row["articles_added"]:
            if article_id in removed:
                removed.pop(article_id)
                changed[article_id] = None
            else:
                added[article_id] = None
        for article_id in row["articles_changed"]:
            if article_id not in added:
                changed[article_id] = None
        for article_id in row["articles_removed"]:
            if article_id in added:
                added.pop(article_id)
            else:
                removed[article_id] = None
            changed.pop(article_id, None)
    numbers = await db.fetch(_NUMBERS, story_id, [*added, *changed]) if added or changed else []
    return Changes(
        since=revision,
        revision=rows[-1]["revision"] if rows else revision,
        complete=not rows or rows[0]["revision"] == revision + 1,
        articles_added=tuple(added),
        articles_removed=tuple(removed),
        articles_changed=tuple(changed),
        numbers_added=frozenset(row["number"] for row in numbers),
    )


async def update_positions(db: Database) -> Mapping[int, int]:
    """Give the vector behind all updates that the rows hold now: next offset by partition."""
    return {row["partition"]: row["next_offset"] for row in await db.fetch(_POSITIONS, STORY_UPDATES.name)}


async def updates_after(db: Database, positions: Mapping[int, int], *, limit: int = 500) -> Updates:
    """Give updates behind a vector, ordered within each partition and by time of append across them.

    A partition that the vector does not name is read from its oldest kept update. When more than `limit` wait, those appended
    first are given, and `positions` leads on to the others. `reset` answers a vector that reaches behind what is kept, or that
    belongs to a topic which was since made anew.
    """
    rows = await db.fetch(_POSITIONS, STORY_UPDATES.name)
    ends = {row["partition"]: row["next_offset"] for row in rows}
    starts = {row["partition"]: row["first_offset"] for row in rows}
    if any(not starts.get(partition, 0) <= offset <= ends.get(partition, 0) for partition, offset in positions.items()):
        return Updates((), ends, reset=True, more=False)
    asked = {partition: positions.get(partition, start) for partition, start in starts.items()}
    found = await db.fetch(_AFTER, list(asked), list(asked.values()), limit + 1)
    more = len(found) > limit
    reached = dict(asked if more else ends)
    for row in found[:limit]:
        reached[row["source_partition"]] = max(reached[row["source_partition"]], row["source_offset"] + 1)
    return Updates(tuple(map(_to_update, found[:limit])), reached, reset=False, more=more)


def _to_update(row: Any) -> Update:
    return Update(
        story_id=row["story_id"],
        revision=row["revision"],
        event_id=row["event_id"],
        reason=row["reason"],
        status=row["status"],
        headline=row["headline"],
        language=row["language"],
        article_count=row["article_count"],
        publisher_count=row["publisher_count"],
        articles_added=tuple(row["articles_added"]),
        articles_removed=tuple(row["articles_removed"]),
        redirect_to=row["redirect_to"],
        last_published_at=row["last_published_at"],
        changed_at=row["appended_at"],
        partition=row["source_partition"],
        offset=row["source_offset"],
    )
