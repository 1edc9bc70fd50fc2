"""The partition owner: exact once processing of a topic's partitions, with state in a changelog.

The contract, which its tests hold it to:

1. Starting a partition, the transactional producer comes first: it fences a zombie and settles the old transaction.
   Then the changelog is read to its end. The next source offset is a record of it; `SourceExpired` stops the start when
   that offset is gone from the source, `ChangelogLost` when the group has an offset and the changelog has none.
2. A batch of inputs is decided by pure code, and all outputs, changed state and the next source offset go into ONE
   transaction; every send is awaited, since a commit succeeds although one of its records was refused. Memory runs ahead
   of the log by the batch in flight only, and dies with it: any failure ends the process.
3. An input that the pure code raises on becomes a dead letter in the same transaction, and the batch goes on.
4. Work that acts over time runs beside the inputs (`act`) and submits its outcomes, each decided in turn with the inputs.
5. A rebalance keeps the state of partitions that stay: whoever owned one meanwhile has fenced its producer.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from pydantic import Field

from shared import metrics
from shared.errors import ChangelogLost, SourceExpired, meant
from shared.health import Readiness
from shared.kafka.client import client_options, start_client
from shared.kafka.partition import Logic, OwnedPartition
from shared.kafka.patience import LOOK_MS, Patience
from shared.kafka.standby import Followed, FollowingLogic, Standby
from shared.logs import get_logger
from shared.settings import Settings
from shared.tasks import end_tasks
from shared.topics import DEAD_LETTER_BYTES, MAX_MESSAGE_BYTES, Topic

log = get_logger()

FETCH_WAIT_MS = 200
"""While records flow: a partition that was held back waits so long for the others' fetch."""


class OwnerSettings(Settings):
    """What a partition owner may be told."""

    batch_records: int = Field(
        default=400, ge=1, le=10_000, description="inputs in one transaction at most: more is faster, and later for the first"
    )
    transaction_timeout_s: float = Field(default=60, gt=0, description="Kafka aborts a transaction after it; must exceed the slowest batch")
    session_timeout_s: float = Field(default=30, ge=6, description="a worker that is silent for so long loses its partitions")
    group_instance_id: str | None = Field(
        default=None, description="static membership (a StatefulSet's pod name): no rebalance at a restart"
    )
    lag_limit_messages: int = Field(default=10_000, ge=0, description="readiness is false while more inputs than this wait")


class PartitionOwner:
    """Owns those partitions of a source topic that the consumer group gives to this process."""

    def __init__(
        self,
        *,
        stage: str,
        source: Topic,
        changelog: Topic,
        make_logic: Callable[[int], Logic],
        settings: OwnerSettings,
        readiness: Readiness | None = None,
        is_full: Callable[[Any], bool] = lambda _logic: False,
        begins_traces: bool = False,
        make_standby: Callable[[int], FollowingLogic] | None = None,
    ) -> None:
        """Wire; nothing connects before `run`. The consumer group is `slugline-STAGE`.

        While `is_full` says so of a partition's logic, its inputs stay in their topic; what it submits is still taken.
        With `begins_traces` an input that continues no trace begins one. With `make_standby` the partitions that other processes own are
        followed meanwhile, so that taking one over reads no more than the end of its changelog.
        """
        self.make_standby = make_standby
        self.begins_traces = begins_traces
        self.is_full = is_full
        self.stage = stage
        self.source = source
        self.changelog = changelog
        self.make_logic = make_logic
        self.settings = settings
        self.group = f"slugline-{stage}"
        self.restores = asyncio.Semaphore(4)
        self.partitions: dict[int, OwnedPartition] = {}
        self._standbys: dict[int, Standby] = {}
        self._standby_turn = asyncio.Semaphore(1)
        self._ending: list[Standby] = []
        self._consumer: Any = None
        self._patience = Patience(FETCH_WAIT_MS)
        self._assigned = False
        self._failed: asyncio.Future[None] | None = None
        self._broker_since: float | None = None
        self._lag: dict[int, int] = {}
        if readiness is not None:
            readiness.add("partitions", self._waits_for_partitions)
            readiness.add("broker", self._waits_for_broker)
            readiness.add("lag", self._waits_for_lag)

    # What partitions need

    def spawn(self, work: Awaitable[None], name: str) -> "asyncio.Task[None]":
        """Run work whose failure ends the owner."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        task.set_name(name)
        task.add_done_callback(self._report)
        return task

    def _report(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the owner with an error."""
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(meant(error))

    def make_producer(self, partition: int) -> Any:
        """Make the partition's transactional producer. Its id is the partition's, so that the newest owner fences others."""
        return AIOKafkaProducer(
            **client_options(self.settings),
            transactional_id=f"{self.group}-{self.source.name}-{partition}",
            transaction_timeout_ms=int(self.settings.transaction_timeout_s * 1000),
            max_request_size=DEAD_LETTER_BYTES,
            max_batch_size=131_072,
        )

    async def take_over(self, partition: int) -> Followed | None:
        """Give the state of a partition that was followed here; None where it was not, or not to the end."""
        standby = self._standbys.pop(partition, None)
        if standby is None:
            return None
        self._ending = [standby, *(one for one in self._ending if not one.has_ended)]
        return await standby.hand_over()

    async def first_offset(self, tp: TopicPartition, stored: int | None) -> int:
        """Give the offset to begin at, refusing a silent jump."""
        begin = (await self._consumer.beginning_offsets([tp]))[tp]
        end = (await self._consumer.end_offsets([tp]))[tp]
        where = f"{tp.topic}[{tp.partition}]"
        afresh = f"slugline offsets reset {self.stage} --partition {tp.partition}"
        if stored is None:
            committed = await self._consumer.committed(tp)
            if committed:
                raise ChangelogLost(
                    f"group {self.group} has handled {where} up to {committed}, but {self.changelog.name} holds no state. "
                    f"Restore that topic from a backup, or start afresh with: {afresh}"
                )
            return int(begin)
        if stored < begin:
            raise SourceExpired(
                f"source expired: the next input of {where} is {stored}, the oldest kept is {begin}: {begin - stored:,} inputs are gone. "
                f"Accept the loss with: {afresh}"
            )
        if stored > end:
            raise SourceExpired(
                f"source expired: the next input of {where} is {stored}, but the topic ends at {end}: it was made anew. "
                f"Start afresh with: {afresh}"
            )
        return stored

    def read_from(self, tp: TopicPartition, offset: int) -> None:
        """Let the consumer deliver a partition from an offset on."""
        if tp in self._consumer.assignment():
            self._consumer.seek(tp, offset)
            self._consumer.resume(tp)

    def pause(self, tp: TopicPartition) -> None:
        """Hold a partition's inputs back."""
        if tp in self._consumer.assignment():
            self._consumer.pause(tp)

    def unpause(self, tp: TopicPartition) -> None:
        """Let a partition's inputs flow again."""
        if tp in self._consumer.assignment() and tp in self._consumer.paused():
            self._consumer.resume(tp)

    # Running

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish the transactions in flight. Raises `OwnerError` when it can't go on."""
        self._failed = asyncio.get_running_loop().create_future()
        await start_client(self._make_consumer)
        try:
            tasks: list[asyncio.Future[Any]] = [
                asyncio.ensure_future(self._read()),
                asyncio.ensure_future(self._watch()),
                asyncio.ensure_future(stop.wait()),
            ]
            await asyncio.wait([*tasks, self._failed], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done() and not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
                    self._failed.set_exception(error)
            await end_tasks(tasks)
            if self._failed.done():
                self._failed.result()
        finally:
            failed = self._failed.done()
            if not failed:
                self._failed.cancel()
            await self._shut_down(drain=not failed)

    async def _shut_down(self, *, drain: bool) -> None:
        if drain:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*(part.suspend() for part in self.partitions.values())), timeout=8)
        closing = [
            *(part.close() for part in self.partitions.values()),
            *(standby.end() for standby in (*self._standbys.values(), *self._ending)),
        ]
        await asyncio.gather(*closing, return_exceptions=True)
        self.partitions.clear()
        self._standbys.clear()
        with contextlib.suppress(KafkaError, TimeoutError, OSError):
            await asyncio.wait_for(self._consumer.stop(), timeout=5)

    def _make_consumer(self) -> Any:
        consumer = AIOKafkaConsumer(
            **client_options(self.settings),
            group_id=self.group,
            group_instance_id=self.settings.group_instance_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            consumer_timeout_ms=LOOK_MS,
            session_timeout_ms=int(self.settings.session_timeout_s * 1000),
            heartbeat_interval_ms=min(3_000, int(self.settings.session_timeout_s * 300)),
            max_partition_fetch_bytes=2 * MAX_MESSAGE_BYTES,
        )
        consumer.subscribe([self.source.name], listener=_Rebalance(self))
        self._consumer = consumer  # the first assignment comes while it starts
        return consumer

    async def _read(self) -> None:
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=1_000, max_records=self.settings.batch_records)
            except OffsetOutOfRangeError as error:
                raise SourceExpired(
                    f"source expired while reading {self.source.name}: {error}. See: slugline offsets show {self.stage}"
                ) from error
            self._patience.note(self._consumer, records=bool(batches))
            for tp, records in batches.items():
                if (part := self.partitions.get(tp.partition)) is not None and not part.restoring:
                    part.take(records)

    async def _watch(self) -> None:
        """Measure the lag every few seconds, which also shows whether the broker answers."""
        while True:
            parts = [part for part in self.partitions.values() if not part.restoring]
            try:
                async with asyncio.timeout(4):
                    ends = await self._consumer.end_offsets([part.tp for part in parts]) if parts else {}
                    stands = {part.partition: (await self._stands_at(part), int(ends[part.tp])) for part in parts}
            except (KafkaError, TimeoutError, OSError) as error:
                if self._broker_since is None:
                    self._broker_since = time.monotonic()
                    log.warning(
                        "broker_unreachable", stage=self.stage, error=f"{type(error).__name__}: {error}", then="waiting until it answers"
                    )
            else:
                if self._broker_since is not None:
                    log.info("broker_answers", stage=self.stage, after_s=round(time.monotonic() - self._broker_since, 1))
                    self._broker_since = None
                self._lag = {partition: max(0, end - position) for partition, (position, end) in stands.items()}
                for partition, (position, end) in stands.items():
                    metrics.note_lag(self.stage, str(partition), position, end, time.time())
            await asyncio.sleep(2)

    async def _stands_at(self, part: OwnedPartition) -> int:
        """Give where a partition stands: with nothing queued the consumer's position, which has passed transaction markers."""
        if part.is_idle and part.tp in self._consumer.assignment():
            return max(part.next_offset, int(await self._consumer.position(part.tp)))
        return part.next_offset

    # Rebalance

    async def revoked(self) -> None:
        """Finish what is in flight; the new assignment says what stays."""
        self._assigned = False
        self._patience.begin_anew(self._consumer)
        await asyncio.gather(*(part.suspend() for part in self.partitions.values()))

    async def assigned(self, tps: Iterable[TopicPartition]) -> None:
        """Take over the assignment: close what went, resume what stayed, start what came."""
        kept = {tp.partition for tp in tps}
        for tp in tps:
            # Until a partition is restored nothing is read; any position keeps aiokafka from asking for one.
            self._consumer.pause(tp)
            self._consumer.seek(tp, 0)
        for number in sorted(set(self.partitions) - kept):
            await self.partitions.pop(number).close()
            self._lag.pop(number, None)
        for number in sorted(kept):
            if number in self.partitions:
                self.partitions[number].resume()
            else:
                self.partitions[number] = OwnedPartition(self, number)
                self.partitions[number].start()
        if self.make_standby is not None:
            for number in sorted(set(range(self.source.partitions)) - kept - set(self._standbys)):
                self._standbys[number] = Standby(
                    self.settings, self.stage, self.changelog.name, number, self.make_standby, self._standby_turn
                )
                self._standbys[number].start()
        self._assigned = True
        log.info("partitions_assigned", stage=self.stage, partitions=sorted(kept))

    # Readiness

    def _waits_for_partitions(self) -> str | None:
        if not self._assigned:
            return "waits for its partitions"
        return next((reason for part in self.partitions.values() if (reason := part.waits()) is not None), None)

    def _waits_for_broker(self) -> str | None:
        return None if self._broker_since is None else f"the broker has not answered for {time.monotonic() - self._broker_since:.0f} s"

    def _waits_for_lag(self) -> str | None:
        lag = sum(self._lag.values())
        limit = self.settings.lag_limit_messages
        return None if lag <= limit else f"{lag:,} inputs wait, more than {limit:,}"


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, owner: PartitionOwner) -> None:
        self._owner = owner

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002
        with self._ending_the_owner():
            await self._owner.revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        with self._ending_the_owner():
            await self._owner.assigned(list(assigned))

    @contextlib.contextmanager
    def _ending_the_owner(self) -> Iterator[None]:
        """Let an error end the owner; aiokafka would log it, and go on without partitions."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the owner raises it
            self._owner.fail(error)
