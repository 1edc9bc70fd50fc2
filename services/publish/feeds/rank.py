"""Rank stories by independent publishers, growth and age, in a form that stays right without being rewritten.

What a reader wants is a decayed count: each independent publisher counts 1 when it reports and e^(-t/τ) after time t. The logarithm
of that sum is a constant minus t/τ, and t/τ is the same for every story at the moment of reading, so the constant alone gives the
order for ever. A story that many publishers joined within a short span keeps more of its weight, which is growth.
"""

import math
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
"""Ranks count from here; any fixed time gives the same order."""

TAU = timedelta(hours=12)
"""How long until a report counts 1/e. With 12 hours, a story of 20 publishers yields to a fresh one of 3 after a day."""


def rank(publisher_count: int, first_published_at: datetime, last_published_at: datetime, *, tau: timedelta = TAU) -> float:
    """Give a story's static rank: higher stands first, at any moment of reading.

    The publishers are taken as evenly spread from `first_published_at` to `last_published_at` (aware times), so that the sum of decays
    has a closed form: ln n + last/τ + ln((1 - e^-d) / d) with d = span/τ. A story without publishers ranks as one of half a publisher.
    """
    span = max((last_published_at - first_published_at) / tau, 0.0)
    spread = 0.0 if span < 1e-9 else math.log(-math.expm1(-span) / span)
    return (last_published_at - EPOCH) / tau + math.log(max(publisher_count, 0.5)) + spread


def score_at(static_rank: float, now: datetime, *, tau: timedelta = TAU) -> float:
    """Give the decayed count of publishers that a static rank stands for at `now`."""
    return math.exp(min(static_rank - (now - EPOCH) / tau, 700.0))
