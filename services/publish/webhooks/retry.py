"""When a delivery is tried again: exponential backoff with jitter, no earlier than the endpoint asks. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retry:
    """The first pause and the longest, in seconds."""

    first_s: float
    longest_s: float

    def pause_s(self, failures: int, chance: float, asked_s: float | None = None) -> float:
        """Give the pause after the `failures`-th failure in a row (1, 2 …). `chance` is uniform in 0 to 1; `asked_s` is Retry-After."""
        whole = min(self.first_s * 2.0 ** min(failures - 1, 32), self.longest_s)
        # Between half and whole, so that what failed together does not come back together.
        return max(whole * (0.5 + 0.5 * chance), min(asked_s or 0.0, self.longest_s))
