"""A sender's pace: a token bucket each. Pure; the time is an argument."""


class Pace:
    """Token buckets by sender. Senders are those with tokens, so they are few and none is forgotten."""

    def __init__(self, rate_s: float, burst: int) -> None:
        """Allow `burst` at once and `rate_s` a second after."""
        self._rate_s = rate_s
        self._burst = float(burst)
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait_s(self, sender: str, now_s: float) -> float:
        """Take one; gives 0, or the seconds until there is one. `now_s` is monotonic."""
        left, since_s = self._buckets.get(sender, (self._burst, now_s))
        left = min(self._burst, left + max(0.0, now_s - since_s) * self._rate_s)
        allowed = left >= 1.0
        self._buckets[sender] = (left - 1.0 if allowed else left, now_s)
        return 0.0 if allowed else (1.0 - left) / self._rate_s
