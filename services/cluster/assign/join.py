"""Which story an article joins, from its links to articles."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.cluster.assign.index import Link

JOIN_AT = 0.5
BEST_LINKS = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """The story to join, None for a new one. `score`: of the best story; `nearest`: its members that speak for it, best first."""

    story_id: UUID | None
    score: float
    nearest: tuple[UUID, ...]


def choose_story(links: Sequence[Link], story_of: Callable[[UUID], UUID | None]) -> Choice:
    """Choose the story whose three best links have the highest mean, if that is at least one half.

    `story_of` gives an article's story, None where it has none. Ties go to the story of the best link.
    """
    by_story: dict[UUID, list[Link]] = defaultdict(list)
    for link in links:
        story_id = story_of(link.article_id)
        if story_id is not None:
            by_story[story_id].append(link)
    best: tuple[float, UUID] | None = None
    for story_id, theirs in by_story.items():
        top = theirs[:BEST_LINKS]
        score = sum(link.probability for link in top) / len(top)
        if best is None or score > best[0]:
            best = (score, story_id)
    if best is None:
        return Choice(None, 0.0, ())
    score, story_id = best
    nearest = tuple(link.article_id for link in by_story[story_id][:5])
    return Choice(story_id if score >= JOIN_AT else None, score, nearest)
