"""A consumer group's offsets for a stage that has no changelog: where it begins, and whether that is still kept."""

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.errors import SourceExpired
from shared.kafka.client import client_options, start_client
from shared.settings import Settings
from shared.topics import Topic


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
