"""How long a broker holds a fetch that finds nothing: briefly while records flow, longer while none come.

A record ends a held fetch at once, so waiting costs no latency by itself. But aiokafka has one fetch under way to a broker, and a broker
answers a connection's requests in turn: a partition that was held back, or a question for offsets, waits for that fetch. So consumers
begin with short waits and lengthen them only while nothing happens, when each empty fetch is all that they cost: measured, the waits
alone made up most of an idle system's work (docs/operations.md, `python -m bench.idle`).
"""

import time
from typing import Any, Final

IDLE_WAIT_MS: Final = 1_500
"""Below the 4 s that a broker is given to tell a topic's end before it counts as away."""
IDLE_AFTER_S: Final = 5.0
LOOK_MS: Final = 1_000
"""How often aiokafka's fetcher looks around without a cause (200 by default); whatever matters wakes it."""
TAKEN_S: Final = 0.1
IDLE_TAKEN_S: Final = 2.0
"""How long the other partitions' fetch waits for records to be taken: on a busy machine the first record after a silence could else be
taken too late, and those behind it would wait for a long fetch of the others."""


class Patience:
    """Sets a consumer's fetch wait to what it was made with, or to `IDLE_WAIT_MS` once nothing has come for a while."""

    def __init__(self, busy_wait_ms: int) -> None:
        """Begin with the short wait."""
        self._busy_wait_ms = busy_wait_ms
        self._since = time.monotonic()

    def note(self, consumer: Any, *, records: bool) -> None:
        """Tell what a read has given. A change takes effect with the next fetch."""
        now = time.monotonic()
        if records:
            self._since = now
        idle = now - self._since > IDLE_AFTER_S
        fetcher = consumer._fetcher  # noqa: SLF001 - aiokafka reads both anew each time, but gives no way to set them
        fetcher._fetch_max_wait_ms = IDLE_WAIT_MS if idle else self._busy_wait_ms  # noqa: SLF001
        fetcher._prefetch_backoff = IDLE_TAKEN_S if idle else TAKEN_S  # noqa: SLF001

    def begin_anew(self, consumer: Any) -> None:
        """Go back to the short wait: the partitions change."""
        self.note(consumer, records=True)
