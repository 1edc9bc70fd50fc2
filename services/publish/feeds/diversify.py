"""Keep one topic from filling the top of a list: a story gives way when stories above it tell of the same thing.

Greedy, after the maximal marginal relevance of Carbonell and Goldstein (1998): each place goes to the story with the best rank less
what it shares with the stories placed before it. Ranks are logarithms (see `rank`), so a penalty of 1 is 12 hours of age.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SHORTEST_TERM = 4
"""Letters; shorter words of a headline are mostly grammar, in any language. Scripts without spaces are cut into pairs of letters."""
PENALTY = 3.0
"""What a story that is wholly the same topic as one above it loses: a day and a half."""
FADE = 0.85
"""Each place further up counts for less: a topic may come back further down."""
WEAKEST = 0.2
"""Similarities below are chance: two headlines that share one common word."""
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A story's rank and headline."""

    rank: float
    headline: str


def terms(headline: str) -> frozenset[str]:
    """Give the words of a headline that may name its topic, folded and cut at 7 letters so that inflections meet."""
    found: set[str] = set()
    for word in _WORD.findall(headline.casefold()):
        if _UNSPACED.search(word):
            found.update(word[start : start + 2] for start in range(len(word) - 1))
        elif len(word) >= SHORTEST_TERM:
            found.add(word[:7])
    return frozenset(found)


def diverse_order(stories: Sequence[Ranked]) -> list[int]:
    """Give the order (indexes into `stories`) in which to show them; ties keep the given order. Quadratic: for one page."""
    topics = [terms(story.headline) for story in stories]
    spread = Counter(term for topic in topics for term in topic)
    squares = {term: math.log((1 + len(stories)) / count) ** 2 for term, count in spread.items()}
    norms = [math.sqrt(sum(map(squares.__getitem__, topic))) or 1.0 for topic in topics]
    penalties = [0.0] * len(stories)
    left = list(range(len(stories)))
    order: list[int] = []
    while left:
        best = max(left, key=lambda index: (stories[index].rank - penalties[index], -index))
        left.remove(best)
        order.append(best)
        for index in left:
            penalties[index] *= FADE
            if common := topics[best] & topics[index]:
                shared = sum(map(squares.__getitem__, common)) / (norms[best] * norms[index])
                penalties[index] += PENALTY * shared if shared >= WEAKEST else 0.0
    return order
