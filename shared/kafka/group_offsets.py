"""A consumer group's offsets for a stage that has no changelog: where it begins, whether that is still kept, and how far it is."""

import asyncio
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared import metrics
from shared.errors import SourceExpired
from shared.kafka.client import client_options, start_client
from shared.kafka.patience import LOOK_MS
from shared.logs import get_logger
from shared.settings import Settings
from shared.topics import Topic

log = get_logger()

WATCH_S = 2.0
ANSWER_S = 4.0
"""A broker that takes longer to answer counts as away."""


MARKERS = 1
"""Offsets at a partition's end that are no record: the marker of the last transaction, behind which a group does not commit."""


class GroupWatch:
    """How far a group is in its source, asked for every few seconds, which also shows whether the broker answers."""

    def __init__(self, settings: Settings, stage: str, group: str, source: Topic) -> None:
        """Keep what to ask for; `run` connects."""
        self._settings = settings
        self._stage = stage
        self._group = group
        self._tps = [TopicPartition(source.name, partition) for partition in range(source.partitions)]
        self._away_since: float | None = None
        self.lag: dict[int, int] = {}

    async def run(self) -> None:
        """Ask until cancelled."""
        consumer: Any = await start_client(
            lambda: AIOKafkaConsumer(
                **client_options(self._settings),
                group_id=self._group,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                consumer_timeout_ms=LOOK_MS,
            )
        )
        try:
            consumer.assign(self._tps)
            consumer.pause(*self._tps)  # it asks how the group stands, and reads nothing
            while True:
                try:
                    self._note(await asyncio.wait_for(self._ask(consumer), timeout=ANSWER_S))
                except (KafkaError, TimeoutError, OSError) as error:
                    self._note_away(error)
                await asyncio.sleep(WATCH_S)
        finally:
            await consumer.stop()

    async def _ask(self, consumer: Any) -> dict[int, tuple[int, int]]:
        """Give for each partition the committed offset and the end."""
        ends = await consumer.end_offsets(self._tps)
        # One request for all; the consumer's own `committed` asks for one partition at a time.
        committed = await consumer._coordinator.fetch_committed_offsets(self._tps)  # noqa: SLF001
        return {tp.partition: (committed[tp].offset if tp in committed else 0, ends[tp]) for tp in self._tps}

    def _note(self, stands: dict[int, tuple[int, int]]) -> None:
        if self._away_since is not None:
            log.info("broker_answers", stage=self._stage, after_s=round(time.monotonic() - self._away_since, 1))
            self._away_since = None
        self.lag = {partition: max(0, end - committed) for partition, (committed, end) in stands.items()}
        for partition, (committed, end) in stands.items():
            metrics.note_lag(self._stage, str(partition), committed, end, time.time(), markers=MARKERS)

    def _note_away(self, error: BaseException) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("broker_unreachable", stage=self._stage, error=f"{type(error).__name__}: {error}", then="waiting until it answers")

    def waits_for_broker(self) -> str | None:
        """Say for how long the broker has not answered; None if it does."""
        return None if self._away_since is None else f"the broker has not answered for {time.monotonic() - self._away_since:.0f} s"

    def waits_for_lag(self, limit: int) -> str | None:
        """Say how many inputs wait if they are more than `limit`."""
        lag = sum(self.lag.values())
        return None if lag <= limit else f"{lag:,} inputs wait, more than {limit:,}"


async def begin_group(settings: Settings, group: str, source: Topic) -> None:
    """Commit the oldest kept offset for each partition that the group has none for.

    So that the group can read with `auto_offset_reset="none"`: an offset that has expired is an error, never a jump.
    Raises `SourceExpired` when records were deleted before the group handled them.
    """
    tps = [TopicPartition(source.name, partition) for partition in range(source.partitions)]
    consumer: Any = await start_client(
        lambda: AIOKafkaConsumer(**client_options(settings), group_id=group, enable_auto_commit=False, auto_offset_reset="none")
    )
    try:
        consumer.assign(tps)
        begins = await consumer.beginning_offsets(tps)
        fresh: dict[TopicPartition, int] = {}
        for tp in tps:
            committed = await consumer.committed(tp)
            if committed is None:
                fresh[tp] = begins[tp]
            elif committed < begins[tp]:
                stage = group.removeprefix("slugline-")
                raise SourceExpired(
                    f"source expired: {stage} comes next to {tp.topic}[{tp.partition}] at {committed}, the oldest kept is {begins[tp]}: "
                    f"{begins[tp] - committed:,} records are gone. "
                    f"Accept the loss with: slugline offsets reset {stage} --partition {tp.partition}"
                )
        if fresh:
            await consumer.commit(fresh)
    finally:
        await consumer.stop()
