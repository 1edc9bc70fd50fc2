"""Read the history of stories in the order of its partitions: what the event stream is made of."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from services.publish.read import Database
from services.publish.web.position import Position
from shared.topics import STORY_UPDATES

MOST_ARTICLES = 100
"""Article ids in one event of the stream; a merge of two great stories moves thousands, and the history has them all."""

_COLUMNS = f"""
    story_id, revision, event_id, reason, status, article_count, publisher_count, headline, language,
    first_published_at, last_published_at, redirect_to,
    articles_added[1:{MOST_ARTICLES}] AS articles_added, articles_removed[1:{MOST_ARTICLES}] AS articles_removed,
    articles_changed[1:{MOST_ARTICLES}] AS articles_changed,
    coalesce(cardinality(articles_added), 0) AS added_count, coalesce(cardinality(articles_removed), 0) AS removed_count,
    coalesce(cardinality(articles_changed), 0) AS changed_count,
    source_partition, source_offset, appended_at
"""

_AFTER = f"""
SELECT found.* FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS span (part, since, until)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM story_updates
    WHERE source_partition = span.part AND source_offset >= span.since AND source_offset < span.until
    ORDER BY source_offset LIMIT $4
) AS found
ORDER BY found.source_partition, found.source_offset
"""  # noqa: S608 - a constant

_OF_STORY = f"SELECT {_COLUMNS} FROM story_updates WHERE story_id = $1 ORDER BY revision"  # noqa: S608 - a constant

_SPAN = "SELECT partition, first_offset, next_offset FROM consumed_offsets WHERE topic = $1"

NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Update:
    """One revision of one story, and where it stood."""

    partition: int
    offset: int
    appended_at: datetime
    story_id: UUID
    revision: int
    language: str
    data: bytes
    """What a listener gets, as one line of JSON."""


@dataclass(frozen=True, slots=True)
class Span:
    """What of the history is kept."""

    begins: Position
    ends: Position


def _update(row: Any) -> Update:
    told = {
        "event_id": row["event_id"],
        "story_id": row["story_id"],
        "revision": row["revision"],
        "reason": row["reason"],
        "status": row["status"],
        "headline": row["headline"],
        "language": row["language"],
        "article_count": row["article_count"],
        "publisher_count": row["publisher_count"],
        "first_published_at": row["first_published_at"],
        "last_published_at": row["last_published_at"],
        "redirect_to": row["redirect_to"],
        "articles_added": row["articles_added"],
        "articles_removed": row["articles_removed"],
        "articles_changed": row["articles_changed"],
        "articles_cut": max(row["added_count"], row["removed_count"], row["changed_count"]) > MOST_ARTICLES,
    }
    return Update(
        partition=row["source_partition"],
        offset=row["source_offset"],
        appended_at=row["appended_at"],
        story_id=row["story_id"],
        revision=row["revision"],
        language=row["language"],
        data=to_json(told),
    )


async def span(db: Database) -> Span:
    """Give where the history begins and ends, for each partition."""
    rows = await db.fetch(_SPAN, STORY_UPDATES.name)
    return Span(
        begins={row["partition"]: row["first_offset"] for row in rows},
        ends={row["partition"]: row["next_offset"] for row in rows},
    )


async def updates_between(db: Database, since: Position, until: Position | None, limit: int) -> tuple[list[Update], bool]:
    """Read updates from `since` up to `until` (None: all there are), at most `limit` of each partition.

    Gives them oldest first as far as each partition's own order allows, and whether there may be more.
    """
    partitions = range(STORY_UPDATES.partitions)
    rows = await db.fetch(
        _AFTER,
        list(partitions),
        [since.get(partition, 0) for partition in partitions],
        [NEVER if until is None else until.get(partition, 0) for partition in partitions],
        limit,
    )
    by_partition: dict[int, list[Update]] = {}
    for row in rows:
        by_partition.setdefault(row["source_partition"], []).append(_update(row))
    more = any(len(found) == limit for found in by_partition.values())
    return merge(list(by_partition.values())), more


async def updates_of_story(db: Database, story_id: UUID, since: Position, until: Position) -> list[Update]:
    """Read one story's updates from `since` up to `until`, in order."""
    rows = await db.fetch(_OF_STORY, story_id)
    updates = [_update(row) for row in rows]
    return [update for update in updates if since.get(update.partition, 0) <= update.offset < until.get(update.partition, 0)]


def merge(partitions: Sequence[Iterable[Update]]) -> list[Update]:
    """Put partitions' updates into one order: each keeps its own, and the earlier appended goes first."""
    return list(heapq.merge(*partitions, key=attrgetter("appended_at")))


async def feeds_of(db: Database, updates: Sequence[Update]) -> Mapping[UUID, frozenset[str]]:
    """Give the feeds that the updates' stories stand in; every story counts to `top` and to its language."""
    found: dict[UUID, set[str]] = {update.story_id: {"top", f"language/{update.language}"} for update in updates}
    rows = await db.fetch("SELECT story_id, feed FROM feed_entries WHERE story_id = ANY($1::uuid[])", list(found))
    for row in rows:
        found[row["story_id"]].add(row["feed"])
    return {story: frozenset(feeds) for story, feeds in found.items()}
