"""Write a batch's rows, and what is derived from them. Set-based: one statement a table, whatever the batch's size."""

# The SQL is composed of the table definitions; all values are parameters.
# ruff: noqa: S608

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

from services.publish.connect import Connection
from services.publish.materialise import tables
from services.publish.materialise.entries import refresh_entries
from services.publish.materialise.gather import TableChanges
from services.publish.materialise.tables import Keeps, Row, Table
from services.publish.materialise.vocabulary import headlines_before, learn_words
from services.publish.webhooks.queue import touch_stories

_OWN_STORY: Final = frozenset({tables.STORY_ROWS.name, tables.MEMBER_ROWS.name})

_STORIES_OF: Final = """
SELECT DISTINCT story_id FROM story_members WHERE article_id = ANY ($1::uuid[])
"""
_STORIES_OF_FEEDS: Final = """
SELECT DISTINCT m.story_id FROM articles a JOIN story_members m USING (article_id) WHERE a.appearances && $1::uuid[]
"""
_QUEUE_BRIEFS: Final = "INSERT INTO brief_queue (story_id, traceparent) SELECT * FROM unnest($1::uuid[], $2::text[])"

BRIEFS_CHANNEL: Final = "slugline_briefs_due"
"""Signals the brief workers that `brief_queue` has rows."""


@cache
def upsert(table: Table) -> str:
    """Give the statement that puts rows in; its parameters are the columns, each as an array. It gives what `changed` columns it can.

    A row that would change nothing but where its record stood is left alone, so that a repeated record changes nothing.
    """
    names = ", ".join(column.name for column in table.columns)
    parameters = ", ".join(f"${place}::{column.parameter}[]" for place, column in enumerate(table.columns, 1))
    values = ", ".join(
        f"incoming.{column.name}" if column.parameter == column.type else f"incoming.{column.name}::{column.type}"
        for column in table.columns
    )
    statement = f"INSERT INTO {table.name} ({names}) SELECT {values} FROM unnest({parameters}) AS incoming ({names})"
    if table.keeps is Keeps.FIRST:
        return f"{statement} ON CONFLICT DO NOTHING RETURNING story_id"
    assigned = ", ".join(f"{column.name} = excluded.{column.name}" for column in table.columns if column.name not in table.key)
    told = [column.name for column in table.columns if column.told]
    differs = f"({', '.join(f'{table.name}.{name}' for name in told)}) IS DISTINCT FROM ({', '.join(f'excluded.{name}' for name in told)})"
    guard = {
        Keeps.HIGHER: f"excluded.{table.version} > {table.name}.{table.version}",
        Keeps.NOT_LOWER: f"excluded.{table.version} >= {table.name}.{table.version} AND {differs}",
        Keeps.LAST: differs,
    }[table.keeps]
    statement = f"{statement} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {assigned} WHERE {guard} RETURNING {table.key[0]}"
    if table is not tables.MEMBER_ROWS:
        return statement
    # Both the story that an article is in now and the one that it left are touched.
    return (
        "WITH before AS MATERIALIZED (SELECT article_id, story_id FROM story_members WHERE article_id = ANY ($1::uuid[])), "
        f"written AS ({statement}, story_id) "
        "SELECT story_id FROM written UNION SELECT b.story_id FROM written JOIN before b USING (article_id)"
    )


def delete(table: Table) -> str:
    """Give the statement that deletes rows by their keys."""
    returned = "story_id" if table is tables.MEMBER_ROWS else table.key[0]
    return f"DELETE FROM {table.name} WHERE {table.key[0]} = ANY ($1::uuid[]) RETURNING {returned}"


_UNTRACED: Final[Mapping[UUID, Sequence[str]]] = {}


async def write_rows(
    connection: Connection, changes: Mapping[str, TableChanges], traceparents: Mapping[UUID, Sequence[str]] = _UNTRACED
) -> "Written":
    """Write a batch's rows, then feeds' entries, the queue of briefs with stories' traceparents, within the caller's transaction."""
    written = Written()
    before = await headlines_before(connection, changes)
    for table in tables.ALL:
        if (table_changes := changes.get(table.name)) is not None:
            written.add(table, await _write_table(connection, table, table_changes))
    await learn_words(connection, changes, before)
    touched = set(written.touched)
    if written.articles:
        touched.update(row["story_id"] for row in await connection.fetch(_STORIES_OF, list(written.articles)))
    if written.feeds:
        touched.update(row["story_id"] for row in await connection.fetch(_STORIES_OF_FEEDS, list(written.feeds)))
    if touched:
        ordered = sorted(touched)
        await refresh_entries(connection, ordered)
        await touch_stories(connection, ordered)
        due = [(story_id, traceparent) for story_id in ordered for traceparent in traceparents.get(story_id) or (None,)]
        await connection.execute(_QUEUE_BRIEFS, *zip(*due, strict=True))
        await connection.execute("SELECT pg_notify($1, '')", BRIEFS_CHANNEL)
    written.shown |= touched
    return written


async def _write_table(connection: Connection, table: Table, changes: TableChanges) -> list[UUID]:
    ids: list[UUID] = []
    if changes.deletes:
        ids += [row[0] for row in await connection.fetch(delete(table), sorted(changes.deletes))]
    if changes.rows:
        ids += [row[0] for row in await connection.fetch(upsert(table), *_by_column(changes.rows.values()))]
    return ids


def _by_column(rows: Iterable[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


class Written:
    """What a batch changed."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.rows: Counter[str] = Counter()
        self.touched: set[UUID] = set()
        """Stories whose row or members changed."""
        self.shown: set[UUID] = set()
        """Stories of which a page shows something else now."""
        self.articles: set[UUID] = set()
        self.feeds: set[UUID] = set()

    def add(self, table: Table, ids: list[UUID]) -> None:
        """Note the ids that the table's statements gave."""
        self.rows[table.name] += len(ids)
        if table.name in _OWN_STORY:
            self.touched.update(ids)
        elif table is tables.ARTICLE_ROWS:
            self.articles.update(ids)
        elif table is tables.SOURCE_FEEDS:
            self.feeds.update(ids)
        else:
            self.shown.update(ids)
