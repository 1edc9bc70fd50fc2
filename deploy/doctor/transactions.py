"""Transactions that never ended: what was written after their first record is read by nobody."""

import time
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.doctor.findings import Finding, problem, well
from shared.kafka.client import client_options, start_client
from shared.kafka.offsets import ANSWER_S, first_records
from shared.settings import Settings
from shared.topics import ALL

OLD_S: Final = 180.0
"""Kafka aborts a transaction after `transaction_timeout_s`, 60 s by default, and looks every 10 s."""
AREA: Final = "kafka"


async def open_transactions(client: AIOKafkaAdminClient, settings: Settings) -> list[Finding]:
    """Look for partitions whose readable end has been held back for minutes."""
    names = {topic.name for topic in ALL}.intersection(await client.list_topics())
    tps = [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in (await client.describe_topics(sorted(names)) if names else ())
        for partition in topic["partitions"]
    ]
    readable, ends = [await _ends(settings, level, tps) for level in ("read_committed", "read_uncommitted")]
    held = {tp: offset for tp, offset in readable.items() if offset < ends[tp]}
    since = await first_records(settings, held, isolation_level="read_uncommitted")
    now = time.time()
    return [_tell(tp, held[tp], now - at) for tp, at in since.items() if now - at > OLD_S] or [
        well(AREA, "no transaction has been open for long")
    ]


def _tell(tp: TopicPartition, offset: int, age_s: float) -> Finding:
    return problem(
        AREA,
        f"{tp.topic}[{tp.partition}]: a transaction has been open for {age_s / 60:.0f} min: nobody reads what lies behind offset {offset}. "
        "A broker that was cut off in the middle of its end has lost it",
        "the next transaction of that service there ends it, too; if none comes: docs/repair.md, A transaction without an end",
    )


async def _ends(settings: Settings, isolation_level: str, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    consumer: Any = await start_client(
        lambda: AIOKafkaConsumer(
            **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="none", isolation_level=isolation_level
        ),
        give_up_s=ANSWER_S,
    )
    try:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(tps)
        return ends
    finally:
        await consumer.stop()
