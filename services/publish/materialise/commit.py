"""One batch, one transaction: rows, what is derived from them, offsets and the signal, all or none."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from aiokafka import TopicPartition

from services.publish.connect import Connection
from services.publish.materialise.decode import Change, Handled
from services.publish.materialise.entries import hold_entries
from services.publish.materialise.gather import gather
from services.publish.materialise.offsets import advance_offsets
from services.publish.materialise.positions import Reached
from services.publish.materialise.tables import appended_at
from services.publish.materialise.write import Written, write_rows
from services.publish.signals import notify


async def commit_batch(
    connection: Connection,
    expected: Mapping[TopicPartition, int],
    batch: Sequence[Handled],
    ends: Mapping[TopicPartition, int],
    traceparents: Mapping[UUID, Sequence[str]] | None = None,
) -> tuple[dict[TopicPartition, int], Written]:
    """Write a batch of records that follow on `expected` offsets, in order within each partition.

    `traceparents` are those of stories, for their briefs.
    Gives the next offsets and what was written. Raises `OffsetsMoved` when another has written meanwhile, and what Postgres raises.
    """
    reached = {
        TopicPartition(handled.record.topic, handled.record.partition): Reached(handled.record.offset + 1, appended_at(handled.record))
        for handled in batch
    }
    changes = gather(handled.outcome for handled in batch if isinstance(handled.outcome, Change))
    async with connection.transaction():
        await hold_entries(connection)
        await advance_offsets(connection, expected, reached, ends)
        written = await write_rows(connection, changes, traceparents or {})
        await notify(connection, written.shown)
    return {tp: point.next_offset for tp, point in reached.items()}, written
