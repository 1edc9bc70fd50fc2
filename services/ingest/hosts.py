"""The order in which hosts are asked: each host's queue and politeness, and a heap of hosts by when each can next be asked."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from services.ingest.control import Control

Kind = Literal["feed", "page", "check"]

CHECKS_REMEMBERED = 20
"""A host's last checks, by which a failing host is told from a withdrawn article."""
HOST_FAILS_SHARE = 0.2
HOST_FAILS_LEAST = 5
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_PAUSE_S = 60.0


@dataclass(slots=True)
class Host:
    """A host's queue and politeness. `wakes_at` is its valid entry in the heap of hosts; None: it has none."""

    name: str
    queue: list[tuple[datetime, UUID, Kind]] = field(default_factory=list)
    running: int = 0
    started_at: datetime = LONG_AGO
    wakes_at: datetime | None = None
    checks_failed: deque[bool] = field(default_factory=lambda: deque(maxlen=CHECKS_REMEMBERED))

    def fails(self) -> bool:
        """Say whether so many checks fail that one of them proves nothing."""
        failed = sum(self.checks_failed)
        return failed >= HOST_FAILS_LEAST and failed >= HOST_FAILS_SHARE * len(self.checks_failed)


class HostQueues:
    """What is to be fetched, by host. Adding, taking and ending cost the logarithm of the number of hosts."""

    def __init__(self, is_current: Callable[[datetime, UUID, Kind], bool], delay_s: Callable[[str], float], concurrency: int) -> None:
        """Keep what says whether a queued fetch is still wanted at its time, a host's pause, and its fetches at once."""
        self.hosts: dict[str, Host] = {}
        self._is_current = is_current
        self._delay_s = delay_s
        self._concurrency = concurrency
        self._heap: list[tuple[datetime, str]] = []

    def add(self, name: str, due_at: datetime, key: UUID, kind: Kind) -> None:
        """Queue a fetch. One that is not current when its turn comes is passed over."""
        host = self.hosts.get(name)
        if host is None:
            host = self.hosts[name] = Host(name)
        heapq.heappush(host.queue, (due_at, key, kind))
        self._plan(host)

    def next_at(self) -> datetime | None:
        """Give when `take` is worth calling; None: not before something is added or ends."""
        while self._heap and not self._is_valid(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: datetime) -> tuple[Host, UUID, Kind] | None:
        """Begin the fetch that could start first, if one can by `now`; the host's pause begins with it. `end` must follow."""
        while (at := self.next_at()) is not None and at <= now:
            host = self.hosts[heapq.heappop(self._heap)[1]]
            host.wakes_at = None
            self._drop_stale(host)
            if not host.queue and not host.running and not any(host.checks_failed):
                del self.hosts[host.name]
            elif host.queue and host.running < self._concurrency and max(host.queue[0][0], self.free_at(host)) <= now:
                _, key, kind = heapq.heappop(host.queue)
                host.running += 1
                host.started_at = now
                self._plan(host)
                return host, key, kind
            else:
                self._plan(host)
        return None

    def end(self, host: Host) -> None:
        """Note that one of a host's fetches has ended."""
        host.running -= 1
        self._plan(host)

    def free_at(self, host: Host) -> datetime:
        """Give when a host's pause is over, by what is known now: its robots.txt may have asked for more since the last start."""
        return host.started_at + timedelta(seconds=self._delay_s(host.name))

    def _plan(self, host: Host) -> None:
        """Put the host where it belongs in the heap. A host with nothing queued wakes once its pause is over, to be forgotten."""
        self._drop_stale(host)
        if host.running >= self._concurrency or (not host.queue and (host.running or any(host.checks_failed))):
            host.wakes_at = None
            return
        at = max(host.queue[0][0], self.free_at(host)) if host.queue else self.free_at(host)
        if at != host.wakes_at:
            host.wakes_at = at
            heapq.heappush(self._heap, (at, host.name))

    def _drop_stale(self, host: Host) -> None:
        while host.queue and not self._is_current(*host.queue[0]):
            heapq.heappop(host.queue)

    def _is_valid(self, at: datetime, name: str) -> bool:
        host = self.hosts.get(name)
        return host is not None and host.wakes_at == at


class HostTurns:
    """Begins a partition's fetches as their hosts' turns come, no more at once than `places` has for all partitions of the process."""

    def __init__(self, queues: HostQueues, places: asyncio.Semaphore, control: Control, clock: Callable[[], datetime]) -> None:
        """Keep what says whose turn it is, and whether anything may be fetched."""
        self.queues = queues
        self._places = places
        self._control = control
        self._clock = clock
        self._changed = asyncio.Event()

    def add(self, name: str, due_at: datetime, key: UUID, kind: Kind) -> None:
        """Queue a fetch."""
        self.queues.add(name, due_at, key, kind)
        self._changed.set()

    def end(self, host: Host) -> None:
        """Note that one of a host's fetches has ended."""
        self.queues.end(host)
        self._changed.set()

    def look_again(self) -> None:
        """Look whose turn it is: what may be fetched has changed."""
        self._changed.set()

    async def begin_each(self, tasks: asyncio.TaskGroup, fetch: Callable[[Host, UUID, Kind], Coroutine[Any, Any, None]]) -> None:
        """Begin fetches until cancelled. `fetch` is called in turn and what it gives runs beside the others; it must call `end`."""
        while True:
            self._changed.clear()
            pause_s = self._pause_s()
            if pause_s > 0:
                try:
                    async with asyncio.timeout(pause_s):
                        await self._changed.wait()
                except TimeoutError:
                    pass
                continue
            # a place first: a host's pause counts from when its fetch starts, and after a restart thousands are due at once
            await self._places.acquire()
            if self._control.stopped or (taken := self.queues.take(self._clock())) is None:
                self._places.release()
                continue
            task = tasks.create_task(fetch(*taken))
            # not in the task: one that is cancelled before its first step never runs
            task.add_done_callback(lambda _: self._places.release())

    def _pause_s(self) -> float:
        """Give the seconds until something can start, at most a minute; while all is stopped nothing can."""
        if self._control.stopped:
            return LONGEST_PAUSE_S
        at = self.queues.next_at()
        return LONGEST_PAUSE_S if at is None else min(LONGEST_PAUSE_S, (at - self._clock()).total_seconds())
