"""Which story an article joins, from its links to articles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final
from uuid import UUID

from services.cluster.assign.index import Link
from services.cluster.assign.score import NATIVE

JOIN_AT: Final = 0.2
"""The score at which a story is joined; docs/clustering.md says what other values give. A story that is two is split at once."""
JOIN_ELSEWHERE_AT: Final = 0.25
"""The same in languages without an encoder of their own, whose vectors tell look-alikes apart less well."""
VOICES: Final = (1.0, 0.5, 0.25, 0.125)
"""How much a story's best, second, third and fourth link count; more members don't make a story attractive without end."""
TOLD_AT: Final = 0.03
"""Probability from which a member counts as telling of the article at all."""
ENOUGH_MEMBERS: Final = 20
"""Of a larger story so many telling members are as good as all."""
INTERCEPT: Final = -1.587
WEIGHT_OF_VOICES: Final = 0.797
WEIGHT_OF_SHARE: Final = 1.911
"""Fitted by `services.cluster.evaluate.fit`: log-odds of a story from those of its voices and the share of members that tell."""
NEAREST: Final = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """The story to join, None for a new one. `score`: of the best story; `nearest`: its members that speak for it, best first."""

    story_id: UUID | None
    score: float
    nearest: tuple[UUID, ...]


def evidence_of(probabilities: Sequence[float], members: int) -> tuple[float, float]:
    """Weigh the links of an article to a story of so many members, best first: the log-odds of its voices, the share of it that tells.

    The first is of the chance that at least one of the four best voices is right. The second says how many of the members are
    links at all: an event's reports resemble most of one another, a look-alike resembles some.
    """
    wrong = 1.0
    for probability, voice in zip(probabilities, VOICES, strict=False):
        wrong *= 1.0 - voice * probability
    right = min(max(1.0 - wrong, 1e-4), 1.0 - 1e-4)
    telling = sum(probability > TOLD_AT for probability in probabilities)
    return log(right / (1.0 - right)), min(min(telling, ENOUGH_MEMBERS) / max(min(members, ENOUGH_MEMBERS), 1), 1.0)


def score_of(probabilities: Sequence[float], members: int) -> float:
    """Give the score of a story of so many members whose links have these probabilities, best first: from 0 to 1."""
    voices, share = evidence_of(probabilities, members)
    return 1.0 / (1.0 + exp(-(WEIGHT_OF_VOICES * voices + WEIGHT_OF_SHARE * share + INTERCEPT)))


def join_at(language: str) -> float:
    """Give the score at which a story of a language (ISO 639-1) is joined."""
    return JOIN_AT if language in NATIVE else JOIN_ELSEWHERE_AT


def choose_story(
    links: Sequence[Link], story_of: Callable[[UUID], UUID | None], size_of: Callable[[UUID], int], needed: float = JOIN_AT
) -> Choice:
    """Choose the story of the highest score, if it is at least `needed`.

    `links` are best first. `story_of` gives an article's story, None where it has none; `size_of` a story's members. Of equal
    stories the one of the better first link is chosen.
    """
    by_story: dict[UUID, list[Link]] = {}
    for link in links:
        story_id = story_of(link.article_id)
        if story_id is not None:
            by_story.setdefault(story_id, []).append(link)
    best, best_id = 0.0, None
    for story_id, theirs in by_story.items():
        if score_of([theirs[0].probability] * len(VOICES), len(VOICES)) < best:
            break  # stories stand by their first links: neither this one nor any that follows can score more
        score = score_of([link.probability for link in theirs], size_of(story_id))
        if score > best:
            best, best_id = score, story_id
    if best_id is None:
        return Choice(None, 0.0, ())
    nearest = tuple(link.article_id for link in by_story[best_id][:NEAREST])
    return Choice(best_id if best >= needed else None, best, nearest)
