"""Reading topics for a rebuild: without a consumer group, so that nobody else's place is touched."""

from collections.abc import AsyncIterator, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.cluster.rebuild.standing import Standing
from shared.contracts import Article, EnrichedArticle, StoryInput
from shared.errors import InvalidMessage
from shared.kafka.client import client_options, start_client
from shared.kafka.tables import ANSWER_LIMIT_S
from shared.settings import Settings
from shared.topics import ARTICLES, ASSIGN_STATE, STORY_INPUTS, Topic

POLL_RECORDS = 5_000


class StateTail:
    """Reads assign's changelog of one partition into a `Standing`, and what is added later."""

    def __init__(self, state: Any, inputs: Any, standing: Standing) -> None:
        """Take consumers that stand at the beginning of the partition's changelog and of its inputs."""
        self._state = state
        self._inputs = inputs
        self._state_tp = TopicPartition(ASSIGN_STATE.name, standing.partition)
        self._inputs_tp = TopicPartition(STORY_INPUTS.name, standing.partition)
        self.standing = standing

    async def catch_up(self) -> Standing:
        """Read to the present end; gives what stands then, at one point in the order of inputs."""
        tp = self._state_tp
        end = (await self._state.end_offsets([tp]))[tp]
        while await self._state.position(tp) < end:
            for record in (await self._state.getmany(tp, timeout_ms=200, max_records=POLL_RECORDS)).get(tp, ()):
                self.standing.take(record.key.decode(), record.value)
        return self.standing

    async def inputs_end(self) -> int:
        """Give the end of the partition's inputs."""
        return int((await self._inputs.end_offsets([self._inputs_tp]))[self._inputs_tp])

    async def has_input(self, begin: int, end: int) -> bool:
        """Say whether there is an input from one offset up to another; the clock's transactions leave markers, which are none."""
        tp = self._inputs_tp
        self._inputs.seek(tp, max(begin, (await self._inputs.beginning_offsets([tp]))[tp]))
        while await self._inputs.position(tp) < end:
            records = (await self._inputs.getmany(tp, timeout_ms=200, max_records=1)).get(tp)
            if records:
                return bool(records[0].offset < end)
        return False


@asynccontextmanager
async def state_tail(settings: Settings, partition: int, *, keep_features: bool = False) -> AsyncIterator[StateTail]:
    """Give a tail of assign's state that has read nothing yet. Raises `Unreachable`."""
    async with reading(settings, ASSIGN_STATE, [partition]) as state, reading(settings, STORY_INPUTS, [partition]) as inputs:
        yield StateTail(state, inputs, Standing(partition, keep_features=keep_features))


@asynccontextmanager
async def reading(settings: Settings, topic: Topic, partitions: Iterable[int]) -> AsyncIterator[Any]:
    """Give a consumer that stands at the partitions' beginnings. Raises `Unreachable`."""
    consumer: Any = await start_client(
        lambda: AIOKafkaConsumer(
            **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="none", isolation_level="read_committed"
        ),
        give_up_s=ANSWER_LIMIT_S,
    )
    try:
        tps = [TopicPartition(topic.name, number) for number in partitions]
        consumer.assign(tps)
        for tp, begin in (await consumer.beginning_offsets(tps)).items():
            consumer.seek(tp, begin)
        yield consumer
    finally:
        await consumer.stop()


async def _records_of(settings: Settings, topic: Topic, partitions: Iterable[int], keys: AbstractSet[bytes]) -> AsyncIterator[Any]:
    """Give the records of certain keys, to the topic's present end."""
    async with reading(settings, topic, partitions) as consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200, max_records=POLL_RECORDS)).values():
                for record in records:
                    if record.key in keys and record.value is not None:
                        yield record


async def kept_inputs(settings: Settings, partition: int, versions: Mapping[UUID, int]) -> AsyncIterator[EnrichedArticle]:
    """Give those versions of articles that `story_inputs.v1` still holds with their features."""
    keys = {str(article_id).encode() for article_id in versions}
    async for record in _records_of(settings, STORY_INPUTS, [partition], keys):
        try:
            article = StoryInput.from_bytes(record.value).article
        except InvalidMessage:
            continue  # a dead letter tells of it
        if article is not None and article.features is not None and versions.get(article.article_id) == article.version:
            yield article


async def kept_texts(settings: Settings, versions: Mapping[UUID, int]) -> AsyncIterator[Article]:
    """Give those versions of articles that `articles.v1` still holds."""
    keys = {str(article_id).encode() for article_id in versions}
    async for record in _records_of(settings, ARTICLES, range(ARTICLES.partitions), keys):
        try:
            article = Article.from_bytes(record.value)
        except InvalidMessage:
            continue
        if versions.get(article.article_id) == article.version:
            yield article
