"""A standby: it follows the changelog of a partition that another process owns, so that it has the state when it takes the partition over.

What is followed is committed. Each transaction with inputs ends with the record of the next source offset, so changes are taken over
transaction by transaction. Taking over trusts nothing that came before: the new owner's producer fences the old one first, and then the
changelog is read from where the standby stands to its settled end, just as a whole one is.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared import metrics
from shared.errors import SluglineError
from shared.kafka.changelog import OFFSET_KEY, changelog_consumer
from shared.kafka.client import start_client
from shared.kafka.partition import Logic
from shared.kafka.patience import Patience
from shared.logs import get_logger
from shared.settings import Settings
from shared.tasks import end_tasks

log = get_logger()

FETCH_WAIT_MS = 500
READ_TOGETHER = 5_000
AGAIN_AFTER_S = 5.0
"""Pause after a failure, before the changelog is read anew from its beginning."""

WARM = metrics.gauge(
    "slugline_standby_warm", "1 while the partition's state, which another process owns, is followed here", "stage", "partition"
)


class FollowingLogic(Logic, Protocol):
    """A partition's code that can also follow another owner."""

    def follow(self, changes: Mapping[str, bytes | None]) -> None:
        """Take over what whole transactions of another owner left different, after `restored`."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A state, and where in the changelog it stands."""

    logic: FollowingLogic
    position: int
    """The changelog's offset to read on from."""
    next_offset: int | None
    """The next source offset that belongs to the state; None before the first input."""
    changes: dict[str, bytes | None]
    """Read, but of a transaction whose end is not read yet."""


class Standby:
    """Follows one partition from `start` until `end` or `hand_over`. A failure is logged, and following begins anew."""

    def __init__(
        self,
        settings: Settings,
        stage: str,
        changelog: str,
        partition: int,
        make_logic: Callable[[int], FollowingLogic],
        turn: asyncio.Semaphore,
    ) -> None:
        """Keep what is needed; a changelog is read from its beginning in `turn`, for it fills a core and memory."""
        self._settings = settings
        self._labels = (stage, str(partition))
        self._tp = TopicPartition(changelog, partition)
        self._make_logic = make_logic
        self._turn = turn
        self._state: Followed | None = None
        self._taking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._wanted = True
        """Not after a handover; a cancellation alone could be lost in aiokafka."""
        self._log = log.bind(stage=stage, partition=partition)

    @property
    def warm(self) -> bool:
        """Say whether the state is here."""
        return self._state is not None

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._live())

    async def end(self) -> None:
        """Stop following and drop the state."""
        if self._task is not None:
            await end_tasks([self._task])
        self._forget()

    def _forget(self) -> None:
        if self._state is not None:
            self._state = None
            WARM.remove(*self._labels)

    async def hand_over(self) -> Followed | None:
        """Give the state, None where it is not whole yet, and follow no more; `end` waits until the connection is closed, too."""
        async with self._taking:  # no change is half taken over
            state = self._state
            self._wanted = False
            self._forget()
            if self._task is not None:
                self._task.cancel()
        return state

    @property
    def has_ended(self) -> bool:
        """Say whether nothing of it runs any more."""
        return self._task is None or self._task.done()

    async def _live(self) -> None:
        while self._wanted:
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001 - whatever it is, the state is not trusted any more
                expected = isinstance(error, (KafkaError, SluglineError, OSError, TimeoutError))
                told = f"{type(error).__name__}: {error}"
                self._log.warning("standby_failed", error=told, then="drops what it followed and begins anew", exc_info=not expected)
            self._forget()
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _follow(self) -> None:
        consumer = await start_client(lambda: changelog_consumer(self._settings, "read_committed"))
        try:
            consumer.assign([self._tp])
            async with self._turn:
                await self._restore(consumer)
            patience = Patience(FETCH_WAIT_MS)
            while self._wanted:
                records = (await consumer.getmany(self._tp, timeout_ms=1_000, max_records=READ_TOGETHER)).get(self._tp, ())
                patience.note(consumer, records=bool(records))
                position = await consumer.position(self._tp)
                async with self._taking:
                    if self._state is not None:
                        self._state = await self._taken(self._state, records, position)
        finally:
            await consumer.stop()

    async def _restore(self, consumer: Any) -> None:
        """Read what is there by now. Its end is the last stable offset, so transactions are whole; what comes meanwhile is followed."""
        logic, next_offset = self._make_logic(self._tp.partition), None
        later: list[Any] = []
        begin = (await consumer.beginning_offsets([self._tp]))[self._tp]
        end = (await consumer.end_offsets([self._tp]))[self._tp]
        consumer.seek(self._tp, begin)
        while await consumer.position(self._tp) < end:
            for record in (await consumer.getmany(self._tp, timeout_ms=500, max_records=READ_TOGETHER)).get(self._tp, ()):
                key = record.key.decode()
                if record.offset >= end:
                    later.append(record)
                elif key == OFFSET_KEY:
                    next_offset = int(record.value)
                else:
                    logic.restore(key, record.value)
        position = await consumer.position(self._tp)
        await asyncio.to_thread(logic.restored)
        self._state = await self._taken(Followed(logic, position, next_offset, {}), later, position)
        WARM.labels(*self._labels).set(1)
        self._log.info("standby_warm", next_offset=next_offset)

    async def _taken(self, state: Followed, records: Iterable[Any], position: int) -> Followed:
        changes, next_offset = state.changes, state.next_offset
        for record in records:
            key = record.key.decode()
            if key != OFFSET_KEY:
                changes[key] = record.value
                continue
            next_offset = int(record.value)
            # In a thread: heartbeats go on.
            await asyncio.to_thread(state.logic.follow, changes)
            changes = {}
        return Followed(state.logic, position, next_offset, changes)
