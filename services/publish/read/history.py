"""What happened to a story: its revisions, and what differs since one of them."""

from typing import Any
from uuid import UUID

from services.publish.read.models import Change, Changes, Database

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
