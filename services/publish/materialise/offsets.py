"""The offsets that stand in the database beside the rows."""

from collections.abc import Mapping
from typing import Final

from aiokafka import TopicPartition

from services.publish.connect import Connection
from services.publish.materialise.positions import Reached
from shared.errors import SluglineError

_STORED: Final = "SELECT topic, partition, next_offset FROM consumed_offsets"
_BEGIN: Final = """
INSERT INTO consumed_offsets (topic, partition, next_offset, first_offset, end_offset)
SELECT topic, partition, begin, begin, ends
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) AS new (topic, partition, begin, ends)
ON CONFLICT DO NOTHING
"""
_ADVANCE: Final = """
UPDATE consumed_offsets c
SET next_offset = n.next_offset, end_offset = greatest(n.end_offset, n.next_offset),
    appended_at = greatest(c.appended_at, n.appended_at), updated_at = now()
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
    AS n (topic, partition, expected, next_offset, end_offset, appended_at)
WHERE c.topic = n.topic AND c.partition = n.partition AND c.next_offset = n.expected
"""
_SEEN: Final = """
UPDATE consumed_offsets c SET end_offset = n.end_offset, updated_at = now()
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS n (topic, partition, end_offset)
WHERE c.topic = n.topic AND c.partition = n.partition AND c.end_offset < n.end_offset
"""


class OffsetsMoved(SluglineError):
    """Someone else wrote the offsets meanwhile: another materialiser, or a resync. Nothing of this batch was written."""


async def stored_offsets(connection: Connection) -> dict[TopicPartition, int]:
    """Give the next offset of each partition that was read before."""
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in await connection.fetch(_STORED)}


async def begin_offsets(connection: Connection, begins: Mapping[TopicPartition, tuple[int, int]]) -> None:
    """Note where reading begins: for each partition its first offset and the topic's end."""
    if begins:
        topics, partitions = zip(*begins, strict=True)
        starts, ends = zip(*begins.values(), strict=True)
        await connection.execute(_BEGIN, topics, partitions, starts, ends)


async def advance_offsets(
    connection: Connection,
    expected: Mapping[TopicPartition, int],
    reached: Mapping[TopicPartition, Reached],
    ends: Mapping[TopicPartition, int],
) -> None:
    """Move offsets on from where this process knows them to be. Raises `OffsetsMoved` when they are elsewhere."""
    topics, partitions = zip(*reached, strict=True)
    status = await connection.execute(
        _ADVANCE,
        topics,
        partitions,
        [expected[tp] for tp in reached],
        [point.next_offset for point in reached.values()],
        [ends.get(tp, 0) for tp in reached],
        [point.appended_at for point in reached.values()],
    )
    if status != f"UPDATE {len(reached)}":
        raise OffsetsMoved("the offsets in the database are not where this process left them")


async def note_ends(connection: Connection, ends: Mapping[TopicPartition, int]) -> None:
    """Keep the topics' ends as last seen, so that readers see how far the rows are behind."""
    if ends:
        topics, partitions = zip(*ends, strict=True)
        await connection.execute(_SEEN, topics, partitions, list(ends.values()))
