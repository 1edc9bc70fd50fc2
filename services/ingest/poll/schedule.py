"""When a feed is polled next: pure arithmetic on how often it changes, what it asks for, and how it fails."""

import zlib
from dataclasses import dataclass
from uuid import UUID

GROW = 1.5
SHRINK = 0.6
GAP_SHRINK = 0.3
"""After items may have been missed the interval shrinks more than after a plain find."""
JITTER = 0.1
FIRST_JITTER = 1.0
"""After the first poll: feeds that were registered together do not stay together."""
HINT_LIMIT_S = 3_600.0
"""A feed may ask not to be polled more often than hourly; more than that it asks of a reader's program, not of news."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shortest and longest interval, in seconds."""

    shortest_s: float
    longest_s: float


def next_interval(interval_s: float, bounds: Bounds, *, found: int, gap: bool, hint_s: float | None) -> float:
    """Give the interval after a poll that succeeded: shorter after finds, longer without, never below what the feed asks for."""
    factor = GAP_SHRINK if gap else SHRINK if found else GROW
    floor = max(bounds.shortest_s, min(hint_s or 0.0, HINT_LIMIT_S))
    return min(max(interval_s * factor, floor), bounds.longest_s)


def backoff(failures: int, bounds: Bounds, retry_after_s: float | None) -> float:
    """Give the pause after the `failures`-th failure in a row; `Retry-After` is obeyed up to the longest interval."""
    pause = min(bounds.shortest_s * 2.0 ** min(failures, 20), bounds.longest_s)
    return min(max(pause, retry_after_s or 0.0), bounds.longest_s)


def jitter(pause_s: float, feed_id: UUID, turn: int, spread: float = JITTER) -> float:
    """Spread equal pauses by up to a tenth, or another share of them, the same way for the same feed and turn."""
    share = zlib.crc32(f"{feed_id}:{turn}".encode()) / 2**32
    return pause_s * (1 + spread * share)
