"""Which feeds each story stands in, derived from the rows in the transaction that changes them."""

# The SQL is composed of constants of this module; all values are parameters.
# ruff: noqa: S608

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.publish.connect import Connection

ENTRIES_LOCK: Final = 0x5C06_0002
"""Advisory lock: whoever writes rows holds it shared; who fills a new feed holds it alone, so that no story is missed."""
PINNED: Final = 1_000_000.0
"""Added to a pinned story's rank. Ranks grow by 730 a year."""
FILL_STORIES: Final = 2_000
"""Stories in one step of filling a new feed."""

_TOUCHED: Final = f"""
touched AS MATERIALIZED (
    SELECT story_id, language, publisher_count, rank + CASE WHEN pinned THEN {PINNED} ELSE 0 END AS rank, search
    FROM stories
    WHERE story_id = ANY ($1::uuid[]) AND article_count > 0 AND status NOT IN ('merged', 'empty')
),
present AS MATERIALIZED (
    SELECT m.story_id, m.article_id, m.publisher_id FROM touched JOIN story_members m USING (story_id) WHERE m.present
),
filed AS MATERIALIZED (
    SELECT p.story_id, p.article_id, a.language, lower(a.section) AS section, a.appearances
    FROM present p JOIN articles a USING (article_id)
),
located AS MATERIALIZED (
    SELECT DISTINCT f.story_id, s.country
    FROM filed f CROSS JOIN LATERAL unnest(f.appearances) AS appearance (feed_id) JOIN source_feeds s USING (feed_id)
    WHERE s.country IS NOT NULL
)
"""

# Each condition is one join over all views and stories, whose result is hashed; a subquery for each pair would be quadratic.
# A text's tsvector is unpacked once (by the concatenation), not for each view.
_VIEWS: Final = """
views AS MATERIALIZED (SELECT * FROM feed_views WHERE $2::text IS NULL OR feed = $2),
asked AS MATERIALIZED (
    SELECT v.feed, v.kind, l.language, websearch_to_tsquery(search_config(l.language), v.words) AS query
    FROM views v CROSS JOIN (SELECT language FROM touched UNION SELECT language FROM filed) l
    WHERE v.words <> ''
),
texts AS MATERIALIZED (
    SELECT f.story_id, f.language, a.search || ''::tsvector AS search FROM filed f JOIN articles a USING (article_id)
    WHERE EXISTS (SELECT FROM asked WHERE kind = 'search')
),
told AS MATERIALIZED (
    SELECT q.feed, t.story_id FROM asked q JOIN touched t ON t.language = q.language AND t.search @@ q.query WHERE q.kind = 'section'
    UNION
    SELECT q.feed, t.story_id FROM asked q JOIN texts t ON t.language = q.language AND t.search @@ q.query WHERE q.kind = 'search'
),
named AS MATERIALIZED (
    SELECT DISTINCT n.feed, f.story_id FROM (SELECT feed, unnest(section_names) AS section FROM views) n JOIN filed f USING (section)
),
published AS MATERIALIZED (
    SELECT DISTINCT n.feed, p.story_id
    FROM (SELECT feed, unnest(publishers) AS publisher_id FROM views) n JOIN present p USING (publisher_id)
),
carried AS MATERIALIZED (
    SELECT DISTINCT n.feed, l.story_id FROM (SELECT feed, unnest(countries) AS country FROM views) n JOIN located l USING (country)
),
viewed AS MATERIALIZED (
    SELECT v.feed, t.story_id, t.rank
    FROM views v JOIN touched t ON t.publisher_count >= v.min_publishers AND (v.languages = '{}' OR t.language = ANY (v.languages))
    WHERE (v.publishers = '{}' OR (v.feed, t.story_id) IN (SELECT feed, story_id FROM published))
        AND (v.countries = '{}' OR (v.feed, t.story_id) IN (SELECT feed, story_id FROM carried))
        AND CASE v.kind
            WHEN 'section' THEN (v.words = '' AND v.section_names = '{}')
                OR (v.feed, t.story_id) IN (SELECT feed, story_id FROM named)
                OR (v.feed, t.story_id) IN (SELECT feed, story_id FROM told)
            ELSE (v.section_names = '{}' OR (v.feed, t.story_id) IN (SELECT feed, story_id FROM named))
                AND (v.words = '' OR (v.feed, t.story_id) IN (SELECT feed, story_id FROM told))
        END
)
"""

_PUT: Final = """
INSERT INTO feed_entries (feed, story_id, rank)
SELECT feed, story_id, rank FROM wanted
ON CONFLICT (feed, story_id) DO UPDATE SET rank = excluded.rank WHERE feed_entries.rank <> excluded.rank
"""

_REFRESH: Final = f"""
WITH {_TOUCHED}, {_VIEWS},
wanted AS MATERIALIZED (
    SELECT 'top' AS feed, story_id, rank FROM touched
    UNION ALL
    SELECT 'language/' || language, story_id, rank FROM touched
    UNION ALL
    SELECT DISTINCT 'publisher/' || p.publisher_id, story_id, t.rank FROM present p JOIN touched t USING (story_id)
    UNION ALL
    SELECT 'country/' || l.country, story_id, t.rank FROM located l JOIN touched t USING (story_id)
    UNION ALL
    SELECT feed, story_id, rank FROM viewed
),
gone AS (
    DELETE FROM feed_entries e
    WHERE e.story_id = ANY ($1::uuid[]) AND NOT EXISTS (SELECT FROM wanted w WHERE w.feed = e.feed AND w.story_id = e.story_id)
)
{_PUT}
"""

_FILL: Final = f"""
WITH {_TOUCHED}, {_VIEWS}, wanted AS (SELECT feed, story_id, rank FROM viewed)
{_PUT}
"""


async def hold_entries(connection: Connection) -> None:
    """Begin a transaction that writes rows: it and the filling of a new feed take turns."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", ENTRIES_LOCK)


async def refresh_entries(connection: Connection, story_ids: Sequence[UUID]) -> None:
    """Bring the feeds' entries of these stories up to the rows. Within `hold_entries`' transaction."""
    await connection.execute(_REFRESH, story_ids, None)


async def fill_view(connection: Connection, feed: str) -> None:
    """Find all stories of one of `feed_views`' feeds anew. In a transaction of its own, in which the view may have been written."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", ENTRIES_LOCK)
    await connection.execute("DELETE FROM feed_entries WHERE feed = $1", feed)
    last = UUID(int=0)
    while True:
        rows = await connection.fetch("SELECT story_id FROM stories WHERE story_id > $1 ORDER BY story_id LIMIT $2", last, FILL_STORIES)
        if not rows:
            return
        await connection.execute(_FILL, [row["story_id"] for row in rows], feed)
        last = rows[-1]["story_id"]
