"""Full-text search over headlines, briefs and articles, that forgives accents at once and misspelling at a second try."""

# The SQL is composed of constants of this package; all values are parameters.
# ruff: noqa: S608

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from services.publish.read.ask import plain_words, read_query, tsquery
from services.publish.read.models import Database, Hit, Page, SearchResult
from services.publish.read.stories import CARD, to_story
from services.publish.spelling import fold, likely

LONGEST_QUERY = 300
"""Characters of a query that are read."""
SHORTEST_GUESS = 4
"""Letters below which a word is not taken for a misspelt one."""
SPELLINGS = 8
"""Spellings of one word that are looked up."""
NEAR_WORDS = 40
"""Known words, alike by their trigrams, among which the one that a misspelt word means is looked for."""
RANKED = 300
"""Stories, articles and briefs of each kind that are ranked; of more matches, the newest."""
MANY = 2_000
"""Expected matches beyond which a word is common: it is looked for in the newest rows first, and not by sorting all that have it."""
WINDOW = 5_000
"""Those newest rows. A word that fewer than RANKED of them have is sorted after all, which is then quick enough."""
RECENCY = 0.05
"""Weight of a story's rank (which grows by 1 in 12 hours) against the logarithm of how well it matches: 10 days weigh as much as e."""
MARK, UNMARK = "\ue000", "\ue001"


def _hits(name: str, table: str, columns: str, time: str, query: str, common: str, also: str = "true") -> str:
    """Write the parts of a statement that give RANKED rows of a table that match, the newest, as `name`_hits."""
    return f"""
{name}_newest AS MATERIALIZED (
    SELECT * FROM (SELECT {columns}, search FROM {table} ORDER BY {time} DESC LIMIT {WINDOW}) w
    WHERE {common}::boolean AND search @@ {query}::tsquery AND {also} LIMIT {RANKED}
),
{name}_hits AS MATERIALIZED (
    SELECT * FROM {name}_newest
    UNION ALL (
        SELECT {columns}, search FROM {table}
        WHERE (SELECT count(*) FROM {name}_newest) < {RANKED} AND search @@ {query}::tsquery AND {also}
        ORDER BY {time} DESC LIMIT {RANKED}
    )
)"""


_OF_LANGUAGE = "($2::text IS NULL OR language = $2)"
_WITHIN = """
    s.redirect_to IS NULL AND s.article_count > 0
        AND ($2::text IS NULL OR s.language = $2)
        AND ($3::timestamptz IS NULL OR s.last_published_at >= $3)
        AND ($4::timestamptz IS NULL OR s.first_published_at < $4)
"""
_LANGUAGES = """
languages AS MATERIALIZED (
    SELECT l.language, to_tsquery(search_config(l.language), $1) AS query
    FROM (SELECT language FROM freshness_by_language UNION SELECT 'und') l
    WHERE $2::text IS NULL OR l.language = $2
)"""
_ASKED = f"""
WITH {_LANGUAGES}
SELECT to_tsquery('pg_catalog.simple', $1)::text AS plain,
    (SELECT string_agg('(' || query::text || ')', ' | ') FROM (SELECT DISTINCT query FROM languages WHERE numnode(query) > 0) l) AS words
"""
# What the planner expects, of its statistics alone: to count a word that all rows have would take as long as to search for it.
_EXPECTED = "EXPLAIN (FORMAT JSON) SELECT FROM {} WHERE search @@ $1::tsquery"
# A word is looked up as each language that the articles have would stem it, by index alone, and among the newest that match
# counts only where the language is the row's own. A text's words are unpacked for those few and never for all that match.
_SEARCH = f"""
WITH {_LANGUAGES},
{_hits("article", "articles", "article_id, language", "fetched_at", "$9", "$11", _OF_LANGUAGE)},
{_hits("story", "stories", "story_id, language", "appended_at", "$9", "$12", _OF_LANGUAGE)},
{_hits("brief", "story_briefs", "story_id", "appended_at", "$10", "$13")},
scored AS (
    SELECT m.story_id, ts_rank(h.search, l.query) AS score, h.article_id
    FROM article_hits h JOIN languages l ON l.language = h.language AND h.search @@ l.query
    JOIN story_members m ON m.article_id = h.article_id AND m.present
    UNION ALL
    SELECT h.story_id, 2 * ts_rank(h.search, l.query), NULL
    FROM story_hits h JOIN languages l ON l.language = h.language AND h.search @@ l.query
    UNION ALL
    SELECT h.story_id, ts_rank(h.search, $10::tsquery), NULL FROM brief_hits h
),
found AS (
    SELECT c.story_id, (array_agg(c.article_id ORDER BY c.score DESC) FILTER (WHERE c.article_id IS NOT NULL))[1] AS article_id,
        ln(greatest(max(c.score), 1e-6)::float8) + s.rank * {RECENCY} AS score
    FROM scored c JOIN stories s USING (story_id)
    WHERE {_WITHIN}
    GROUP BY c.story_id, s.rank
),
page AS (
    SELECT * FROM found WHERE (score, story_id) < ($5, $6) ORDER BY score DESC, story_id DESC LIMIT $7
)
SELECT {CARD}, p.score, coalesce(
    -- An older brief may hold sentences of an article that has left the story since.
    CASE WHEN brief.plain <> '' AND brief.story_revision >= s.revision
        AND to_tsvector('pg_catalog.simple', brief.plain) @@ to_tsquery('pg_catalog.simple', $1) THEN
        ts_headline('pg_catalog.simple', translate(brief.plain, '{MARK}{UNMARK}', ''), to_tsquery('pg_catalog.simple', $1), $8)
    END,
    (SELECT ts_headline(search_config(a.language), translate(left(concat_ws(' ', a.summary, a.text), 20000), '{MARK}{UNMARK}', ''),
        to_tsquery(search_config(a.language), $1), $8) FROM articles a WHERE a.article_id = p.article_id),
    '') AS snippet
FROM page p JOIN stories s USING (story_id) LEFT JOIN story_briefs brief USING (story_id)
ORDER BY p.score DESC, p.story_id DESC
"""

_SPELLINGS = "SELECT folded, word FROM search_words WHERE folded = ANY ($1::text[]) LIMIT 200"
_NEAR = f"""
SELECT asked.folded AS asked, near.word, near.folded
FROM unnest($1::text[]) AS asked (folded)
CROSS JOIN LATERAL (
    SELECT w.word, w.folded FROM search_words w WHERE w.folded OPERATOR(public.%) asked.folded
    ORDER BY public.similarity(w.folded, asked.folded) DESC LIMIT {NEAR_WORDS}
) near
"""
# Scripts without spaces between words: a headline has the characters somewhere.
_UNSPACED = f"""
WITH found AS (
    SELECT s.story_id, s.rank * {RECENCY} AS score FROM stories s WHERE s.headline LIKE $8 AND {_WITHIN}
)
SELECT {CARD}, p.score, '' AS snippet
FROM (SELECT * FROM found WHERE (score, story_id) < ($5, $6) ORDER BY score DESC, story_id DESC LIMIT $7) p JOIN stories s USING (story_id)
WHERE $1::text IS NOT NULL
ORDER BY p.score DESC, p.story_id DESC
"""
_FRAGMENTS = f'StartSel={MARK},StopSel={UNMARK},MaxFragments=2,MaxWords=30,MinWords=12,FragmentDelimiter=" … "'
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]")
_LAST = UUID(int=2**128 - 1)


_ENDS = (".", "!", "?", "…", ":", ";", ",", "”", "»", "’", '"', ")", "。", "！", "？", "؟", "।")


def split_marks(snippet: str) -> tuple[tuple[str, bool], ...]:
    """Cut a snippet at its marks into pieces, each with whether it is a found word. Headings and what is cut off are set apart."""
    text = ""
    for line in filter(None, map(str.strip, snippet.split("\n"))):
        text += (" " if text.rstrip(UNMARK).endswith(_ENDS) else ": ") + line if text else line
    if text and not text.rstrip(UNMARK).endswith(_ENDS):
        text += " …"
    pieces = []
    for piece in re.split(f"({MARK}[^{MARK}{UNMARK}]*{UNMARK})", text):
        if piece.startswith(MARK):
            pieces.append((piece[1:-1], True))
        elif piece:
            pieces.append((piece.replace(MARK, "").replace(UNMARK, ""), False))
    return tuple(pieces)


async def search(
    db: Database,
    query: str,
    *,
    language: str | None = None,
    published_after: datetime | None = None,
    published_before: datetime | None = None,
    limit: int = 20,
    after: Page | None = None,
) -> SearchResult:
    """Find stories whose headline, brief or articles have the words; the best and newest first.

    Words are all wanted; "a phrase" in quotation marks, `or` and a leading minus mean what they say; accents don't count. Where no story
    has the words, known words that they may be misspelt from are looked for, and `guessed` says so. Times are aware; a story counts that
    overlaps the span.
    """
    asked = read_query(query.replace("\0", " ")[:LONGEST_QUERY])
    if not asked:
        return SearchResult((), None, guessed=False)
    score, last = (float("inf"), _LAST) if after is None else (after.rank, after.story_id)
    values = (language, published_after, published_before, score, last, limit + 1)
    words = plain_words(asked)
    spelt = await _spellings(db, words)
    rows = await _search(db, tsquery(asked, spelt), *values)
    guessed = False
    if not rows and after is None and words:
        meant = await _meant(db, [word for word in words if not spelt[word]])
        if meant:
            rows = await _search(db, tsquery(asked, {**spelt, **meant}), *values)
        elif _NO_SPACES.search(query):
            rows = await db.fetch(_UNSPACED, query, *values, "%" + re.sub(r"([%_\\])", r"\\\1", query.strip()) + "%")
        guessed = bool(rows)
    more = len(rows) > limit and not guessed
    rows = rows[:limit]
    return SearchResult(
        tuple(Hit(to_story(row), row["score"], split_marks(row["snippet"])) for row in rows),
        Page(rows[-1]["score"], rows[-1]["story_id"]) if more else None,
        guessed=guessed,
    )


async def _search(db: Database, query: str, language: str | None, *values: Any) -> list[Any]:
    asked = await db.fetchrow(_ASKED, query, language)
    if asked["words"] is None:  # nothing but words such as "the"
        return []
    common = []
    for table, text in (("articles", asked["words"]), ("stories", asked["words"]), ("story_briefs", asked["plain"])):
        plan = from_json(await db.fetchval(_EXPECTED.format(table), text))
        common.append(plan[0]["Plan"]["Plan Rows"] > MANY)
    return await db.fetch(_SEARCH, query, language, *values, _FRAGMENTS, asked["words"], asked["plain"], *common)


async def _spellings(db: Database, words: Sequence[str]) -> dict[str, list[str]]:
    """Give for each word the known words that differ from it by accents at most."""
    folded = {word: fold(word) for word in words}
    rows = await db.fetch(_SPELLINGS, list(set(folded.values()))) if words else []
    return {word: [row["word"] for row in rows if row["folded"] == form][:SPELLINGS] for word, form in folded.items()}


async def _meant(db: Database, words: Sequence[str]) -> Mapping[str, list[str]]:
    """Give for each word that nobody has written the known ones that it may be misspelt from; nothing unless there are some for all.

    Short words stay as they are: they may be grammar, which a search leaves out.
    """
    long = [word for word in words if len(word) >= SHORTEST_GUESS]
    rows = await db.fetch(_NEAR, [fold(word) for word in long]) if long else []
    found = {word: likely(word, [(row["word"], row["folded"]) for row in rows if row["asked"] == fold(word)], most=3) for word in long}
    return {word: near for word, near in found.items() if near} if all(found.values()) else {}
