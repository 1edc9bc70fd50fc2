"""The partition owner's rules, each with a test that fails without it."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from shared.contracts import DeadLetter
from shared.errors import ChangelogLost, Fenced, InvalidSetting, OwnerError, SourceExpired
from shared.health import Readiness
from shared.kafka import standby
from shared.kafka.decision import Decision, Output
from shared.kafka.owner import OwnerSettings, PartitionOwner
from shared.kafka.partition import Submit
from shared.topics import DEAD_LETTERS, Topic
from tests.kafka.counting import Count, CountingLogic, owner, topics

pytestmark = pytest.mark.stack

LIMIT_S = 60


async def until(condition: Callable[[], Awaitable[bool]], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait for a condition, asking often."""
    async with asyncio.timeout(limit_s):
        while not await condition():
            await asyncio.sleep(0.05)
    assert what


@pytest.fixture
async def admin(broker: Any) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=str(broker))
    await client.start()
    yield client
    await client.close()


class Bench:
    """Topics of their own for a test, and what is needed to feed and read them."""

    def __init__(self, bootstrap: str, admin: AIOKafkaAdminClient) -> None:
        self.prefix = f"count-{uuid.uuid4().hex[:8]}"
        self.bootstrap = bootstrap
        self.admin = admin
        self.source, self.output, self.changelog = topics(self.prefix)
        self.settings = OwnerSettings(kafka_bootstrap_servers=bootstrap, batch_records=20, session_timeout_s=6)

    async def create(self, **output_config: str) -> None:
        wanted = [*topics(self.prefix)]
        await self.admin.create_topics(
            [
                NewTopic(
                    topic.name,
                    topic.partitions,
                    1,
                    topic_configs={
                        **topic.config,
                        **(
                            {key.replace("_", "."): value for key, value in output_config.items()} if topic.name == self.output.name else {}
                        ),
                    },
                )
                for topic in wanted
            ]
        )

    async def feed(self, values: Iterable[tuple[str, str, int]]) -> None:
        """Produce (key, value, partition) records."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            for sent in [
                await producer.send(self.source.name, key=key.encode(), value=value.encode(), partition=part) for key, value, part in values
            ]:
                await sent

    async def read(self, topic: Topic | str, partitions: int = 2) -> list[Any]:
        """Read all committed records of a topic."""
        name = topic if isinstance(topic, str) else topic.name
        async with AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=None, isolation_level="read_committed", auto_offset_reset="earliest"
        ) as consumer:
            tps = [TopicPartition(name, number) for number in range(partitions)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            records: list[Any] = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for got in (await consumer.getmany(timeout_ms=200)).values():
                    records += got
            return records

    async def counts(self) -> list[Count]:
        return [Count.from_bytes(record.value) for record in await self.read(self.output)]

    async def letters(self) -> list[DeadLetter]:
        letters = [DeadLetter.from_bytes(record.value) for record in await self.read(DEAD_LETTERS, DEAD_LETTERS.partitions)]
        return [letter for letter in letters if letter.topic == self.source.name]

    async def emitted(self, number: int) -> bool:
        return len(await self.read(self.output)) >= number


@pytest.fixture
async def bench(broker: Any, admin: AIOKafkaAdminClient, clean_topics: None) -> Bench:
    return Bench(str(broker), admin)


@contextlib.asynccontextmanager
async def running(work: PartitionOwner) -> AsyncIterator["asyncio.Task[None]"]:
    """Run an owner, stop it at the end; its failure is raised there unless the test took it."""
    stop = asyncio.Event()
    task = asyncio.create_task(work.run(stop))
    try:
        yield task
    finally:
        stop.set()
        if not task.done():
            await asyncio.wait_for(task, 20)


async def test_each_input_is_handled_once_and_counts_survive_a_restart(bench: Bench) -> None:
    """A second owner goes on with the first one's state and offset."""
    await bench.create()
    await bench.feed([("a", "", 0), ("b", "", 1), ("a", "", 0)])
    async with running(owner(bench.prefix, bench.settings)):
        await until(lambda: bench.emitted(3), "three counts")
    await bench.feed([("a", "", 0)])
    async with running(owner(bench.prefix, bench.settings)):
        await until(lambda: bench.emitted(4), "the fourth")
    assert sorted((count.key, count.count) for count in await bench.counts()) == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]


async def test_an_input_that_raises_becomes_a_dead_letter_and_the_next_is_handled(bench: Bench) -> None:
    """Rule 3: the batch goes on around a poison input, and the letter holds its bytes."""
    await bench.create()
    await bench.feed([("a", "", 0), ("poison", "boom", 0), ("a", "", 0)])
    async with running(owner(bench.prefix, bench.settings)):
        await until(lambda: bench.emitted(2), "both good inputs")
    [letter] = await bench.letters()
    assert (letter.reason, letter.offset, letter.value) == ("internal_error", 1, "Ym9vbQ==")
    assert [count.count for count in await bench.counts()] == [1, 2]


async def test_an_output_too_large_becomes_a_dead_letter(bench: Bench) -> None:
    """An output that its topic can't take must not stop the partition for ever."""
    await bench.create()
    await bench.feed([("fat", "fat:2000000", 0), ("a", "", 0)])
    async with running(owner(bench.prefix, bench.settings)):
        await until(lambda: bench.emitted(1), "the small one")
    assert [letter.reason for letter in await bench.letters()] == ["output_too_large"]


async def test_a_refused_record_aborts_the_whole_batch(bench: Bench) -> None:
    """Rule 2: aiokafka commits a transaction although one record of it was refused, unless every send is awaited."""
    await bench.create(max_message_bytes="2000")
    await bench.feed([("a", "", 0), ("fat", "fat:5000", 0), ("a", "", 0)])
    stop = asyncio.Event()
    with pytest.raises(OwnerError, match="nothing of it took effect"):
        await asyncio.wait_for(owner(bench.prefix, bench.settings).run(stop), LIMIT_S)
    assert await bench.counts() == []
    assert await bench.read(bench.changelog) == []


async def test_an_expired_source_offset_stops_the_start(bench: Bench) -> None:
    """Rule 1: records that were deleted before they were handled are an error that says so, never a silent jump."""
    await bench.create()
    await bench.feed([("a", "", 0)])
    async with running(owner(bench.prefix, bench.settings)):
        await until(lambda: bench.emitted(1), "the first")
    await bench.feed([("a", "", 0)] * 5)
    await bench.admin.delete_records({TopicPartition(bench.source.name, 0): RecordsToDelete(before_offset=4)})
    with pytest.raises(SourceExpired, match=r"3 inputs are gone.*offsets reset"):
        await asyncio.wait_for(owner(bench.prefix, bench.settings).run(asyncio.Event()), LIMIT_S)


async def test_a_lost_changelog_stops_the_start(bench: Bench) -> None:
    """Handling inputs again with empty state would double events."""
    await bench.create()
    await bench.feed([("a", "", 0)])
    async with running(owner(bench.prefix, bench.settings)):
        await until(lambda: bench.emitted(1), "the first")
    await bench.admin.delete_topics([bench.changelog.name])

    async def created() -> bool:
        response = await bench.admin.create_topics([NewTopic(bench.changelog.name, 2, 1, topic_configs={"cleanup.policy": "compact"})])
        return response.topic_errors[0][1] == 0

    await until(created, "the changelog made anew")
    with pytest.raises(ChangelogLost):
        await asyncio.wait_for(owner(bench.prefix, bench.settings).run(asyncio.Event()), LIMIT_S)


async def test_a_zombie_cannot_write(bench: Bench) -> None:
    """Rule 1: the new owner's transactional producer fences the old one, whose next transaction fails as a whole."""
    await bench.create()
    old = owner(bench.prefix, bench.settings)
    task = asyncio.create_task(old.run(asyncio.Event()))
    await bench.feed([("a", "", 0)])
    await until(lambda: bench.emitted(1), "the old owner works")
    async with old.make_producer(0):
        await bench.feed([("a", "", 0)])
        with pytest.raises(Fenced):
            await asyncio.wait_for(task, LIMIT_S)
        assert len(await bench.counts()) == 1


async def test_a_transaction_left_open_is_settled_before_the_state_is_read(bench: Bench) -> None:
    """Rule 1: what a dead owner had half written never becomes state."""
    await bench.create()
    dead = owner(bench.prefix, bench.settings).make_producer(0)
    await dead.start()
    await dead.begin_transaction()
    await (await dead.send(bench.changelog.name, key=b"a", value=b"41", partition=0))
    await bench.feed([("a", "", 0)])
    async with running(owner(bench.prefix, bench.settings)):
        await until(lambda: bench.emitted(1), "a count")
    assert [count.count for count in await bench.counts()] == [1]
    with contextlib.suppress(Exception):
        await dead.stop()


async def test_partitions_move_between_owners_without_loss_or_double(bench: Bench) -> None:
    """Rule 5: a rebalance under load, with a second owner joining and leaving."""
    await bench.create()
    first = owner(bench.prefix, bench.settings)
    async with running(first):
        await bench.feed([(f"k{number % 7}", "", number % 2) for number in range(300)])
        await until(lambda: bench.emitted(1), "under way")
        second = owner(bench.prefix, bench.settings)
        async with running(second):
            await bench.feed([(f"k{number % 7}", "", number % 2) for number in range(300)])

            async def shared() -> bool:
                return len(first.partitions) == 1 and len(second.partitions) == 1

            await until(shared, "one partition each")
            await bench.feed([(f"k{number % 7}", "", number % 2) for number in range(300)])
        await until(lambda: bench.emitted(900), "all")
    _assert_dense(await bench.read(bench.output), 900)


async def test_outcomes_of_work_over_time_commit_with_the_state(bench: Bench) -> None:
    """Rule 4: a submitted decision is made in turn with the inputs, and the submitter learns when it is committed."""
    await bench.create()
    committed = asyncio.Event()

    class Acting(CountingLogic):
        async def act(self, submit: Submit) -> None:
            def outcome() -> Decision:
                count = self.counts.get("timer", 0) + 1
                return Decision((Output(self.output, "timer", Count(key="timer", count=count), 0),), {"timer": json.dumps(count).encode()})

            await submit(outcome)
            committed.set()

    source, output, changelog = topics(bench.prefix, 1)
    work = PartitionOwner(
        stage=bench.prefix,
        source=source,
        changelog=changelog,
        make_logic=lambda _: Acting(output),
        settings=bench.settings,
        readiness=Readiness(),
    )
    async with running(work):
        await asyncio.wait_for(committed.wait(), LIMIT_S)
        # Committed; the marker that shows it to readers follows within milliseconds.
        await until(lambda: bench.emitted(1), "the outcome")
        assert "timer" in {count.key for count in await bench.counts()}


async def test_an_owner_whose_partition_cannot_even_be_made_ends(bench: Bench) -> None:
    """It is made in aiokafka's rebalance, which logs an error and goes on without partitions."""
    await bench.create()

    def make_logic(_: int) -> CountingLogic:
        raise InvalidSetting("the table can't be read")

    source, _, changelog = topics(bench.prefix, 1)
    work = PartitionOwner(stage=bench.prefix, source=source, changelog=changelog, make_logic=make_logic, settings=bench.settings)
    with pytest.raises(InvalidSetting, match="the table can't be read"):
        await asyncio.wait_for(work.run(asyncio.Event()), LIMIT_S)


async def test_a_large_state_is_built_beside_heartbeats_and_health_answers(bench: Bench) -> None:
    """Seconds of work that must not cost the membership, nor a liveness probe its patience."""
    await bench.create()
    go_on = threading.Event()

    class Large(CountingLogic):
        def restored(self) -> None:
            assert go_on.wait(LIMIT_S)

    readiness = Readiness()
    source, output, changelog = topics(bench.prefix, 1)
    work = PartitionOwner(
        stage=bench.prefix,
        source=source,
        changelog=changelog,
        make_logic=lambda _: Large(output),
        settings=bench.settings,
        readiness=readiness,
    )

    async def restoring() -> bool:
        return "partition 0 restores" in readiness.waits().get("partitions", "")

    async def restored() -> bool:
        return "partitions" not in readiness.waits()

    async with running(work):
        await until(restoring, "restoring")
        go_on.set()
        await until(restored, "restored")


async def test_what_work_over_time_raises_on_purpose_is_what_ends_the_owner(bench: Bench) -> None:
    """It says what is wrong by itself, not as one of a group of tasks."""
    await bench.create()

    class Failing(CountingLogic):
        async def act(self, submit: Submit) -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._fail())

        async def _fail(self) -> None:
            raise OwnerError("the parser does not start")

    source, output, changelog = topics(bench.prefix, 1)
    work = PartitionOwner(
        stage=bench.prefix, source=source, changelog=changelog, make_logic=lambda _: Failing(output), settings=bench.settings
    )
    with pytest.raises(OwnerError, match=r"^the parser does not start$"):
        await asyncio.wait_for(work.run(asyncio.Event()), LIMIT_S)


@pytest.mark.faults
async def test_killed_workers_lose_and_double_nothing(bench: Bench) -> None:
    """Two workers are killed -9 twelve times at random moments while inputs flow: every input is counted exactly once."""
    await bench.create()
    chance = random.Random(4)
    environment = {**os.environ, "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS": bench.bootstrap}

    def worker(*options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.kafka.counting", bench.prefix, *options]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    workers = [worker(), worker("standby")]
    fed = 0
    try:
        for _ in range(12):
            batch = chance.randrange(40, 120)
            await bench.feed([(f"k{number % 11}", "", number % 2) for number in range(batch)])
            seen = len(await bench.read(bench.output))
            target = min(fed + batch, seen + chance.randrange(1, batch))
            fed += batch
            await until(lambda target=target: bench.emitted(target), "some of it", 120)
            victim = chance.randrange(2)
            workers[victim].send_signal(signal.SIGKILL)
            workers[victim].wait()
            workers[victim] = worker(*["standby"] * victim)
        await until(lambda: bench.emitted(fed), "all of it", 120)
    finally:
        for process in workers:
            process.kill()
            process.wait()
    _assert_dense(await bench.read(bench.output), fed)


async def test_a_standby_goes_on_with_what_it_followed(bench: Bench) -> None:
    """What it took over was followed, not restored; what the owner committed last is in it, too."""
    await bench.create()
    await bench.feed((f"k{number}", "", number % 2) for number in range(10))
    first, second = owner(bench.prefix, bench.settings), owner(bench.prefix, bench.settings, standby=True)
    stop = asyncio.Event()
    ending = asyncio.create_task(first.run(stop))
    await until(lambda: bench.emitted(10), "ten counts")
    async with running(second):
        await until(lambda: _true(len(first.partitions) == 1 and _warm(second, *first.partitions)), "one each, and the other's is followed")
        [theirs] = first.partitions
        await bench.feed((f"k{number}", "", number % 2) for number in range(10))
        await until(lambda: bench.emitted(20), "twenty counts")
        stop.set()
        await ending
        await until(lambda: _true(theirs in second.partitions and not second.partitions[theirs].restoring), "both are the second's")
        logic = second.partitions[theirs].logic
        assert len(logic.followed) >= 5
        assert len(logic.restored_from) == 5
        await bench.feed((f"k{number}", "", number % 2) for number in range(10))
        await until(lambda: bench.emitted(30), "thirty counts")
    _assert_dense(await bench.read(bench.output), 30)


async def test_a_standby_that_fails_drops_its_state_and_begins_anew(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a transaction may have been taken over: nothing of that state is handed to anyone."""
    monkeypatch.setattr(standby, "AGAIN_AFTER_S", 0.0)
    await bench.create()
    made: list[CountingLogic] = []

    class Failing(CountingLogic):
        def follow(self, changes: Mapping[str, bytes | None]) -> None:
            super().follow(changes)
            if len(made) == 1:
                msg = "a fault in the code that follows"
                raise AssertionError(msg)

    def make_logic(_: int) -> CountingLogic:
        made.append(Failing(bench.output))
        return made[-1]

    follower = standby.Standby(bench.settings, bench.prefix, bench.changelog.name, 0, make_logic, asyncio.Semaphore(1))
    async with running(owner(bench.prefix, bench.settings)):
        follower.start()
        await until(lambda: _true(follower.warm), "it follows an empty state")
        await bench.feed(("a", "", 0) for _ in range(3))
        await until(lambda: _true(len(made) == 2 and follower.warm and made[1].counts == {"a": 3}), "it has begun anew and is up to date")
        followed = await follower.hand_over()
    await follower.end()
    assert followed is not None
    assert followed.logic is made[1]


async def _true(said: bool) -> bool:
    return said


def _warm(work: PartitionOwner, partition: int) -> bool:
    standby = work._standbys.get(partition)
    return standby is not None and standby.warm


def _assert_dense(records: list[Any], expected: int) -> None:
    """Assert that each key's counts run 1, 2, 3 … in each partition, and that there are as many as inputs."""
    assert len(records) == expected
    seen: dict[tuple[int, str], int] = {}
    for record in sorted(records, key=lambda record: (record.partition, record.offset)):
        count = Count.from_bytes(record.value)
        key = (record.partition, count.key)
        assert count.count == seen.get(key, 0) + 1
        seen[key] = count.count
