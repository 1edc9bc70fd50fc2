"""Full-text search over headlines, briefs and articles, with a second try that forgives misspelling."""

# The SQL is composed of constants of this package; all values are parameters.
# ruff: noqa: S608

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from services.publish.read.models import Database, Hit, Page, SearchResult
from services.publish.read.stories import CARD, to_story

LONGEST_QUERY = 300
"""Characters of a query that are read."""
SHORTEST_GUESS = 4
"""Characters below which a Latin word has too few trigrams to be similar to anything; a Chinese one may be a whole name."""
NEWEST = 1_000
"""Stories and articles of each kind that are ranked; of more matches, the newest."""
RECENCY = 0.05
"""Weight of a story's rank (which grows by 1 in 12 hours) against the logarithm of how well it matches: 10 days weigh as much as e."""
MARK, UNMARK = "\ue000", "\ue001"

# A word is looked up as each language that the articles have would stem it, by index alone, and among the newest that match
# counts only where the language is the row's own. A text's words are unpacked for those few and never for all that match.
_SEARCH = f"""
WITH languages AS MATERIALIZED (
    SELECT l.language, websearch_to_tsquery(search_config(l.language), $1) AS query
    FROM (SELECT language FROM freshness_by_language UNION SELECT 'und') l
    WHERE $2::text IS NULL OR l.language = $2
),
plain AS MATERIALIZED (SELECT websearch_to_tsquery('pg_catalog.simple', $1) AS query),
asked AS MATERIALIZED (
    SELECT string_agg('(' || query::text || ')', ' | ')::tsquery AS query
    FROM (SELECT DISTINCT query FROM languages WHERE numnode(query) > 0) l
),
article_hits AS MATERIALIZED (
    SELECT article_id, language, search FROM articles
    WHERE search @@ (SELECT query FROM asked) ORDER BY fetched_at DESC LIMIT {NEWEST}
),
story_hits AS MATERIALIZED (
    SELECT story_id, language, search FROM stories
    WHERE search @@ (SELECT query FROM asked) ORDER BY appended_at DESC LIMIT {NEWEST}
),
brief_hits AS MATERIALIZED (
    SELECT story_id, search FROM story_briefs
    WHERE search @@ (SELECT query FROM plain WHERE numnode(query) > 0) ORDER BY appended_at DESC LIMIT {NEWEST}
),
scored AS (
    SELECT m.story_id, ts_rank(h.search, l.query) AS score, h.article_id
    FROM article_hits h JOIN languages l ON l.language = h.language AND h.search @@ l.query
    JOIN story_members m ON m.article_id = h.article_id AND m.present
    UNION ALL
    SELECT h.story_id, 2 * ts_rank(h.search, l.query), NULL
    FROM story_hits h JOIN languages l ON l.language = h.language AND h.search @@ l.query
    UNION ALL
    SELECT h.story_id, ts_rank(h.search, p.query), NULL FROM brief_hits h CROSS JOIN plain p
),
found AS (
    SELECT c.story_id, (array_agg(c.article_id ORDER BY c.score DESC) FILTER (WHERE c.article_id IS NOT NULL))[1] AS article_id,
        ln(greatest(max(c.score), 1e-6)::float8) + s.rank * {RECENCY} AS score
    FROM scored c JOIN stories s USING (story_id)
    WHERE s.redirect_to IS NULL AND s.article_count > 0
        AND ($2::text IS NULL OR s.language = $2)
        AND ($3::timestamptz IS NULL OR s.last_published_at >= $3)
        AND ($4::timestamptz IS NULL OR s.first_published_at < $4)
    GROUP BY c.story_id, s.rank
),
page AS (
    SELECT * FROM found WHERE (score, story_id) < ($5, $6) ORDER BY score DESC, story_id DESC LIMIT $7
)
SELECT {CARD}, p.score, coalesce(
    -- An older brief may hold sentences of an article that has left the story since.
    CASE WHEN brief.plain <> '' AND brief.story_revision >= s.revision
        AND to_tsvector('pg_catalog.simple', brief.plain) @@ websearch_to_tsquery('pg_catalog.simple', $1) THEN
        ts_headline('pg_catalog.simple', translate(brief.plain, '{MARK}{UNMARK}', ''), websearch_to_tsquery('pg_catalog.simple', $1), $8)
    END,
    (SELECT ts_headline(search_config(a.language), translate(left(concat_ws(' ', a.summary, a.text), 20000), '{MARK}{UNMARK}', ''),
        websearch_to_tsquery(search_config(a.language), $1), $8) FROM articles a WHERE a.article_id = p.article_id),
    '') AS snippet
FROM page p JOIN stories s USING (story_id) LEFT JOIN story_briefs brief USING (story_id)
ORDER BY p.score DESC, p.story_id DESC
"""

_GUESS = f"""
WITH found AS (
    SELECT s.story_id, public.word_similarity($1, s.headline)::float8 + s.rank * {RECENCY} AS score
    FROM stories s
    WHERE (s.headline OPERATOR(public.%>) $1 OR s.headline ILIKE $8)
        AND s.redirect_to IS NULL AND s.article_count > 0
        AND ($2::text IS NULL OR s.language = $2)
        AND ($3::timestamptz IS NULL OR s.last_published_at >= $3)
        AND ($4::timestamptz IS NULL OR s.first_published_at < $4)
)
SELECT {CARD}, p.score, '' AS snippet
FROM (SELECT * FROM found WHERE (score, story_id) < ($5, $6) ORDER BY score DESC, story_id DESC LIMIT $7) p JOIN stories s USING (story_id)
ORDER BY p.score DESC, p.story_id DESC
"""
_FRAGMENTS = f'StartSel={MARK},StopSel={UNMARK},MaxFragments=2,MaxWords=30,MinWords=12,FragmentDelimiter=" … "'
_OPERATORS = re.compile(r'"|(?:^|\s)-')
"""Who asks for a phrase, or for what must not be there, is not helped by similar words."""
_LAST = UUID(int=2**128 - 1)


def split_marks(snippet: str) -> tuple[tuple[str, bool], ...]:
    """Cut a snippet at its marks into pieces, each with whether it is a found word."""
    pieces = []
    for piece in re.split(f"({MARK}[^{MARK}{UNMARK}]*{UNMARK})", snippet):
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

    Words are all wanted; "a phrase" in quotation marks, `or` and a leading minus mean what they say. Where no story has plain words, those
    whose headline has similar ones are given, and `guessed` says so. Times are aware; a story counts that overlaps the span.
    """
    query = query.replace("\0", " ").strip()[:LONGEST_QUERY]
    if not query:
        return SearchResult((), None, guessed=False)
    score, last = (float("inf"), _LAST) if after is None else (after.rank, after.story_id)
    values = (query, language, published_after, published_before, score, last, limit + 1)
    rows = await db.fetch(_SEARCH, *values, _FRAGMENTS)
    guessed = False
    if not rows and after is None and not _OPERATORS.search(query):
        rows = await _guess(db, values)
        guessed = bool(rows)
    more = len(rows) > limit and not guessed
    rows = rows[:limit]
    return SearchResult(
        tuple(Hit(to_story(row), row["score"], split_marks(row["snippet"])) for row in rows),
        Page(rows[-1]["score"], rows[-1]["story_id"]) if more else None,
        guessed=guessed,
    )


async def _guess(db: Database, values: tuple[Any, ...]) -> list[Any]:
    words = values[0]
    if len(words) < SHORTEST_GUESS and words.isascii():
        return []
    like = "%" + re.sub(r"([%_\\])", r"\\\1", words) + "%"
    return await db.fetch(_GUESS, words, *values[1:], like)
