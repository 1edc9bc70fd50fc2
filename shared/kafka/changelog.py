"""Reading a changelog: the state of one partition, and the source offset that belongs to it."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.errors import OwnerError
from shared.kafka.client import client_options, start_client
from shared.logs import get_logger
from shared.settings import Settings

log = get_logger()

OFFSET_KEY = "~next-source-offset"
"""The changelog record that holds the next source offset; it sorts after every other key and is no state key."""

SETTLE_LIMIT_S = 120.0
"""How long an old transaction may take to be settled. Longer than Kafka's longest default transaction timeout of ours."""


async def read_changelog(
    settings: Settings,
    topic: str,
    partition: int,
    restore: Callable[[str, bytes | None], None],
    *,
    progress: Callable[[int, int], None],
    since: int | None = None,
) -> int | None:
    """Feed each record, oldest first, to `restore` and give the stored next source offset (None: no state yet).

    Waits first until the partition's last stable offset equals its high watermark, so that no transaction is open.
    Call it only after the transactional producer has started: that settles what a dead owner left.
    `progress` gets (records read, offset span) now and then. `since` an offset: only what follows is read. Raises `OwnerError` where the
    changelog does not reach from there to its end any more.
    """
    tp = TopicPartition(topic, partition)
    stable = await start_client(lambda: changelog_consumer(settings, "read_committed"))
    raw = await start_client(lambda: changelog_consumer(settings, "read_uncommitted"))
    try:
        for consumer in (stable, raw):
            consumer.assign([tp])
        end = await _settled_end(stable, raw, tp)
        begin = (await stable.beginning_offsets([tp]))[tp]
        if since is not None:
            if not begin <= since <= end:
                raise OwnerError(
                    f"{topic}[{partition}] reaches from {begin} to {end}, and its standby stands at {since}: it was made anew. Start again"
                )
            begin = since
        stable.seek(tp, begin)
        next_offset: int | None = None
        read = 0
        while await stable.position(tp) < end:
            for record in (await stable.getmany(tp, timeout_ms=500, max_records=5_000)).get(tp, ()):
                read += 1
                key = record.key.decode()
                if key == OFFSET_KEY:
                    next_offset = int(record.value)
                else:
                    restore(key, record.value)
            progress(read, end - begin)
        return next_offset
    finally:
        await stable.stop()
        await raw.stop()


def changelog_consumer(settings: Settings, isolation: str) -> Any:
    """Make a consumer without a group; `isolation` is `read_committed` or `read_uncommitted`."""
    return AIOKafkaConsumer(
        **client_options(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level=isolation,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )


async def _settled_end(stable: Any, raw: Any, tp: TopicPartition) -> int:
    started = asyncio.get_running_loop().time()
    while True:
        high_watermark = (await raw.end_offsets([tp]))[tp]
        last_stable = (await stable.end_offsets([tp]))[tp]
        if last_stable == high_watermark:
            return int(high_watermark)
        if asyncio.get_running_loop().time() - started > SETTLE_LIMIT_S:
            raise OwnerError(
                f"{tp.topic}[{tp.partition}]: a transaction has been open for {SETTLE_LIMIT_S:.0f} s "
                f"(last stable offset {last_stable}, high watermark {high_watermark}). Find it with kafka-transactions.sh --find-hanging."
            )
        await asyncio.sleep(0.05)
