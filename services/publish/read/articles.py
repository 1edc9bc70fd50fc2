"""One article."""

from uuid import UUID

from services.publish.read.models import Article, Database

_ARTICLE = """
SELECT a.article_id, a.version, a.status, a.url, a.canonical_url, a.publisher_id, a.publisher_name, a.title,
    CASE WHEN a.status = 'withdrawn' THEN '' ELSE a.text END AS text, a.truncated,
    CASE WHEN a.status = 'withdrawn' THEN '' ELSE a.summary END AS summary,
    a.authors, a.image, a.section, a.language, a.published_at, a.fetched_at, a.extraction, m.story_id, m.number
FROM articles a LEFT JOIN story_members m USING (article_id)
WHERE a.article_id = $1
"""


async def article(db: Database, article_id: UUID) -> Article | None:
    """Give an article in its latest version, and the story that it is in; None where there is none."""
    row = await db.fetchrow(_ARTICLE, article_id)
    return None if row is None else Article(**{**dict(row), "authors": tuple(row["authors"])})
