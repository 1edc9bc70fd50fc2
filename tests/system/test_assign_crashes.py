"""Assign's events do not depend on when it is killed: byte for byte those of an undisturbed run over the same inputs."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.cluster.assign.decide import AssignLogic
from services.cluster.config import AssignSettings
from services.cluster.enrich.app import Enricher
from services.cluster.enrich.features import FeatureMaker
from shared.contracts import (
    Article,
    ArticleStatus,
    Clock,
    Command,
    CommandOp,
    InputKind,
    Member,
    Message,
    Publisher,
    Story,
    StoryInput,
    StoryUpdated,
)
from shared.ids import NAMESPACE
from shared.kafka import admin as kafka_admin
from shared.kafka.dead_letters import dead_letter
from shared.kafka.decision import SourceRecord
from shared.kafka.encode import encode
from shared.topics import (
    ARTICLES,
    DEAD_LETTERS,
    STORIES,
    STORY_INPUTS,
    STORY_MEMBERS,
    STORY_PARTITIONS,
    STORY_UPDATES,
    key_partition,
    language_partition,
)
from tests.processes import Service, running
from tests.system import made_up
from tests.topics import read_records, until

pytestmark = [pytest.mark.stack, pytest.mark.faults]

SEED = 5
ARTICLE_COUNT = 400
KILLS = 11
BATCH = 6
"""Inputs in one transaction: few, so that many transactions can be hit."""
NEVER_S = 1_000_000
COMPARED = (STORY_UPDATES, STORIES, STORY_MEMBERS, DEAD_LETTERS)

Bytes = dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]]


@dataclass(frozen=True, slots=True)
class Input:
    """A record of `story_inputs.v1`, as it is produced in both runs."""

    partition: int
    key: bytes
    value: bytes
    timestamp_ms: int


class Reference:
    """What the pure code makes of the inputs, without any process; commands are chosen from the stories it has."""

    def __init__(self, began_ms: int) -> None:
        self.rules = AssignSettings()
        self.began_ms = began_ms
        self.logics = {partition: AssignLogic(partition, self.rules) for partition in range(STORY_PARTITIONS)}
        self.inputs: list[Input] = []
        self.told: Bytes = defaultdict(list)
        self.stories: dict[UUID, tuple[int, Story]] = {}
        self.members: dict[UUID, Member] = {}
        self._next_offset: dict[int, int] = defaultdict(int)

    def take(self, partition: int, key: str, value: bytes) -> None:
        """Append one input and handle it."""
        one = Input(partition, key.encode(), value, self.began_ms + 50 * len(self.inputs))
        self.inputs.append(one)
        record = SourceRecord(STORY_INPUTS.name, partition, self._next_offset[partition], one.key, value, one.timestamp_ms)
        self._next_offset[partition] += 1
        logic = self.logics[partition]
        try:
            decision = logic.decide(record)
        except Exception as error:  # noqa: BLE001 - as the owner does
            letter = dead_letter("assign", record, error)
            assert letter.value is not None
            self.told[DEAD_LETTERS.name, key_partition(letter.key, DEAD_LETTERS)].append((letter.key.encode(), letter.value.to_bytes()))
            return
        logic.apply(decision)
        for out in encode(decision):
            self.told[out.topic, out.partition].append((out.key, out.value))
        for output in decision.outputs:
            if isinstance(output.value, Story):
                self.stories[output.value.story_id] = (partition, output.value)
            elif isinstance(output.value, Member):
                self.members[output.value.article_id] = output.value

    def command(self, chance: random.Random, number: int) -> None:
        """Append an editor's command about stories there are, or now and then about one that there is not."""
        partition = chance.choice(sorted({partition for partition, _ in self.stories.values()}))
        here = sorted(story_id for story_id, (home, story) in self.stories.items() if home == partition and story.redirect_to is None)
        op = chance.choice(
            (CommandOp.MERGE, CommandOp.MERGE, CommandOp.SPLIT, CommandOp.MOVE, CommandOp.PIN, CommandOp.CLOSE, CommandOp.ERASE)
        )
        story_id = chance.choice(here) if chance.random() < 0.9 else UUID(int=number)
        members = sorted(member.article_id for member in self.members.values() if member.story_id == story_id)
        wants_articles = op in {CommandOp.SPLIT, CommandOp.MOVE, CommandOp.ERASE}
        command = Command(
            command_id=uuid5(NAMESPACE, f"test-command:{number}"),
            op=op,
            story_id=story_id,
            into_story_id=chance.choice(here) if op in {CommandOp.MERGE, CommandOp.MOVE} else None,
            article_ids=tuple(chance.sample(members, min(len(members), 1 + number % 2))) if wants_articles else (),
            actor="ada",
            why="so it is",
            at=made_up.BEGAN,
        )
        self.take(partition, str(story_id), StoryInput(kind=InputKind.COMMAND, command=command).to_bytes())


def articles(seed: int, count: int) -> list[Article]:
    """Make articles in some order of arrival: with corrections, withdrawals, and versions that come again or too late."""
    chance = random.Random(seed)
    made: list[Article] = []
    for position, line in enumerate(made_up.lines(seed, count, name="crash")):
        outlet = line["url"].removeprefix("https://").partition("/")[0]
        first = Article(
            article_id=made_up.identity(line),
            version=1,
            url=line["url"],
            canonical_url=line["url"],
            publisher=Publisher(id=outlet, name=line["source"]),
            title=line["title"],
            text=line["text"],
            language=line["language"],
            published_at=None if chance.random() < 0.1 else datetime.fromisoformat(line["published"]),
            fetched_at=datetime.fromisoformat(line["published"]) + timedelta(minutes=chance.randrange(1, 200)),
            content_hash=str(position),
        )
        made.append(first)
        later = min(len(made), chance.randrange(1, 40))
        if chance.random() < 0.15:
            made.insert(len(made) - later + 1, first.model_copy(update={"version": 2, "title": f"{first.title}: corrected"}))
        if chance.random() < 0.1:
            gone = {"version": 3, "status": ArticleStatus.WITHDRAWN, "title": "", "text": ""}
            made.append(first.model_copy(update=gone))
        if chance.random() < 0.15:
            made.append(chance.choice(made))
    return made


def story_inputs(seed: int, count: int, began_ms: int) -> Reference:
    """Make the inputs of a few days in several languages, with editors' commands, the clock and poison between them.

    Records are dated from `began_ms` on: a broker soon deletes what is dated as if it had expired.
    """
    chance = random.Random(seed)
    enrich = Enricher(FeatureMaker())
    made = articles(seed, count)
    records = [
        SourceRecord(ARTICLES.name, 0, offset, str(one.article_id).encode(), one.to_bytes(), began_ms) for offset, one in enumerate(made)
    ]
    reference = Reference(began_ms)
    for number, decision in enumerate(enrich(records)):
        [output] = decision.outputs
        assert isinstance(output.value, StoryInput)
        reference.take(output.partition or 0, output.key, output.value.to_bytes())
        if number > 40 and chance.random() < 0.06:
            reference.command(chance, number)
        if number % 60 == 59:
            at = max(one.fetched_at for one in made[: number + 1]) + timedelta(hours=chance.randrange(0, 12))
            for partition in range(STORY_PARTITIONS):
                reference.take(partition, "clock", StoryInput(kind=InputKind.CLOCK, clock=Clock(at=at)).to_bytes())
        if number % 97 == 96:
            reference.take(language_partition("en"), "poison", b'{"kind": "article", "article": {"article_id": 1')
    return reference


async def produce(broker: str, inputs: Sequence[Input]) -> None:
    """Produce inputs with their times, so that dead letters are the same too."""
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        for sent in [
            await producer.send(STORY_INPUTS.name, key=one.key, value=one.value, partition=one.partition, timestamp_ms=one.timestamp_ms)
            for one in inputs
        ]:
            await sent


async def told_by(broker: str) -> Bytes:
    """Give the committed bytes of each partition of what assign writes."""
    told: Bytes = defaultdict(list)
    for topic in COMPARED:
        for record in await read_records(broker, topic):
            told[record.topic, record.partition].append((record.key, record.value))
    return comparable(told)


def comparable(told: Bytes) -> Bytes:
    """Put dead letters into an order: those of several inputs' partitions share one, and come as the partitions run."""
    return {place: sorted(records, key=repr) if place[0] == DEAD_LETTERS.name else records for place, records in told.items() if records}


def lengths(told: Bytes) -> dict[tuple[str, int], int]:
    """Give how many records each partition holds."""
    return {place: len(records) for place, records in told.items()}


class Progress:
    """How far assign is, from the end of its log: asked for often and cheaply."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._tps = [TopicPartition(STORY_UPDATES.name, partition) for partition in range(STORY_UPDATES.partitions)]

    async def now(self) -> int:
        """Give how many offsets the log holds, markers of transactions included."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._tps)
        return sum(ends.values())

    async def reached(self, offsets: int) -> None:
        """Wait until the log holds so many offsets."""

        async def there() -> bool:
            return await self.now() >= offsets

        await until(there, f"{offsets} offsets in {STORY_UPDATES.name}", interval_s=0.005)


async def test_a_killed_assign_tells_what_an_undisturbed_one_tells(
    clean_topics: str, tmp_path_factory: pytest.TempPathFactory, unique: Callable[[str], str]
) -> None:
    """One run undisturbed, one killed -9 eleven times at random moments, and the pure code: all three tell the same bytes."""
    folder = tmp_path_factory.mktemp("assign")
    reference = await asyncio.to_thread(story_inputs, SEED, ARTICLE_COUNT, int(time.time() * 1000))
    wanted = comparable(reference.told)
    assert len({partition for topic, partition in wanted if topic == STORY_UPDATES.name}) >= 4, "several languages"

    await produce(clean_topics, reference.inputs)
    undisturbed = assign(clean_topics, folder / "undisturbed.log", batch_records=50)
    with running(undisturbed):
        assert await finished(clean_topics, wanted) == wanted, undisturbed.logged()[-2_000:]
        offsets = sum(len(records) for (topic, _), records in wanted.items() if topic == STORY_UPDATES.name)
        assert undisturbed.end() == 0

    async with kafka_admin.connected(clean_topics) as admin:
        await kafka_admin.recreate(admin)
    await produce(clean_topics, reference.inputs)
    # A pod's name, so that a successor gets the partitions at once instead of after the session's timeout.
    victim = assign(clean_topics, folder / "killed.log", batch_records=BATCH, group_instance_id=unique("assign"))
    with running(victim):
        await kill_again_and_again(clean_topics, victim, offsets)
        assert await finished(clean_topics, wanted) == wanted, victim.logged()[-2_000:]
        assert victim.end() == 0
    check_dense(wanted)


def assign(broker: str, log: Any, **settings: object) -> Service:
    """Make the service; its clock stands still, since the inputs have ticks of their own."""
    return Service("assign", log, kafka_bootstrap_servers=broker, session_timeout_s=6, clock_interval_s=NEVER_S, **settings)


async def kill_again_and_again(broker: str, victim: Service, offsets: int) -> None:
    """Kill it at random points of its work, and now and then while it starts."""
    chance = random.Random(SEED)
    async with AIOKafkaConsumer(bootstrap_servers=broker, group_id=None, isolation_level="read_uncommitted") as consumer:
        progress = Progress(consumer)
        for left in range(KILLS, 0, -1):
            if left % 4:
                done = await progress.now()
                await progress.reached(done + chance.randrange(1, 3 + max(0, offsets - done) // left))
                await asyncio.sleep(chance.uniform(0, 0.05))
            else:
                await asyncio.sleep(chance.uniform(0.5, 3))
            assert victim.alive, victim.logged()[-2_000:]
            victim.kill()
            victim.start()


async def finished(broker: str, wanted: Bytes) -> Bytes:
    """Wait until as much is told as must be, and give it."""
    told: list[Bytes] = []

    async def all_told() -> bool:
        told[:] = [await told_by(broker)]
        return all(lengths(told[0]).get(place, 0) >= count for place, count in lengths(wanted).items())

    await until(all_told, "all events", interval_s=0.2)
    return dict(told[0])


def check_dense(told: Bytes) -> None:
    """Assert that each story's revisions run from 1 without hole or double."""
    revisions: dict[UUID, list[int]] = defaultdict(list)
    for update in messages(told, STORY_UPDATES.name, StoryUpdated):
        revisions[update.story_id].append(update.revision)
    assert len(revisions) > 20
    assert all(of_story == list(range(1, len(of_story) + 1)) for of_story in revisions.values())


def messages(told: Bytes, topic: str, kind: type[Any]) -> Iterable[Any]:
    """Read a topic's messages."""
    assert issubclass(kind, Message)
    return [kind.from_bytes(value) for (name, _), records in told.items() if name == topic for _, value in records if value is not None]
