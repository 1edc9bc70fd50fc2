"""Stories: in lists, and one with all that its page shows."""

# The SQL is composed of constants of this package; all values are parameters.
# ruff: noqa: S608

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from services.publish.read.models import Database, Link, Member, Redirect, Section, Sentence, Story, StoryDetail

MOST_REDIRECTS = 20
"""Merges of merges that are followed; a longer chain means broken data, and ends as not found."""

CARD = """
    s.story_id, s.revision, s.status, s.headline, s.language, s.article_count, s.publisher_count, s.first_published_at,
    s.last_published_at, s.appended_at, s.rank, s.pinned,
    ARRAY(
        SELECT named.publisher_name
        FROM (
            SELECT first.publisher_name, min(first.number) AS number
            FROM (
                SELECT m.publisher_name, m.number FROM story_members m
                WHERE m.story_id = s.story_id AND m.present ORDER BY m.number LIMIT 40
            ) first
            GROUP BY first.publisher_name
        ) named
        ORDER BY named.number LIMIT 5
    ) AS publishers,
    coalesce((
        SELECT sentence.value ->> 'text'
        FROM story_briefs b
        CROSS JOIN LATERAL jsonb_array_elements(b.sections) WITH ORDINALITY AS section (value, place)
        CROSS JOIN LATERAL jsonb_array_elements(section.value -> 'sentences') WITH ORDINALITY AS sentence (value, place)
        WHERE b.story_id = s.story_id AND EXISTS (
            SELECT FROM story_members m
            WHERE m.story_id = s.story_id AND m.present AND sentence.value -> 'citations' @> to_jsonb(m.number)
        )
        ORDER BY section.place, sentence.place LIMIT 1
    ), '') AS lead
"""
"""Columns of a `Story`, for a query that has `stories s`."""

_RESOLVE = f"""
WITH RECURSIVE chain (story_id, redirect_to, depth) AS (
    SELECT story_id, redirect_to, 0 FROM stories WHERE story_id = $1
    UNION ALL
    SELECT s.story_id, s.redirect_to, c.depth + 1
    FROM chain c JOIN stories s ON s.story_id = c.redirect_to
    WHERE c.depth < {MOST_REDIRECTS}
)
SELECT story_id FROM chain WHERE redirect_to IS NULL ORDER BY depth DESC LIMIT 1
"""

_STORY = f"""
SELECT {CARD}, s.links, s.redirect_to, b.sections, b.story_revision AS brief_revision, b.appended_at AS brief_at, b.corrected, b.made_by,
    counted.present, counted.withdrawn
FROM stories s
LEFT JOIN story_briefs b USING (story_id)
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(m.number) FILTER (WHERE m.present), '{{}}') AS present, count(*) FILTER (WHERE NOT m.present) AS withdrawn
    FROM story_members m WHERE m.story_id = s.story_id
) counted
WHERE s.story_id = $1
"""

_MEMBERS = """
SELECT m.number, m.article_id, m.version, m.present, m.title, m.url, m.publisher_id, m.publisher_name, m.published_at, m.fetched_at,
    m.wire_group, m.story_revision, coalesce(a.language, 'und') AS language, a.image,
    CASE WHEN m.wire_group IS NOT NULL AND m.wire_group <> m.article_id THEN (
        SELECT o.number FROM story_members o
        WHERE o.article_id = m.wire_group AND o.story_id = m.story_id AND o.present
    ) END AS copy_of
FROM story_members m LEFT JOIN articles a USING (article_id)
WHERE m.story_id = $1 AND m.present AND (m.number > $2 OR m.number = ANY ($4::integer[]))
ORDER BY m.number = ANY ($4::integer[]) DESC, m.number
LIMIT $3
"""

_LINKS = "SELECT story_id, headline, article_count FROM stories WHERE story_id = ANY ($1::uuid[])"


def to_story(row: Any) -> Story:
    """Make a `Story` of a row that has the columns of `CARD`."""
    return Story(
        row["story_id"],
        row["revision"],
        row["status"],
        row["headline"],
        row["language"],
        row["article_count"],
        row["publisher_count"],
        row["first_published_at"],
        row["last_published_at"],
        row["appended_at"],
        row["rank"],
        row["pinned"],
        row["lead"],
        tuple(row["publishers"]),
    )


def to_member(row: Any) -> Member:
    """Make a `Member` of a row."""
    return Member(
        number=row["number"],
        article_id=row["article_id"],
        version=row["version"],
        present=row["present"],
        title=row["title"],
        url=row["url"],
        publisher_id=row["publisher_id"],
        publisher_name=row["publisher_name"],
        published_at=row["published_at"],
        fetched_at=row["fetched_at"],
        wire_group=row["wire_group"],
        copy_of=row["copy_of"],
        language=row["language"],
        image=row["image"],
        story_revision=row["story_revision"],
    )


def visible_sections(sections: Iterable[Any], present: frozenset[int]) -> tuple[Section, ...]:
    """Keep of a brief's sections (as its JSON has them) the sentences that a present member states, with those numbers only."""
    kept = []
    for section in sections:
        sentences = tuple(
            Sentence(sentence["text"], numbers)
            for sentence in section["sentences"]
            if (numbers := tuple(sorted({number for number in sentence["citations"] if number in present})))
        )
        if sentences:
            kept.append(Section(section["heading"], sentences))
    return tuple(kept)


async def resolve(db: Database, story_id: UUID) -> UUID | None:
    """Give the id under which a story lives now, following merges; None where there is no such story."""
    found: UUID | None = await db.fetchval(_RESOLVE, story_id)
    return found


async def story(db: Database, story_id: UUID, *, member_limit: int = 100) -> StoryDetail | Redirect | None:
    """Give a story's page; a `Redirect` where it was merged into another; None where there is none, or its end is unknown."""
    row = await db.fetchrow(_STORY, story_id)
    if row is None:
        return None
    if row["redirect_to"] is not None:
        final = await resolve(db, story_id)
        return None if final is None else Redirect(final)
    present = frozenset(row["present"])
    sections = visible_sections(row["sections"] or (), present)
    cited = sorted({number for section in sections for sentence in section.sentences for number in sentence.citations})
    rows = await db.fetch(_MEMBERS, story_id, 0, max(member_limit, len(cited)), cited)
    return StoryDetail(
        story=to_story(row),
        sections=sections,
        brief_revision=row["brief_revision"],
        brief_at=row["brief_at"],
        corrected=bool(row["corrected"]),
        made_by=row["made_by"] or "",
        members=tuple(sorted(map(to_member, rows), key=lambda member: member.number)),
        member_count=len(present),
        withdrawn_count=row["withdrawn"],
        links=await _links(db, row["links"]),
    )


async def _links(db: Database, links: Sequence[Any]) -> tuple[Link, ...]:
    if not links:
        return ()
    ids = [UUID(link["story_id"]) for link in links]
    rows = {row["story_id"]: row for row in await db.fetch(_LINKS, ids)}
    return tuple(
        Link(link_id, link["language"], rows[link_id]["article_count"], rows[link_id]["headline"])
        for link_id, link in zip(ids, links, strict=True)
        if link_id in rows
    )


async def members(db: Database, story_id: UUID, *, after_number: int = 0, limit: int = 500) -> tuple[Member, ...]:
    """Give present members by number, those above `after_number`."""
    return tuple(map(to_member, await db.fetch(_MEMBERS, story_id, after_number, limit, [])))
