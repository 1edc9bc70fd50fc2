"""One owned partition: restoring its state, deciding its inputs in order, and the transaction that makes them take effect."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaError, ProducerFenced

from shared import metrics, traces
from shared.errors import Fenced, OwnerError
from shared.kafka.changelog import OFFSET_KEY, read_changelog
from shared.kafka.client import start_client
from shared.kafka.dead_letters import dead_letter, reason_of
from shared.kafka.decision import Decision, SourceRecord
from shared.kafka.encode import Encoded, encode
from shared.logs import get_logger
from shared.tasks import end_tasks

if TYPE_CHECKING:
    from shared.kafka.owner import PartitionOwner
    from shared.kafka.standby import Followed

log = get_logger()

Submit = Callable[[Callable[[], Decision]], Awaitable[None]]
"""Hands a decision to the partition; it is made in turn with the inputs, and the call returns once it is committed."""


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


@dataclass(slots=True)
class _Submitted:
    decide: Callable[[], Decision]
    committed: "asyncio.Future[None]"
    headers: traces.Headers = ()
    """Of the span that it was submitted in."""


@dataclass(slots=True)
class _Batch:
    """What one transaction holds."""

    outputs: list[Encoded] = field(default_factory=list)
    changes: dict[str, bytes | None] = field(default_factory=dict)
    submitted: list[_Submitted] = field(default_factory=list)
    inputs: list[SourceRecord] = field(default_factory=list)
    spans: list[traces.Span] = field(default_factory=list)
    """Of the inputs that continue a trace; they end with the commit."""


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
        metrics.forget(self.owner.stage, str(self.partition))

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
        span = traces.here()
        entry = _Submitted(decide, asyncio.get_running_loop().create_future(), () if span is None else span.headers)
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
            followed = await owner.take_over(self.partition)
            stored = await self._read_whole() if followed is None else await self._read_rest(followed)
            self.next_offset = self._next_inbox_offset = await owner.first_offset(self.tp, stored)
        self.restoring = False
        metrics.RESTORING.labels(stage, str(self.partition)).set(0)
        self._log.info(
            "partition_restored",
            records=self.restored_records[0],
            next_offset=self.next_offset,
            warm=followed is not None,
            seconds=round(time.monotonic() - began, 2),
        )

    async def _read_whole(self) -> int | None:
        owner = self.owner
        stored = await read_changelog(owner.settings, owner.changelog.name, self.partition, self.logic.restore, progress=self._progress)
        # In a thread: it takes seconds for a large state, in which heartbeats and health answers go on.
        await asyncio.to_thread(self.logic.restored)
        return stored

    async def _read_rest(self, followed: "Followed") -> int | None:
        """Go on with the state that was followed here while another process owned the partition."""
        owner, changes = self.owner, dict(followed.changes)
        stored = await read_changelog(
            owner.settings, owner.changelog.name, self.partition, changes.__setitem__, progress=self._progress, since=followed.position
        )
        await asyncio.to_thread(followed.logic.follow, changes)
        self.logic = followed.logic
        return followed.next_offset if stored is None else stored

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
                encoded = encode(decision, entry.headers)
            except Exception as error:  # noqa: BLE001 - it belongs to the one who submitted it
                entry.committed.set_exception(error)
                continue
            self._gather(batch, decision, encoded)
            batch.submitted.append(entry)
        turn_began = time.monotonic()
        while self._inbox and len(batch.inputs) < self.owner.settings.batch_records and not self.owner.is_full(self.logic):
            record = self._inbox.popleft()
            span = traces.follow(self.owner.stage, record, begins=self.owner.begins_traces)
            if span is not None:
                batch.spans.append(span)
                record = replace(record, headers=span.headers)
            decision, encoded = self._decide(record, span)
            self._gather(batch, decision, encoded)
            batch.inputs.append(record)
            if time.monotonic() - turn_began > 0.05:  # let heartbeats and health answers through
                await asyncio.sleep(0)
                turn_began = time.monotonic()
        return batch

    def _decide(self, record: SourceRecord, span: traces.Span | None) -> tuple[Decision, list[Encoded]]:
        headers = () if span is None else span.headers
        try:
            decision = self.logic.decide(record)
            return decision, encode(decision, headers)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - rule 3: whatever pure code raises, the input is kept as a dead letter
            reason = reason_of(error)
            metrics.DEAD_LETTERS.labels(self.owner.stage, reason).inc()
            expected = reason != "internal_error"
            self._log.warning("input_refused", offset=record.offset, reason=reason, error=str(error)[:500], exc_info=not expected)
            if span is not None:
                span.fail(reason)
            decision = Decision(outputs=(dead_letter(self.owner.stage, record, error),))
            return decision, encode(decision, headers)

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
            with traces.together(f"{self.owner.stage} transaction", batch.spans):
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
        sends = [
            await producer.send(out.topic, key=out.key, value=out.value, partition=out.partition, headers=list(out.headers))
            for out in batch.outputs
        ]
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
            metrics.COMMITTED.labels(stage, str(self.partition)).set(now)
        for out in batch.outputs:
            metrics.OUTPUTS.labels(stage, out.topic).inc()
