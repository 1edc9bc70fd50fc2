"""Readers' reports of wrong groupings: the editors' list."""

from uuid import UUID

from services.publish.read.models import Database, Report

_ADD = """
INSERT INTO story_reports (story_id, article_id, story_revision, words)
SELECT s.story_id, $2, s.revision, $3 FROM stories s
WHERE s.story_id = $1 AND ($2::uuid IS NULL OR EXISTS (SELECT FROM story_members m WHERE m.article_id = $2 AND m.story_id = $1))
RETURNING report_id
"""

_LIST = """
SELECT r.report_id, r.story_id, r.article_id, r.story_revision, r.words, r.reported_at, r.resolved_at, r.resolution,
    s.headline, m.title AS article_title
FROM story_reports r LEFT JOIN stories s USING (story_id) LEFT JOIN story_members m ON m.article_id = r.article_id
WHERE $1 OR r.resolved_at IS NULL
ORDER BY r.reported_at LIMIT $2
"""

_RESOLVE = """
UPDATE story_reports SET resolved_at = now(), resolution = $2 WHERE report_id = $1 AND resolved_at IS NULL RETURNING report_id
"""


async def report_story(db: Database, story_id: UUID, *, article_id: UUID | None = None, words: str = "") -> int | None:
    """Put a report on the editors' list and give its number; None where the story, or the article in it, does not exist."""
    report_id: int | None = await db.fetchval(_ADD, story_id, article_id, words.replace("\0", "")[:1_000])
    return report_id


async def reports(db: Database, *, resolved: bool = False, limit: int = 200) -> tuple[Report, ...]:
    """Give open reports, oldest first; with `resolved` the settled ones too."""
    return tuple(Report(**dict(row)) for row in await db.fetch(_LIST, resolved, limit))


async def resolve_report(db: Database, report_id: int, resolution: str) -> bool:
    """Settle a report; False where there is no such open one."""
    return await db.fetchval(_RESOLVE, report_id, resolution) is not None
