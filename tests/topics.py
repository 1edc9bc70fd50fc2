"""Reading and writing whole topics in tests."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.contracts import Message
from shared.kafka.decision import Decision, Output
from shared.kafka.encode import encode
from shared.topics import Topic

LIMIT_S = 90.0
M = TypeVar("M", bound=Message)


async def until(condition: Callable[[], Awaitable[bool]], what: str, limit_s: float = LIMIT_S, interval_s: float = 0.1) -> None:
    """Wait for a condition; the failure says what was waited for."""
    try:
        async with asyncio.timeout(limit_s):
            while not await condition():
                await asyncio.sleep(interval_s)
    except TimeoutError:
        msg = f"waited {limit_s:.0f} s in vain: {what}"
        raise AssertionError(msg) from None


async def read_records(bootstrap: str, topic: Topic) -> list[Any]:
    """Read all committed records of a topic, in the order of partition and offset."""
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, isolation_level="read_committed", auto_offset_reset="earliest"
    ) as consumer:
        tps = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        records: list[Any] = []
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for got in (await consumer.getmany(timeout_ms=200)).values():
                records += got
    return sorted(records, key=lambda record: (record.partition, record.offset))


async def read_messages(bootstrap: str, topic: Topic, kind: type[M]) -> list[M]:
    """Read all committed messages of a topic, tombstones left out."""
    return [kind.from_bytes(record.value) for record in await read_records(bootstrap, topic) if record.value is not None]


async def write(bootstrap: str, outputs: Iterable[Output]) -> None:
    """Write outputs to their topics."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for sent in [
            await producer.send(out.topic, key=out.key, value=out.value, partition=out.partition)
            for out in encode(Decision(outputs=tuple(outputs)))
        ]:
            await sent
