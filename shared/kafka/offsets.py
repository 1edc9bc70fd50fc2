"""Where each stage stands in its source, and setting it anew. The guards say what a reset costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.errors import SluglineError
from shared.kafka import admin as kafka_admin
from shared.kafka.changelog import OFFSET_KEY, read_changelog
from shared.kafka.client import client_options, start_client
from shared.settings import Settings
from shared.topics import ARTICLES, ASSIGN_STATE, DISCOVERIES, FEEDS, FETCH_STATE, POLL_STATE, STORY_INPUTS, Topic

ANSWER_S: Final = 10.0
FEW: Final = 200
"""Offsets that may all be transactions' markers, so that a record is looked for before they are called inputs."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that reads a source topic, with its changelog if it owns partitions."""

    name: str
    source: Topic
    changelog: Topic | None

    @property
    def group(self) -> str:
        """Give the consumer group's name."""
        return f"slugline-{self.name}"


STAGES = {
    stage.name: stage
    for stage in (
        Stage("poll", FEEDS, POLL_STATE),
        Stage("fetch", DISCOVERIES, FETCH_STATE),
        Stage("enrich", ARTICLES, None),
        Stage("assign", STORY_INPUTS, ASSIGN_STATE),
    )
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A stage's place in one partition. `next_offset` None: it has not begun.

    `oldest_at`: when the oldest input that waits was appended, in seconds since 1970; None where none was found.
    """

    partition: int
    begin: int
    next_offset: int | None
    end: int
    oldest_at: float | None = None

    @property
    def lag(self) -> int:
        """Give the inputs not handled yet; transactions' markers between them count too, markers alone do not."""
        behind = self.end - (self.begin if self.next_offset is None else self.next_offset)
        return behind if self.oldest_at is not None or behind > FEW or behind < 0 else 0

    @property
    def expired(self) -> bool:
        """Say whether inputs were deleted before they were handled."""
        return self.next_offset is not None and self.next_offset < self.begin


async def show(settings: Settings, stage: Stage) -> list[Standing]:
    """Give a stage's place in each partition, from its consumer group."""
    tps = [TopicPartition(stage.source.name, number) for number in range(stage.source.partitions)]
    consumer: Any = await start_client(
        lambda: AIOKafkaConsumer(**client_options(settings), group_id=stage.group, enable_auto_commit=False, auto_offset_reset="none"),
        give_up_s=ANSWER_S,
    )
    try:
        consumer.assign(tps)
        begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        committed = {tp: await consumer.committed(tp) for tp in tps}
    finally:
        await consumer.stop()
    starts = {tp: max(begins[tp], committed[tp] or 0) for tp in tps}
    oldest = await first_records(settings, {tp: start for tp, start in starts.items() if start < ends[tp]})
    return [Standing(tp.partition, begins[tp], committed[tp], ends[tp], oldest.get(tp)) for tp in tps]


async def first_records(
    settings: Settings, starts: Mapping[TopicPartition, int], *, isolation_level: str = "read_committed"
) -> dict[TopicPartition, float]:
    """Give when the first record from each offset on was appended, in seconds since 1970; none where there is no record."""
    if not starts:
        return {}
    consumer: Any = await start_client(
        lambda: AIOKafkaConsumer(
            **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="none", isolation_level=isolation_level
        ),
        give_up_s=ANSWER_S,
    )
    found: dict[TopicPartition, float] = {}
    try:
        consumer.assign(list(starts))
        ends = await consumer.end_offsets(list(starts))
        for tp, offset in starts.items():
            consumer.seek(tp, offset)
        while pending := [tp for tp in starts if tp not in found and await consumer.position(tp) < ends[tp]]:
            for tp, records in (await consumer.getmany(*pending, timeout_ms=200, max_records=len(starts))).items():
                if records:
                    found.setdefault(tp, records[0].timestamp / 1000)
        return found
    finally:
        await consumer.stop()


async def running_members(settings: Settings, stage: Stage) -> int:
    """Count the members of a stage's group: its processes, and those that were killed until the broker gives them up."""
    async with kafka_admin.connected(settings) as admin:
        if stage.group not in {group[0] for group in await admin.list_consumer_groups()}:
            return 0
        coordinator = await admin.find_coordinator(stage.group)
        described = await admin.describe_consumer_groups([stage.group], coordinator)
        return sum(len(group[5]) for response in described for group in response.groups)


def passed_over(standing: Standing, to: str) -> int:
    """Count the offsets that a reset would pass over unhandled: negative where inputs are read again."""
    offset = {"earliest": standing.begin, "latest": standing.end}.get(to)
    here = standing.begin if standing.next_offset is None else max(standing.next_offset, standing.begin)
    return (int(to) if offset is None else offset) - here


async def refuse_while_running(settings: Settings, stage: Stage) -> None:
    """Raise `SluglineError` while a process of the stage runs: it would go on from where it is, not from where it is set."""
    if members := await running_members(settings, stage):
        told = f"a process of {stage.name} runs" if members == 1 else f"{members} processes of {stage.name} run"
        raise SluglineError(f"{told}, or ended less than half a minute ago without a word: stop all of them, then reset again")


async def reset(settings: Settings, stage: Stage, partitions: Sequence[int], to: str) -> list[tuple[int, int]]:
    """Set where a stage reads on: `earliest`, `latest` or an offset. Gives (partition, offset) pairs.

    State stays as it is. Raises `SluglineError` while a process of the stage runs, and when the offset is not in the topic.
    """
    await refuse_while_running(settings, stage)
    standings = {standing.partition: standing for standing in await show(settings, stage)}
    done = []
    for partition in partitions:
        standing = standings[partition]
        offset = {"earliest": standing.begin, "latest": standing.end}.get(to)
        if offset is None:
            offset = int(to)
        if not standing.begin <= offset <= standing.end:
            raise SluglineError(f"{stage.source.name}[{partition}] holds offsets {standing.begin} to {standing.end}, not {offset}")
        await _write(settings, stage, partition, offset)
        done.append((partition, offset))
    return done


async def _write(settings: Settings, stage: Stage, partition: int, offset: int) -> None:
    tp = TopicPartition(stage.source.name, partition)
    if stage.changelog is None:
        consumer: Any = await start_client(
            lambda: AIOKafkaConsumer(**client_options(settings), group_id=stage.group, enable_auto_commit=False, auto_offset_reset="none"),
            give_up_s=ANSWER_S,
        )
        try:
            consumer.assign([tp])
            await consumer.commit({tp: offset})
        finally:
            await consumer.stop()
        return
    producer: Any = await start_client(
        lambda: AIOKafkaProducer(**client_options(settings), transactional_id=f"{stage.group}-{stage.source.name}-{partition}"),
        give_up_s=ANSWER_S,
    )
    try:
        await read_changelog(settings, stage.changelog.name, partition, lambda _key, _value: None, progress=lambda _read, _span: None)
        async with producer.transaction():
            await (await producer.send(stage.changelog.name, key=OFFSET_KEY.encode(), value=str(offset).encode(), partition=partition))
            await producer.send_offsets_to_transaction({tp: offset}, stage.group)
    finally:
        await producer.stop()
