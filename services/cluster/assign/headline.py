"""A story's headline: the title that says best what all its titles say."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

CANDIDATES = 40
"""Titles weighed at most: the first ones, so that a headline grows more stable with its story."""

_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_FITTING_CHARS = (20, 110)


@dataclass(frozen=True, slots=True)
class Title:
    """A present member's title. `source`: its wire group or itself; a report's copies have one vote."""

    article_id: UUID
    title: str
    source: UUID


def choose_headline(titles: Sequence[Title], current: UUID | None, margin: float) -> Title:
    """Choose the most central title, the earlier of equals.

    `titles`: at least one, by number. The current one stays unless another is better by `margin` (0 to 1).
    """
    if len(titles) == 1:
        return titles[0]
    words = [words_of(title.title) for title in titles]
    votes: Counter[str] = Counter()
    voters = set()
    for title, own in zip(titles, words, strict=True):
        if title.source not in voters:
            voters.add(title.source)
            votes.update(own)
    shared = {word: count for word, count in votes.items() if count > 1}
    weight = sum(shared.values())
    scores = [_score(title.title, own, votes, len(voters), shared, weight) for title, own in zip(titles, words, strict=True)]
    best = max(range(len(titles)), key=lambda place: (scores[place], -place))
    for place, title in enumerate(titles):
        if title.article_id == current and scores[best] < scores[place] + margin:
            return title
    return titles[best]


@lru_cache(maxsize=20_000)
def words_of(title: str) -> frozenset[str]:
    """Give a title's words, folded; pairs of characters where a script has no spaces."""
    found: set[str] = set()
    for word in _WORD.findall(title.casefold()):
        if _UNSPACED.search(word) and len(word) > 2:
            found.update(word[place : place + 2] for place in range(len(word) - 1))
        else:
            found.add(word)
    return frozenset(found)


def _score(title: str, own: frozenset[str], votes: Mapping[str, int], voters: int, shared: Mapping[str, int], weight: int) -> float:
    """Half for being like the others, half for covering what they share; less where a title is very short or long."""
    if not own:
        return 0.0
    like = sum(votes[word] for word in own) / (len(own) * voters)
    covered = sum(shared.get(word, 0) for word in own) / weight if weight else 0.0
    low, high = _FITTING_CHARS
    fit = min(1.0, len(title) / low, high / len(title))
    return round((like + covered) / 2 * fit, 6)
