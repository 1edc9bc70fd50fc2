"""The time on the wall, watched: a machine's clock that is set while a service runs must not be taken for time that has passed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime


def _since_boot_s() -> float:
    """Seconds since boot, those of a suspended machine included; no setting of the clock changes it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class WatchedClock:
    """Tells the time, and by how much the clock was set since this object was made."""

    def __init__(self, wall: Callable[[], float] = time.time, since_boot: Callable[[], float] = _since_boot_s) -> None:
        """Take the two clocks; they are compared from now on."""
        self._wall = wall
        self._since_boot = since_boot
        self._began = wall() - since_boot()

    def now(self) -> datetime:
        """Give the time on the wall."""
        return datetime.fromtimestamp(self._wall(), UTC)

    def jumped_s(self) -> float:
        """Give the seconds by which the clock was put forward (negative: back)."""
        return self._wall() - self._since_boot() - self._began
