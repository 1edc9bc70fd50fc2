"""Every record of every topic, looked at for what should be gone."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.erasure.needles import Finder, inner
from shared.kafka.client import client_options, start_client
from shared.kafka.tables import ANSWER_LIMIT_S
from shared.settings import Settings
from shared.topics import ALL, DEAD_LETTERS, Topic

POLL_RECORDS: Final = 2_000


@dataclass(slots=True)
class Found:
    """What a topic still holds. `left`: in records that count; `old`: in records that a later one of their key has replaced."""

    topic: Topic
    records: int = 0
    named: int = 0
    """Records that name an id and say nothing else of the article."""
    left: int = 0
    old: int = 0
    last_at: datetime | None = None
    """When the last record with content was appended."""
    last_offsets: dict[int, int] = field(default_factory=dict)
    """By partition, the last record with content."""
    example: str = ""
    letters: set[str] = field(default_factory=set)

    @property
    def expires(self) -> bool:
        """Say whether its records go by age alone."""
        return "compact" not in self.topic.config["cleanup.policy"]


async def scan(settings: Settings, finder: Finder, topics: Iterable[Topic] = ALL) -> list[Found]:
    """Look through topics, aborted transactions' records too. Raises `Unreachable`."""
    return [await _scan(settings, topic, finder) for topic in topics]


async def _scan(settings: Settings, topic: Topic, finder: Finder) -> Found:
    found = Found(topic)
    latest: dict[tuple[int, bytes | None], int] = {}
    hits: list[tuple[int, bytes | None, int]] = []
    async for record in records_of(settings, topic):
        found.records += 1
        latest[record.partition, record.key] = record.offset
        value = record.value or b""
        bytes_of = b"\n".join((record.key or b"", inner(value) if topic is DEAD_LETTERS else value))
        passage = finder.passage_in(bytes_of)
        if passage is not None:
            hits.append((record.partition, record.key, record.offset))
            found.example = found.example or passage
            found.last_offsets[record.partition] = record.offset
            at = datetime.fromtimestamp(record.timestamp / 1000, tz=UTC)
            found.last_at = at if found.last_at is None else max(found.last_at, at)
        elif finder.id_in(bytes_of):
            found.named += 1
    for partition, key, offset in hits:
        if not found.expires and latest[partition, key] > offset:
            found.old += 1
        else:
            found.left += 1
    return found


async def records_of(settings: Settings, topic: Topic) -> AsyncIterator[Any]:
    """Give every record that a topic holds, to its present end."""
    async with reading(settings, topic) as consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200, max_records=POLL_RECORDS)).values():
                for record in records:
                    yield record


@asynccontextmanager
async def reading(settings: Settings, topic: Topic) -> AsyncIterator[Any]:
    """Give a consumer at a topic's beginning, outside any group."""
    consumer: Any = await start_client(
        lambda: AIOKafkaConsumer(
            **client_options(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_uncommitted",
        ),
        give_up_s=ANSWER_LIMIT_S,
    )
    try:
        tps = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(tps)
        for tp, begin in (await consumer.beginning_offsets(tps)).items():
            consumer.seek(tp, begin)
        yield consumer
    finally:
        await consumer.stop()
