"""Driving the services of publish on the real broker and database."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.publish.config import BriefSettings, MaterialiseSettings
from services.publish.connect import Connection
from services.publish.materialise.commit import commit_batch
from services.publish.materialise.decode import handle
from services.publish.materialise.offsets import begin_offsets, stored_offsets
from shared.contracts import Message
from shared.kafka.decision import SourceRecord
from shared.topics import Topic
from tests.publish.made_up import Log

LIMIT_S = 30.0


async def eventually(condition: Callable[[], Awaitable[Any]], limit_s: float = LIMIT_S, every_s: float = 0.01) -> Any:
    """Wait until a condition holds and give what it gave."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            found = await condition()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {limit_s} s"
        await asyncio.sleep(every_s)


@asynccontextmanager
async def running(run: Callable[[Any, asyncio.Event], Awaitable[None]], settings: Any) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a service within this process; it must end cleanly."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(run(settings, stop))
    try:
        yield task  # type: ignore[misc]
    finally:
        stop.set()
        await asyncio.wait_for(task, timeout=15)


@asynccontextmanager
async def process(module: str, settings: MaterialiseSettings | BriefSettings) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a service as a process of its own; it is killed at the end if it still runs."""
    environment = os.environ | {
        "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "SLUGLINE_DATABASE_URL": settings.database_url,
        "SLUGLINE_STATUS_INTERVAL_S": str(settings.status_interval_s),
    }
    if isinstance(settings, MaterialiseSettings):
        environment["SLUGLINE_MATERIALISE_BATCH_RECORDS"] = str(settings.materialise_batch_records)
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", module, env=environment, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


@asynccontextmanager
async def producing(bootstrap: str, **options: Any) -> AsyncIterator[Any]:
    """Give a started producer."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def produce(bootstrap: str, records: Iterable[SourceRecord]) -> None:
    """Produce records to their partitions, in order."""
    async with producing(bootstrap) as producer:
        sends = [await producer.send(record.topic, key=record.key, value=record.value, partition=record.partition) for record in records]
        await asyncio.gather(*sends)


async def put(bootstrap: str, *messages: Message) -> None:
    """Produce messages where they belong."""
    log = Log()
    await produce(bootstrap, [log.put(message) for message in messages])


async def read_topic(bootstrap: str, topic: Topic) -> list[Any]:
    """Give all committed records of a topic, partition after partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic.name, partition) for partition in range(topic.partitions)])
        ends = await consumer.end_offsets(consumer.assignment())
        found: list[Any] = []
        for tp, end in sorted(ends.items()):
            while await consumer.position(tp) < end:
                found += (await consumer.getmany(tp, timeout_ms=200)).get(tp, [])
        return found
    finally:
        await consumer.stop()


async def load(connection: Connection, *messages: Message | Log) -> None:
    """Make rows of messages without a broker, each placed behind what was loaded before."""
    logs = [message for message in messages if isinstance(message, Log)]
    log = logs[0] if logs else Log()
    for message in messages:
        if isinstance(message, Message):
            log.put(message)
    spans = {TopicPartition(*place): (0, 0) for place in log.partitions}
    await begin_offsets(connection, spans)
    offsets = await stored_offsets(connection)
    batch = [
        handle(replace(record, offset=offsets[TopicPartition(*place)] + number))
        for place, records in log.partitions.items()
        for number, record in enumerate(records)
    ]
    await commit_batch(connection, offsets, batch, {})
