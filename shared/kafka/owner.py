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
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerEpoch,
    KafkaError,
    OffsetOutOfRangeError,
    ProducerFenced,
)
from pydantic import Field

from shared import metrics
from shared.errors import ChangelogLost, Fenced, OwnerError, Refused, SourceExpired
from shared.health import Readiness
from shared.kafka.changelog import OFFSET_KEY, read_changelog
from shared.kafka.client import client_options, start_client
from shared.kafka.dead_letters import dead_letter, reason_of
from shared.kafka.decision import Decision, SourceRecord
from shared.logs import get_logger
from shared.settings import Settings
from shared.tasks import end_tasks
from shared.topics import DEAD_LETTER_BYTES, DEAD_LETTERS, MAX_MESSAGE_BYTES, Topic, key_partition

log = get_logger()

Submit = Callable[[Callable[[], Decision]], Awaitable[None]]
"""Hands a decision to the partition; it is made in turn with the inputs, and the call returns once it is committed."""

RECORD_OVERHEAD_BYTES = 1_024
"""Room that a record needs beside its key and value within a message of the topic's limit."""


class Logic(Protocol):
    """The pure code behind one partition. One object holds one partition's state."""

    def restore(self, key: str, value: bytes | None) -> None:
        """Take one changelog record, oldest first; None deletes."""

    def restored(self) -> None:
        """All records are read: build what is derived from them."""

    def decide(self, record: SourceRecord) -> Decision:
        """Say what follows from an input, changing nothing. Raising makes a dead letter of the input."""

    def apply(self, decision: Decision) -> None:
        """Take a decision over into memory. Must not fail."""

    async def act(self, submit: Submit) -> None:
        """Do what is due over time, until cancelled. It starts when the partition does; returning is fine."""


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


@dataclass(frozen=True, slots=True)
class Encoded:
    """A record's bytes and where it goes."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None


@dataclass(slots=True)
class _Submitted:
    decide: Callable[[], Decision]
    committed: "asyncio.Future[None]"


def encode(decision: Decision) -> list[Encoded]:
    """Turn outputs into bytes. Raises `Refused` when one is larger than its topic takes."""
    encoded = []
    for output in decision.outputs:
        value = None if output.value is None else output.value.to_bytes()
        limit = DEAD_LETTER_BYTES if output.topic is DEAD_LETTERS else MAX_MESSAGE_BYTES
        if value is not None and len(value) + len(output.key) + RECORD_OVERHEAD_BYTES > limit:
            raise Refused("output_too_large", f"{output.topic.name} takes {limit:,} bytes a message, this one has {len(value):,}")
        partition = key_partition(output.key, output.topic) if output.partition is None else output.partition
        encoded.append(Encoded(output.topic.name, partition, output.key.encode(), value))
    return encoded


@dataclass(slots=True)
class _Batch:
    """What one transaction holds."""

    outputs: list[Encoded] = field(default_factory=list)
    changes: dict[str, bytes | None] = field(default_factory=dict)
    submitted: list[_Submitted] = field(default_factory=list)
    inputs: list[SourceRecord] = field(default_factory=list)


class OwnedPartition:
    """One partition: restores, then handles inputs and submitted decisions in turn, until closed."""

    def __init__(self, owner: "PartitionOwner", partition: int) -> None:
        """Prepare; `start` begins."""
        self.owner = owner
        self.partition = partition
        self.tp = TopicPartition(owner.source.name, partition)
        self.logic = owner.make_logic(partition)
        self.restoring = True
        self.restored_records = (0, 0)
        self.next_offset = 0
        self.transaction_began_at: float | None = None
        self._inbox: deque[SourceRecord] = deque()
        self._submitted: deque[_Submitted] = deque()
        self._next_inbox_offset = 0
        self._wake = asyncio.Event()
        self._running = asyncio.Event()
        self._idle = asyncio.Event()
        self._producer: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._log = log.bind(stage=owner.stage, partition=partition)

    # Life

    def start(self) -> None:
        """Begin in the background; a failure is reported to the owner."""
        self._running.set()
        self._tasks.append(self.owner.spawn(self._live(), f"{self.owner.stage}-{self.partition}"))

    async def suspend(self) -> None:
        """Finish the transaction in flight and wait, keeping the state."""
        self._running.clear()
        self._wake.set()
        if not self.restoring:
            await self._idle.wait()

    def resume(self) -> None:
        """Go on after a suspension, if the state was restored; the consumer reads on behind what is in the inbox."""
        self._running.set()
        self._wake.set()
        if not self.restoring:
            self._read_on()

    async def close(self) -> None:
        """Give the partition up: stop working, drop the state, stop the producer."""
        await end_tasks(self._tasks)
        if self._producer is not None:
            with contextlib.suppress(KafkaError, TimeoutError, OSError):
                await asyncio.wait_for(self._producer.stop(), timeout=5)
            self._producer = None
        for gone in (metrics.RESTORING, metrics.LAG, metrics.LAST_INPUT):
            with contextlib.suppress(KeyError):  # another owner measures it now; a stale value would raise alarms
                gone.remove(self.owner.stage, str(self.partition))

    def waits(self) -> str | None:
        """Say what the partition waits for; None when it is at work."""
        if self.restoring:
            read, span = self.restored_records
            return f"partition {self.partition} restores: {read:,} of at most {span:,} records"
        if self.transaction_began_at is not None and (since := time.monotonic() - self.transaction_began_at) > 5:
            return f"partition {self.partition}: a transaction has taken {since:.0f} s; the broker does not answer"
        return None

    @property
    def is_idle(self) -> bool:
        """Say whether all that was read is committed."""
        return not self._inbox and self.transaction_began_at is None and self.next_offset == self._next_inbox_offset

    # Inputs

    def take(self, records: Iterable[Any]) -> None:
        """Queue records as the consumer gave them, in order; those seen before are passed over."""
        for record in records:
            if record.offset < self._next_inbox_offset:
                continue
            self._next_inbox_offset = record.offset + 1
            self._inbox.append(
                SourceRecord(
                    record.topic, record.partition, record.offset, record.key, record.value, record.timestamp, tuple(record.headers)
                )
            )
        if len(self._inbox) >= 2 * self.owner.settings.batch_records:
            self.owner.pause(self.tp)
        self._wake.set()

    async def submit(self, decide: Callable[[], Decision]) -> None:
        """Have a decision made in turn with the inputs; returns once it is committed. Raises what `decide` raises."""
        entry = _Submitted(decide, asyncio.get_running_loop().create_future())
        self._submitted.append(entry)
        self._wake.set()
        await entry.committed

    # Work

    async def _live(self) -> None:
        await self._restore()
        self._read_on()
        self._tasks.append(self.owner.spawn(self.logic.act(self.submit), f"{self.owner.stage}-{self.partition}-act"))
        while True:
            if not self._running.is_set():
                self._idle.set()
                await self._running.wait()
                self._idle.clear()
            if not self._submitted and (not self._inbox or self.owner.is_full(self.logic)):
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = await self._decide_batch()
            await self._commit(batch)
            if len(self._inbox) < self.owner.settings.batch_records:
                self.owner.unpause(self.tp)

    async def _restore(self) -> None:
        owner, stage = self.owner, self.owner.stage
        metrics.RESTORING.labels(stage, str(self.partition)).set(1)
        async with owner.restores:
            began = time.monotonic()
            self._producer = await start_client(lambda: owner.make_producer(self.partition))
            stored = await read_changelog(owner.settings, owner.changelog.name, self.partition, self.logic.restore, progress=self._progress)
            await asyncio.sleep(0)
            self.logic.restored()
            self.next_offset = self._next_inbox_offset = await owner.first_offset(self.tp, stored)
        self.restoring = False
        metrics.RESTORING.labels(stage, str(self.partition)).set(0)
        self._log.info(
            "partition_restored", records=self.restored_records[0], next_offset=self.next_offset, seconds=round(time.monotonic() - began, 2)
        )

    def _progress(self, read: int, span: int) -> None:
        if read // 100_000 > self.restored_records[0] // 100_000:
            self._log.info("partition_restores", records=read, span=span)
        self.restored_records = (read, span)

    def _read_on(self) -> None:
        self.owner.read_from(self.tp, self._next_inbox_offset)

    async def _decide_batch(self) -> _Batch:
        batch = _Batch()
        while self._submitted:
            entry = self._submitted.popleft()
            if entry.committed.cancelled():
                continue
            try:
                decision = entry.decide()
                encoded = encode(decision)
            except Exception as error:  # noqa: BLE001 - it belongs to the one who submitted it
                entry.committed.set_exception(error)
                continue
            self._gather(batch, decision, encoded)
            batch.submitted.append(entry)
        turn_began = time.monotonic()
        while self._inbox and len(batch.inputs) < self.owner.settings.batch_records and not self.owner.is_full(self.logic):
            record = self._inbox.popleft()
            decision, encoded = self._decide(record)
            self._gather(batch, decision, encoded)
            batch.inputs.append(record)
            if time.monotonic() - turn_began > 0.05:  # let heartbeats and health answers through
                await asyncio.sleep(0)
                turn_began = time.monotonic()
        return batch

    def _decide(self, record: SourceRecord) -> tuple[Decision, list[Encoded]]:
        try:
            decision = self.logic.decide(record)
            return decision, encode(decision)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - rule 3: whatever pure code raises, the input is kept as a dead letter
            reason = reason_of(error)
            metrics.DEAD_LETTERS.labels(self.owner.stage, reason).inc()
            expected = reason != "internal_error"
            self._log.warning("input_refused", offset=record.offset, reason=reason, error=str(error)[:500], exc_info=not expected)
            decision = Decision(outputs=(dead_letter(self.owner.stage, record, error),))
            return decision, encode(decision)

    def _gather(self, batch: _Batch, decision: Decision, encoded: list[Encoded]) -> None:
        self.logic.apply(decision)
        batch.outputs.extend(encoded)
        batch.changes.update(decision.changes)

    async def _commit(self, batch: _Batch) -> None:
        if batch.inputs:
            self.next_offset = batch.inputs[-1].offset + 1
        elif not batch.outputs and not batch.changes:
            self._settle(batch)
            return
        self.transaction_began_at = time.monotonic()
        try:
            await self._transact(batch)
        except (ProducerFenced, InvalidProducerEpoch) as error:
            metrics.TRANSACTIONS.labels(self.owner.stage, "aborted").inc()
            raise Fenced(
                f"{self.tp.topic}[{self.partition}] has another owner now; nothing of this process takes effect any more"
            ) from error
        except (KafkaError, IllegalOperation) as error:
            metrics.TRANSACTIONS.labels(self.owner.stage, "aborted").inc()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._producer.abort_transaction(), timeout=5)
            raise OwnerError(
                f"{self.tp.topic}[{self.partition}]: a transaction failed and nothing of it took effect: {type(error).__name__}: {error}"
            ) from error
        finally:
            self.transaction_began_at = None
        metrics.TRANSACTIONS.labels(self.owner.stage, "committed").inc()
        self._settle(batch)

    async def _transact(self, batch: _Batch) -> None:
        producer = self._producer
        await producer.begin_transaction()
        sends = [await producer.send(out.topic, key=out.key, value=out.value, partition=out.partition) for out in batch.outputs]
        changelog = self.owner.changelog.name
        sends += [
            await producer.send(changelog, key=key.encode(), value=value, partition=self.partition) for key, value in batch.changes.items()
        ]
        if batch.inputs:
            sends.append(
                await producer.send(changelog, key=OFFSET_KEY.encode(), value=str(self.next_offset).encode(), partition=self.partition)
            )
        results = await asyncio.gather(*sends, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if batch.inputs:
            # Only now: while the coordinator adds the group, a broker can't verify that records belong to the transaction. It refuses
            # them (NotEnoughReplicas) and aiokafka waits 100 ms; measured at one transaction in thirty.
            await producer.send_offsets_to_transaction({self.tp: self.next_offset}, self.owner.group)
        await producer.commit_transaction()

    def _settle(self, batch: _Batch) -> None:
        stage = self.owner.stage
        for entry in batch.submitted:
            if not entry.committed.done():
                entry.committed.set_result(None)
        if batch.inputs:
            now = time.time()
            metrics.INPUTS.labels(stage).inc(len(batch.inputs))
            for record in batch.inputs:
                metrics.LATENCY.labels(stage).observe(max(0.0, now - record.timestamp_ms / 1000))
            metrics.LAST_INPUT.labels(stage, str(self.partition)).set(batch.inputs[-1].timestamp_ms / 1000)
        for out in batch.outputs:
            metrics.OUTPUTS.labels(stage, out.topic).inc()


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
    ) -> None:
        """Wire; nothing connects before `run`. The consumer group is `slugline-STAGE`.

        While `is_full` says so of a partition's logic, its inputs stay in their topic; what it submits is still taken.
        """
        self.is_full = is_full
        self.stage = stage
        self.source = source
        self.changelog = changelog
        self.make_logic = make_logic
        self.settings = settings
        self.group = f"slugline-{stage}"
        self.restores = asyncio.Semaphore(4)
        self.partitions: dict[int, OwnedPartition] = {}
        self._consumer: Any = None
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
        if not task.cancelled() and (error := task.exception()) is not None and self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    def make_producer(self, partition: int) -> Any:
        """Make the partition's transactional producer. Its id is the partition's, so that the newest owner fences others."""
        return AIOKafkaProducer(
            **client_options(self.settings),
            transactional_id=f"{self.group}-{self.source.name}-{partition}",
            transaction_timeout_ms=int(self.settings.transaction_timeout_s * 1000),
            max_request_size=DEAD_LETTER_BYTES,
            max_batch_size=131_072,
        )

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
        await asyncio.gather(*(part.close() for part in self.partitions.values()), return_exceptions=True)
        self.partitions.clear()
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
            fetch_max_wait_ms=200,
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
                    lag = {part.partition: max(0, ends[part.tp] - await self._stands_at(part)) for part in parts}
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
                self._lag = lag
                for partition, messages in lag.items():
                    metrics.LAG.labels(self.stage, str(partition)).set(messages)
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
        await self._owner.revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._owner.assigned(list(assigned))
