"""Getting rid of old copies at once: logs are cut behind the last one, compacted topics are made to compact.

A topic's settings are changed for as long as that takes, and set back whatever happens.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.erasure.needles import Finder
from deploy.erasure.scan import Found, scan
from shared.errors import Refused
from shared.kafka import admin as kafka_admin
from shared.kafka.client import client_options, start_client
from shared.settings import Settings
from shared.topics import ASSIGN_STATE, FEEDS, FETCH_CONTROL, FETCH_STATE, POLL_STATE, Topic

HURRIED: Final[Mapping[str, str]] = {
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "1000",
    "delete.retention.ms": "1000",
}
LOOK_S: Final = 1.0
NUDGED: Final[Mapping[str, str]] = {ASSIGN_STATE.name: "m:", FETCH_STATE.name: "a:"}
"""Private changelogs take the deletion of a key that is not there, if it looks like one of theirs."""
LEFT_ALONE: Final = frozenset({POLL_STATE.name, FETCH_CONTROL.name, FEEDS.name})


async def cut_logs(settings: Settings, found: Sequence[Found]) -> list[str]:
    """Delete the records of logs up to the last one with content, and give the topics' names."""
    cut: dict[TopicPartition, Any] = {
        TopicPartition(one.topic.name, partition): RecordsToDelete(before_offset=offset + 1)
        for one in found
        if one.expires
        for partition, offset in one.last_offsets.items()
    }
    if cut:
        async with kafka_admin.connected(settings) as admin:
            await admin.delete_records(cut)
    return sorted({tp.topic for tp in cut})


async def compact_now(settings: Settings, topics: Sequence[Topic], finder: Finder, limit_s: float) -> list[Found]:
    """Make compacted topics drop the records that later ones have replaced; gives what is left. Raises `Refused` after `limit_s`."""
    wanted = [topic for topic in topics if topic.name not in LEFT_ALONE]
    if not wanted:
        return []
    deadline = time.monotonic() + limit_s
    async with kafka_admin.connected(settings) as admin, _hurried(admin, wanted), _producer(settings) as producer:
        while True:
            for topic in wanted:
                await _nudge(producer, topic)
            found = await scan(settings, finder, wanted)
            if not any(one.old for one in found):
                return found
            if time.monotonic() > deadline:
                names = ", ".join(one.topic.name for one in found if one.old)
                raise Refused(
                    "not_compacted", f"{names} still hold old copies after {limit_s:g} s; the broker's cleaner will take them: verify later"
                )
            await asyncio.sleep(LOOK_S)


async def _nudge(producer: Any, topic: Topic) -> None:
    """Append the deletion of a key that there is not, which closes the segment before it; nobody reads anything into it."""
    for partition in range(topic.partitions):
        key = f"{NUDGED.get(topic.name, '')}{uuid4()}"
        await producer.send_and_wait(topic.name, key=key.encode(), value=None, partition=partition)


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[Any]:
    producer: Any = await start_client(lambda: AIOKafkaProducer(**client_options(settings), enable_idempotence=True), give_up_s=10)
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def _hurried(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> AsyncIterator[None]:
    given = await _given(admin, topics)
    await _set(admin, {name: held | dict(HURRIED) for name, held in given.items()})
    try:
        yield
    finally:
        await _set(admin, given)


async def _given(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, dict[str, str]]:
    """Give the settings that were given to the topics themselves."""
    given: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]):
        for _code, _message, _kind, name, configs in response.resources:
            given[name] = {entry[0]: entry[1] for entry in configs if entry[3] == kafka_admin.DYNAMIC_TOPIC_CONFIG}
    return given


async def _set(admin: AIOKafkaAdminClient, settings: Mapping[str, Mapping[str, str]]) -> None:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict(held)) for name, held in settings.items()]
    for response in await admin.alter_configs(resources):
        refused = [f"{resource[3]}: {resource[1]}" for resource in response.resources if resource[0]]
        if refused:
            raise Refused("not_allowed", f"the broker did not change {'; '.join(refused)}")
