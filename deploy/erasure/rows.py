"""The rows of an erased article: what our own tables said of it is blanked, and every table is looked through."""

# Names of tables come from the catalogue and are quoted; all values are parameters.
# ruff: noqa: S608

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from services.publish.connect import Connection

_TABLES: Final = "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') ORDER BY relname"
_STORIES: Final = """
SELECT DISTINCT story_id FROM story_updates WHERE articles_added && $1::uuid[]
UNION SELECT story_id FROM story_members WHERE article_id = ANY ($1::uuid[])
"""
_STORED: Final = "SELECT partition, next_offset FROM consumed_offsets WHERE topic = $1"
_BLANK: Final = "UPDATE story_updates SET headline = '' WHERE story_id = ANY ($1::uuid[]) AND headline = ANY ($2::text[])"
_PLACES: Final = """
SELECT (SELECT count(*) FROM articles WHERE article_id = ANY ($1::uuid[]))
    + (SELECT count(*) FROM story_members WHERE article_id = ANY ($1::uuid[]))
"""
_QUIET_BRIEFS: Final = """
SELECT b.story_id FROM story_briefs b LEFT JOIN stories s USING (story_id)
WHERE b.story_id = ANY ($1::uuid[]) AND coalesce(s.article_count, 0) = 0
"""


async def stories_of(connection: Connection, article_ids: Iterable[UUID]) -> list[UUID]:
    """Give the stories that articles are or were in."""
    return [row["story_id"] for row in await connection.fetch(_STORIES, list(article_ids))]


async def places_left(connection: Connection, article_ids: Iterable[UUID]) -> int:
    """Count the rows of articles, and of their places in stories."""
    count: int = await connection.fetchval(_PLACES, list(article_ids))
    return count


async def briefs_of_empty(connection: Connection, story_ids: Sequence[UUID]) -> list[UUID]:
    """Give those stories without an article that have a brief still: nobody makes a new one."""
    return [row["story_id"] for row in await connection.fetch(_QUIET_BRIEFS, list(story_ids))]


async def has_passed(connection: Connection, topic: str, offsets: Mapping[int, int]) -> bool:
    """Say whether the rows hold a topic's records up to these offsets, by partition."""
    stored = {row["partition"]: row["next_offset"] for row in await connection.fetch(_STORED, topic)}
    return all(stored.get(partition, 0) > offset for partition, offset in offsets.items())


async def blank_history(connection: Connection, story_ids: Sequence[UUID], titles: Iterable[str]) -> int:
    """Take the articles' titles out of the history of their stories; the revisions stay."""
    status = await connection.execute(_BLANK, list(story_ids), list(titles))
    return int(status.rpartition(" ")[2])


async def rows_with(connection: Connection, schema: str, sought: Sequence[str], tables: Iterable[str] | None = None) -> dict[str, int]:
    """Count, in every table of the schema, the rows that hold any of the passages in any column."""
    found = {}
    names = list(tables) if tables is not None else [row["relname"] for row in await connection.fetch(_TABLES, schema)]
    for name in names:
        table = '"' + name.replace('"', '""') + '"'
        query = (
            f'SELECT count(*) FROM "{schema}".{table} x WHERE EXISTS (SELECT FROM unnest($1::text[]) n WHERE position(n IN x::text) > 0)'
        )
        if count := await connection.fetchval(query, list(sought), timeout=3_600):
            found[name] = count
    return found
