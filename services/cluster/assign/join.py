"""Which story an article joins, from its links to articles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.cluster.assign.index import Link

JOIN_AT: Final = 0.4
"""The score at which a story is joined; docs/clustering.md says what other values give."""
VOICES: Final = (1.0, 0.5, 0.25, 0.125)
"""How much a story's best, second, third and fourth link count; more members don't make a story attractive without end."""
NEAREST: Final = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """The story to join, None for a new one. `score`: of the best story; `nearest`: its members that speak for it, best first."""

    story_id: UUID | None
    score: float
    nearest: tuple[UUID, ...]


def score_of(probabilities: Sequence[float]) -> float:
    """Give the score of a story whose links have these probabilities, best first: that at least one of its four best voices is right."""
    wrong = 1.0
    for probability, voice in zip(probabilities, VOICES, strict=False):
        wrong *= 1.0 - voice * probability
    return 1.0 - wrong


def choose_story(links: Sequence[Link], story_of: Callable[[UUID], UUID | None]) -> Choice:
    """Choose the story of the highest score, if it is at least `JOIN_AT`.

    `links` are best first. `story_of` gives an article's story, None where it has none. Of equal stories the one of the better
    first link is chosen.
    """
    by_story: dict[UUID, list[Link]] = {}
    for link in links:
        story_id = story_of(link.article_id)
        if story_id is not None:
            by_story.setdefault(story_id, []).append(link)
    best, best_id = 0.0, None
    for story_id, theirs in by_story.items():
        score = score_of([link.probability for link in theirs])
        if score > best:
            best, best_id = score, story_id
    if best_id is None:
        return Choice(None, 0.0, ())
    nearest = tuple(link.article_id for link in by_story[best_id][:NEAREST])
    return Choice(best_id if best >= JOIN_AT else None, best, nearest)
