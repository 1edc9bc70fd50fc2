"""Whatever order topics come in, however batches are cut and wherever a process dies, the rows end the same."""

import random
from collections import defaultdict

import pytest
from aiokafka import TopicPartition

from services.publish.connect import Connection
from services.publish.materialise.commit import commit_batch
from services.publish.materialise.decode import handle
from services.publish.materialise.offsets import begin_offsets, stored_offsets
from shared.kafka.decision import SourceRecord
from tests.publish.conftest import all_rows, empty
from tests.publish.made_up import Log, world

pytestmark = pytest.mark.stack


class Died(Exception):
    """The process ended in the middle of a batch."""


async def play(connection: Connection, log: Log, chance: random.Random, *, largest: int, crashes: float) -> None:
    """Materialise a log: partitions interleaved by chance, in batches of any size, some of which die before they are committed."""
    queues = {TopicPartition(*place): list(records) for place, records in log.partitions.items()}
    await begin_offsets(connection, {tp: (0, len(records)) for tp, records in queues.items()})
    offsets = await stored_offsets(connection)
    while any(offsets[tp] < len(queue) for tp, queue in queues.items()):
        batch = _draw(queues, offsets, chance, chance.randint(1, largest))
        try:
            async with connection.transaction():
                reached, _ = await commit_batch(connection, offsets, [handle(record) for record in batch], {})
                if chance.random() < crashes:
                    raise Died  # noqa: TRY301 - it is what happens
        except Died:
            offsets = await stored_offsets(connection)
        else:
            offsets |= reached


def _draw(
    queues: dict[TopicPartition, list[SourceRecord]], offsets: dict[TopicPartition, int], chance: random.Random, size: int
) -> list[SourceRecord]:
    at = dict(offsets)
    batch: dict[TopicPartition, list[SourceRecord]] = defaultdict(list)
    for _ in range(size):
        left = [tp for tp, queue in queues.items() if at[tp] < len(queue)]
        if not left:
            break
        tp = chance.choice(left)
        batch[tp].append(queues[tp][at[tp]])
        at[tp] += 1
    return [record for records in batch.values() for record in records]


async def test_any_order_of_topics_any_batches_and_any_crashes_give_the_same_rows(connection: Connection) -> None:
    """The rows after any interleaving equal those after reading one record at a time in another order."""

    async def check(seed: int, largest: int, crashes: float) -> None:
        log = world(seed)
        await empty(connection)
        await play(connection, log, random.Random(0), largest=1, crashes=0)
        expected = await all_rows(connection, offsets=True)
        await empty(connection)
        await play(connection, log, random.Random(seed), largest=largest, crashes=crashes)
        assert await all_rows(connection, offsets=True) == expected

    chance = random.Random(20)
    for case in range(10):
        await check(chance.randrange(10**6), largest=[1, 3, 10, 60, 1000][case % 5], crashes=[0.0, 0.3][case % 2])
