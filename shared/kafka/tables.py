"""Reading a compacted topic as the table that it is, and writing single records to a topic."""

from collections.abc import Iterable
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.kafka.client import client_options, start_client
from shared.kafka.decision import Decision, Output
from shared.kafka.encode import encode
from shared.settings import Settings
from shared.topics import DEAD_LETTER_BYTES, Topic

ANSWER_LIMIT_S = 10.0
"""How long a command waits for the broker before it says that none answers."""


async def read_table(settings: Settings, topic: Topic) -> dict[str, bytes]:
    """Read a compacted topic to its present end; gives the latest value of each key. Raises `Unreachable`."""
    table: dict[str, bytes] = {}
    consumer: Any = await start_client(
        lambda: AIOKafkaConsumer(
            **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="none", isolation_level="read_committed"
        ),
        give_up_s=ANSWER_LIMIT_S,
    )
    try:
        tps = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        for tp, begin in (await consumer.beginning_offsets(tps)).items():
            consumer.seek(tp, begin)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=200, max_records=5_000)).values():
                for record in records:
                    key = record.key.decode()
                    if record.value is None:
                        table.pop(key, None)
                    else:
                        table[key] = record.value
    finally:
        await consumer.stop()
    return table


class Sender:
    """Sends outputs idempotently, many at a time. Use as an async context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        self._producer = await start_client(
            lambda: AIOKafkaProducer(
                **client_options(self._settings), enable_idempotence=True, max_request_size=DEAD_LETTER_BYTES, linger_ms=5
            ),
            give_up_s=ANSWER_LIMIT_S,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(self, outputs: Iterable[Output]) -> None:
        """Send outputs and return when the broker has all of them."""
        sent = [
            await self._producer.send(out.topic, key=out.key, value=out.value, partition=out.partition)
            for out in encode(Decision(outputs=tuple(outputs)))
        ]
        for future in sent:
            await future
