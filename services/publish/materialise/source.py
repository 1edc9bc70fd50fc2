"""The topics as one reader sees them: all partitions assigned by hand, read committed, never a silent jump."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from services.publish.config import MaterialiseSettings
from services.publish.materialise import tables
from shared.errors import OwnerError
from shared.kafka.client import client_options, start_client
from shared.kafka.decision import Output, SourceRecord
from shared.kafka.patience import LOOK_MS, Patience
from shared.logs import get_logger
from shared.topics import DEAD_LETTER_BYTES, MAX_MESSAGE_BYTES, key_partition

log = get_logger()

WATCH_S = 2.0
"""How often the topics' ends are asked for, which also shows whether a broker answers."""
ANSWER_S = 4.0
POLL_MS = 1_000
"""How long one read waits for records; between two empty ones a worker tells how it is."""


class Source:
    """Reads the materialiser's topics, and produces dead letters."""

    def __init__(self, settings: MaterialiseSettings) -> None:
        """Wire; `start` connects."""
        self.settings = settings
        self.ends: dict[TopicPartition, int] = {}
        self.most_records = settings.materialise_batch_records
        self._consumer: Any = None
        self._patience = Patience(settings.materialise_fetch_wait_ms)
        self._producer: Any = None
        self._silent_since: float | None = None
        self._started = False

    async def start(self) -> None:
        """Connect, waiting for the broker as long as it takes, and take all partitions."""
        self._consumer = await start_client(self._make_consumer)
        missing = sorted(set(tables.BY_TOPIC) - set(await self._consumer.topics()))
        if missing:
            log.warning(
                "topics_missing",
                topics=missing,
                then="waiting until they are made (slugline topics apply), or this user may see them (slugline topics acls --apply)",
            )
        while missing:
            await asyncio.sleep(1)
            missing = sorted(set(tables.BY_TOPIC) - set(await self._consumer.topics()))
        assigned = [TopicPartition(table.topic.name, partition) for table in tables.ALL for partition in range(table.topic.partitions)]
        self._consumer.assign(assigned)
        self.ends.update(await self._consumer.end_offsets(assigned))
        for table in tables.ALL:
            while (known := self._consumer.partitions_for_topic(table.topic.name)) is None:  # noqa: ASYNC110 - aiokafka has no event for it
                await asyncio.sleep(0.1)  # the metadata of what was just assigned is on its way
            if (found := len(known)) != table.topic.partitions:
                raise OwnerError(
                    f"{table.topic.name} has {found} partitions, and is read as having {table.topic.partitions}: see slugline topics check"
                )
        self._started = True

    async def stop(self) -> None:
        """Disconnect."""
        for client in (self._consumer, self._producer):
            if client is not None:
                with contextlib.suppress(KafkaError, TimeoutError, OSError):
                    await asyncio.wait_for(client.stop(), timeout=5)
        self._consumer = self._producer = None

    def _make_consumer(self) -> Any:
        return AIOKafkaConsumer(
            **client_options(self.settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=self.settings.materialise_fetch_wait_ms,
            consumer_timeout_ms=LOOK_MS,
            max_partition_fetch_bytes=2 * MAX_MESSAGE_BYTES,
        )

    async def spans(self) -> dict[TopicPartition, tuple[int, int]]:
        """Give each partition's oldest offset and its end."""
        self._patience.begin_anew(self._consumer)
        assigned = sorted(self._consumer.assignment())
        begins = await self._consumer.beginning_offsets(assigned)
        ends = await self._consumer.end_offsets(assigned)
        self.ends.update(ends)
        return {tp: (begins[tp], ends[tp]) for tp in assigned}

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets."""
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)

    async def read(self) -> list[SourceRecord]:
        """Give the next records, in order within each partition; none when none come within `POLL_MS`.

        Raises `OffsetOutOfRangeError` when the next of a partition is no longer there.
        """
        batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=self.most_records)
        self._patience.note(self._consumer, records=bool(batches))
        return [
            SourceRecord(tp.topic, tp.partition, record.offset, record.key, record.value, record.timestamp, tuple(record.headers))
            for tp, records in batches.items()
            for record in records
        ]

    async def positions(self) -> dict[TopicPartition, int]:
        """Give the next offset to read of each partition; behind transactions' markers, which are no records."""
        return {tp: await self._consumer.position(tp) for tp in self._consumer.assignment()}

    async def produce(self, outputs: list[Output]) -> None:
        """Produce records and wait until all are acknowledged."""
        if self._producer is None:
            self._producer = await start_client(
                lambda: AIOKafkaProducer(**client_options(self.settings), enable_idempotence=True, max_request_size=DEAD_LETTER_BYTES)
            )
        sends = [
            await self._producer.send(
                output.topic.name,
                key=output.key.encode(errors="replace"),
                value=None if output.value is None else output.value.to_bytes(),
                partition=key_partition(output.key, output.topic),
            )
            for output in outputs
        ]
        await asyncio.gather(*sends)

    async def watch(self) -> None:
        """Ask for the topics' ends again and again, until cancelled."""
        while True:
            if self._started:
                try:
                    self.ends.update(
                        await asyncio.wait_for(self._consumer.end_offsets(list(self._consumer.assignment())), timeout=ANSWER_S)
                    )
                except (KafkaError, TimeoutError, OSError) as error:
                    self._note_silence(error)
                else:
                    self._note_answer()
            await asyncio.sleep(WATCH_S)

    def _note_silence(self, error: BaseException) -> None:
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            log.warning("broker_unreachable", error=f"{type(error).__name__}: {error}", then="waiting until it answers")

    def _note_answer(self) -> None:
        if self._silent_since is not None:
            log.info("broker_answers", after_s=round(time.monotonic() - self._silent_since, 1))
            self._silent_since = None

    def waits(self) -> str | None:
        """Say what reading waits for."""
        if not self._started:
            return "waits for the broker and its topics"
        return None if self._silent_since is None else f"the broker has not answered for {time.monotonic() - self._silent_since:.0f} s"
