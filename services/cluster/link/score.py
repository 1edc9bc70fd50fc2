"""How likely two stories in different languages tell the same event, as log-odds.

A logistic regression on what needs no dictionary: the meaning of the vectors (the encoder is multilingual), names and numbers
that are the same in both. `bench/link_quality.py` fits the weights and says what they reach.
"""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from services.cluster.link.profile import Profile

WEIGHTS: Final = (20.0, 1.3, 4.0, -4.0)
"""Of the vectors' cosine, of names shared, of numbers shared, and of strangers: both have names of their own and share none."""
BIAS: Final = -11.3
GAP_PER_DAY: Final = -0.7
"""A day between one story's last article and the other's first; set by hand, since the examples are of one week."""

_RARE: Final = math.log(1_000)
_NAMES_PRIOR: Final = 100
"""A stream of few stories knows little of which names are rare."""
_ENOUGH_NAMES: Final = 4


def log_odds(one: Profile, other: Profile, meaning: float, commonness: Mapping[str, int], stories: int) -> float:
    """Give the log-odds that two stories tell the same event.

    `meaning`: the cosine of their vectors. `commonness`: in how many of the `stories` each name is.
    """
    known = evidence(one, other, meaning, commonness, stories)
    weighed = sum(weight * value for weight, value in zip(WEIGHTS, known, strict=True))
    return weighed + GAP_PER_DAY * (gap(one, other) / timedelta(days=1)) + BIAS


def evidence(
    one: Profile, other: Profile, meaning: float, commonness: Mapping[str, int], stories: int
) -> tuple[float, float, float, float]:
    """Give what `WEIGHTS` weigh: meaning, names shared, numbers shared, and being strangers; the last three from 0 to 1."""
    rarity = sum(_rarity(commonness.get(name, 1), stories) for name in sorted(one.names & other.names))
    shared_names = 1 - math.exp(-rarity)
    shared_numbers = 1 - math.exp(-sum(number_weight(number) for number in sorted(one.numbers & other.numbers)))
    strangers = min(1.0, min(len(one.names), len(other.names)) / _ENOUGH_NAMES) * (1 - shared_names) ** 4
    return meaning, shared_names, shared_numbers, strangers


def gap(one: Profile, other: Profile) -> timedelta:
    """Give the time between one story's last article and the other's first; none where they overlap."""
    return max(one.first_at - other.last_at, other.first_at - one.last_at, timedelta())


def number_weight(number: str) -> float:
    """Say how much a shared number tells: 7 is everywhere, years nearly so, 2600 hectares is one fire."""
    if len(number) == 4 and number[:2] in {"19", "20"}:
        return 0.3
    return {1: 0.15, 2: 0.6, 3: 0.9}.get(len(number), 1.0)


def _rarity(held_by: int, stories: int) -> float:
    return min(1.0, max(0.0, math.log((stories + _NAMES_PRIOR) / (held_by + 1)) / _RARE))
