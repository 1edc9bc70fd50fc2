"""An idle consumer lets the broker hold its fetches longer, and gets a record as soon as ever."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from shared.kafka import patience
from shared.kafka.patience import IDLE_WAIT_MS, Patience
from shared.topics import DEAD_LETTERS
from tests.topics import until

pytestmark = pytest.mark.stack
BUSY_WAIT_MS = 100


async def test_an_idle_consumer_asks_seldom_and_reads_at_once(
    clean_topics: str, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Patience sets is what aiokafka asks the broker for."""
    monkeypatch.setattr(patience, "IDLE_AFTER_S", 0.3)
    tp = TopicPartition(DEAD_LETTERS.name, 0)
    async with (
        AIOKafkaConsumer(bootstrap_servers=clean_topics, fetch_max_wait_ms=BUSY_WAIT_MS, auto_offset_reset="latest") as consumer,
        AIOKafkaProducer(bootstrap_servers=clean_topics) as producer,
    ):
        waits = _waits_asked_for(consumer, monkeypatch)
        consumer.assign([tp])
        await consumer.seek_to_end(tp)
        patient = Patience(BUSY_WAIT_MS)

        async def idle() -> bool:
            patient.note(consumer, records=bool(await consumer.getmany(timeout_ms=50)))
            return waits[-1:] == [IDLE_WAIT_MS]

        await until(idle, "a fetch that the broker holds longer")
        assert BUSY_WAIT_MS in waits
        sent = time.monotonic()
        await producer.send_and_wait(tp.topic, unique("letter").encode(), partition=tp.partition)
        [[record]] = (await consumer.getmany(timeout_ms=5_000)).values()
        # The fetch was just begun: unless the record ends it, it lasts for most of its wait.
        assert time.monotonic() - sent < IDLE_WAIT_MS / 2_000, record
        patient.note(consumer, records=True)
        await consumer.getmany(timeout_ms=50)
        assert waits[-1] == BUSY_WAIT_MS


def _waits_asked_for(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    waits: list[int] = []
    send = consumer._client.send

    async def noting(node: Any, request: Any, **given: Any) -> Any:
        if isinstance(request, FetchRequest):
            waits.append(request._max_wait_ms)
        return await send(node, request, **given)

    monkeypatch.setattr(consumer._client, "send", noting)
    return waits
