"""The words of headlines, so that a search forgives spelling: derived from the rows in the transaction that writes them.

A word whose headline is gone, corrected or withdrawn is doubted in that transaction. `forget_words` looks later whether another has it.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from services.publish.connect import Connection
from services.publish.materialise import tables
from services.publish.materialise.gather import TableChanges
from services.publish.materialise.tables import Row
from services.publish.spelling import words_of
from shared.contracts import ArticleStatus

NEWEST: Final = 5_000
"""Articles and stories whose headlines are read whole, since they have nearly all words that are common."""
LOOKED_UP: Final = 200
"""Words looked up in one statement."""

# Statements lock words in one order, so that two never wait for each other in a circle.
_TRUST: Final = """
DELETE FROM doubted_words d USING (SELECT word FROM doubted_words WHERE word = ANY ($1::text[]) ORDER BY word FOR UPDATE) t
WHERE d.word = t.word
"""
_LEARN: Final = """
INSERT INTO search_words (word, folded)
SELECT n.word, n.folded FROM unnest($1::text[], $2::text[]) AS n (word, folded)
WHERE NOT EXISTS (SELECT FROM search_words k WHERE k.word = n.word)
ORDER BY n.word
ON CONFLICT DO NOTHING
"""
_DOUBT: Final = """
INSERT INTO doubted_words AS d (word) SELECT k.word FROM search_words k WHERE k.word = ANY ($1::text[]) ORDER BY k.word
ON CONFLICT (word) DO UPDATE SET doubts = d.doubts + 1
"""
_DOUBTED: Final = "SELECT word, doubts FROM doubted_words WHERE word > $1 ORDER BY word LIMIT $2"
_HEADLINES: Final = f"""
SELECT title FROM (SELECT title FROM articles WHERE status <> 'withdrawn' ORDER BY fetched_at DESC LIMIT {NEWEST}) a
UNION ALL
SELECT headline FROM (SELECT headline FROM stories ORDER BY appended_at DESC LIMIT {NEWEST}) s
"""  # noqa: S608 - a constant
# By the indexes of search: a word as any language stems it, then the headline itself. Words that some language leaves out as grammar
# can't be looked up so; they stay.
_OCCUR: Final = """
WITH asked AS MATERIALIZED (
    SELECT w.word, '(^|[^[:alpha:]])' || w.word || '([^[:alpha:]]|$)' AS pattern, bool_or(numnode(q.query) = 0) AS is_grammar,
        string_agg(DISTINCT '(' || q.query::text || ')', ' | ') FILTER (WHERE numnode(q.query) > 0)::tsquery AS query
    FROM unnest($1::text[]) AS w (word)
    CROSS JOIN (SELECT oid::regconfig AS config FROM pg_catalog.pg_ts_config WHERE cfgnamespace = 'pg_catalog'::regnamespace) c
    CROSS JOIN LATERAL (SELECT plainto_tsquery(c.config, w.word) AS query) q
    GROUP BY w.word
)
SELECT word FROM asked
WHERE is_grammar
    OR (SELECT bool_or(lower(s.headline) ~ pattern) FROM stories s WHERE s.search @@ query)
    OR (SELECT bool_or(lower(a.title) ~ pattern) FROM articles a WHERE a.search @@ query)
"""
_FORGET: Final = """
WITH held AS (SELECT word FROM doubted_words WHERE word = ANY ($1::text[]) ORDER BY word FOR UPDATE),
gone AS (DELETE FROM doubted_words d USING held h WHERE d.word = h.word RETURNING d.word)
DELETE FROM search_words k USING gone g WHERE k.word = g.word
"""
_KEEP: Final = """
DELETE FROM doubted_words d USING unnest($1::text[], $2::integer[]) AS k (word, doubts) WHERE d.word = k.word AND d.doubts = k.doubts
"""


def _place(table: tables.Table, name: str) -> int:
    return next(place for place, column in enumerate(table.columns) if column.name == name)


_TITLE, _HEADLINE = _place(tables.ARTICLE_ROWS, "title"), _place(tables.STORY_ROWS, "headline")
_STATUS = _place(tables.ARTICLE_ROWS, "status")
_BEFORE: Final = {
    tables.ARTICLE_ROWS.name: "SELECT title FROM articles WHERE article_id = ANY ($1::uuid[]) AND status <> 'withdrawn'",
    tables.STORY_ROWS.name: "SELECT headline FROM stories WHERE story_id = ANY ($1::uuid[])",
}


async def headlines_before(connection: Connection, changes: Mapping[str, TableChanges]) -> list[str]:
    """Give the headlines of the rows that a batch is about to change."""
    found: list[str] = []
    for name, statement in _BEFORE.items():
        if (table := changes.get(name)) is not None and (keys := [*table.deletes, *(key[0] for key in table.rows)]):
            found += [row[0] for row in await connection.fetch(statement, keys)]
    return found


def _headlines(changes: Mapping[str, TableChanges]) -> Iterable[str]:
    def rows(table: tables.Table) -> Iterable[Row]:
        return changes[table.name].rows.values() if table.name in changes else ()

    yield from (str(row[_HEADLINE]) for row in rows(tables.STORY_ROWS))
    yield from (str(row[_TITLE]) for row in rows(tables.ARTICLE_ROWS) if row[_STATUS] != ArticleStatus.WITHDRAWN)


async def learn_words(connection: Connection, changes: Mapping[str, TableChanges], before: Iterable[str]) -> None:
    """Add what words a batch's stories and articles have in their headlines, and doubt those that `before` alone had."""
    words = words_of(_headlines(changes))
    if words:
        await connection.execute(_TRUST, list(words))
        await connection.execute(_LEARN, list(words), list(words.values()))
    if lost := words_of(before).keys() - words.keys():
        await connection.execute(_DOUBT, list(lost))


async def doubt_words(connection: Connection, headlines: Iterable[str]) -> None:
    """Doubt the words of headlines that are gone."""
    if lost := words_of(headlines):
        await connection.execute(_DOUBT, list(lost))


async def forget_words(connection: Connection, pause_s: float = 0.0) -> int:
    """Delete the doubted words that no headline has any more, few in a statement and with a pause after each few; gives how many.

    A batch that has such a word meanwhile trusts it again, and whoever comes second waits for the other.
    """
    last, forgotten, common = "", 0, None
    while rows := await connection.fetch(_DOUBTED, last, LOOKED_UP):
        if common is None:
            common = words_of(row[0] for row in await connection.fetch(_HEADLINES)).keys()
        last = rows[-1]["word"]
        rare = [row["word"] for row in rows if row["word"] not in common]
        gone = set(rare).difference(row["word"] for row in await connection.fetch(_OCCUR, rare))
        kept = [row for row in rows if row["word"] not in gone]
        await connection.execute(_KEEP, [row["word"] for row in kept], [row["doubts"] for row in kept])
        forgotten += int((await connection.execute(_FORGET, sorted(gone))).rpartition(" ")[2])
        await asyncio.sleep(pause_s)
    return forgotten
