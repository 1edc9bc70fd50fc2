"""The wiring of the materialiser, and its loop: read, decode, write rows and offsets in one transaction."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from services.publish.config import MaterialiseSettings
from services.publish.connect import Connection, connect, is_away
from services.publish.materialise.commit import commit_batch
from services.publish.materialise.decode import Change, Handled, handle
from services.publish.materialise.offsets import OffsetsMoved, advance_offsets, begin_offsets, note_ends, stored_offsets
from services.publish.materialise.positions import Reached, where_to_start
from services.publish.materialise.source import Source
from services.publish.materialise.tables import BY_TOPIC
from services.publish.materialise.write import Written
from services.publish.retain import retain_again_and_again
from services.publish.status import say_status
from services.publish.turn import RETRY_S, await_schema, await_turn, pause
from shared import health, metrics, traces
from shared.errors import InvalidMessage
from shared.kafka.dead_letters import dead_letter, reason_of
from shared.logs import get_logger
from shared.tasks import end_tasks
from shared.topics import STORIES

log = get_logger()

STAGE: Final = "materialise"
WRITER_LOCK: Final = 0x5C06
"""Advisory lock, with the schema's name as its second part: one materialiser writes, others stand by."""
UNSTORABLE: Final = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, asyncpg.IntegrityConstraintViolationError)
"""What Postgres says of a row that it can't hold. The message met our contract, so it is found by halving the batch."""

ROWS = metrics.counter("slugline_rows_total", "Rows written", "table")


class Materialiser:
    """One process' part in keeping the rows."""

    def __init__(self, settings: MaterialiseSettings, readiness: health.Readiness, stop: asyncio.Event) -> None:
        """Wire; `run` connects."""
        self.settings = settings
        self.readiness = readiness
        self.stop = stop
        self.source = Source(settings)
        self._offsets: dict[TopicPartition, int] = {}
        self._lettered: set[tuple[str, int, int]] = set()
        self._waits: str | None = "has not connected yet"
        self._away_since: float | None = None
        self._status_at = 0.0
        readiness.add("broker", self.source.waits)
        readiness.add("database", lambda: self._waits)
        readiness.add("lag", self._waits_for_lag)

    async def run(self) -> None:
        """Work until `stop` is set. Raises `SourceExpired` when records are gone that the rows lack."""
        watching = asyncio.ensure_future(self.source.watch())
        try:
            await self._unless_stopped(self.source.start())
            while not self.stop.is_set():
                try:
                    await self._session()
                except (OffsetsMoved, OffsetOutOfRangeError) as error:
                    log.warning("reading_begins_anew", error=str(error), then="from the offsets in the database")
                except KafkaError as error:
                    log.warning("broker_failed", error=f"{type(error).__name__}: {error}", then="tries again")
                    await pause(self.stop, RETRY_S)
                except Exception as error:
                    if not is_away(error):
                        raise
                    if isinstance(error, TimeoutError):
                        # Perhaps the batch was more than the database can write in time.
                        self.source.most_records = max(1, self.source.most_records // 2)
                    self._note_away(error)
                    await pause(self.stop, RETRY_S)
        finally:
            await end_tasks([watching])
            await self.source.stop()

    # One connection's life

    async def _session(self) -> None:
        connection = await connect(self.settings, STAGE, timeout_s=self.settings.materialise_timeout_s)
        try:
            # A batch's joins fit in memory, so that they are hashed; there is one such session.
            await connection.execute("SET work_mem = '64MB'")
            if await self._may_work(connection):
                await self._seek(connection)
                self._note_back()
                await self._pump(connection)
        finally:
            self._waits = self._waits or "between two connections"
            # The lock goes with the connection; a broken one can't be closed politely.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), timeout=2)
            connection.terminate()

    async def _seek(self, connection: Connection) -> None:
        stored = await stored_offsets(connection)
        starts: dict[TopicPartition, int] = {}
        fresh: dict[TopicPartition, tuple[int, int]] = {}
        for tp, (begin, end) in (await self.source.spans()).items():
            start = where_to_start(BY_TOPIC[tp.topic].topic, tp.partition, stored=stored.get(tp), begin=begin, end=end)
            if start.skipped:
                log.warning("compacted_records_skipped", topic=tp.topic, partition=tp.partition, offsets=start.skipped)
            if tp not in stored:
                fresh[tp] = (begin, end)
            starts[tp] = start.offset
        await begin_offsets(connection, fresh)
        self._offsets = starts | {tp: stored[tp] for tp in starts if tp in stored}
        self.source.seek(starts)
        log.info("reading", partitions=len(starts), fresh=len(fresh))

    async def _pump(self, connection: Connection) -> None:
        reading = asyncio.ensure_future(self._read())
        stopping = asyncio.ensure_future(self.stop.wait())
        try:
            while not self.stop.is_set():
                await asyncio.wait([reading, stopping], return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    break
                if handled := reading.result():
                    # The next batch is read while Postgres writes this one.
                    reading = asyncio.ensure_future(self._read())
                    await self._write(connection, handled)
                    await self._say_status(connection, idle=False)
                else:
                    await self._say_status(connection, idle=True)
                    reading = asyncio.ensure_future(self._read())
        finally:
            await end_tasks([reading, stopping])

    async def _read(self) -> list[Handled]:
        return [handle(record) for record in await self.source.read()]

    # One batch

    async def _write(self, connection: Connection, batch: list[Handled]) -> None:
        try:
            written = await self._transact(connection, batch)
        except UNSTORABLE as error:
            await self._isolate(connection, batch, error)
            return
        self.source.most_records = min(2 * self.source.most_records, self.settings.materialise_batch_records)
        self._count(batch, written)

    async def _isolate(self, connection: Connection, batch: list[Handled], error: Exception) -> None:
        """Find the record that Postgres refuses: halve the batch, keeping its order."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._write(connection, batch[:middle])
            await self._write(connection, batch[middle:])
            return
        [handled] = batch
        if not isinstance(handled.outcome, Change):
            raise error
        refusal = InvalidMessage(f"Postgres can't store it: {error}")
        await self._write(connection, [Handled(handled.record, refusal)])

    async def _transact(self, connection: Connection, batch: list[Handled]) -> Written:
        refused = [(handled.record, handled.outcome) for handled in batch if isinstance(handled.outcome, Exception)]
        # A batch that is halved comes here again; its letters do not.
        new = [(record, error) for record, error in refused if (record.topic, record.partition, record.offset) not in self._lettered]
        if new:
            await self.source.produce([dead_letter(STAGE, record, error) for record, error in new])
            self._lettered.update((record.topic, record.partition, record.offset) for record, _ in new)
        spans = follow(batch)
        with traces.together(f"{STAGE} transaction", list(spans.values())):
            reached, written = await commit_batch(connection, self._offsets, batch, self.source.ends, traced(batch, spans))
        self._offsets.update(reached)
        self._lettered.difference_update((record.topic, record.partition, record.offset) for record, _ in refused)
        for record, error in refused:
            log.warning("record_refused", topic=record.topic, partition=record.partition, offset=record.offset, error=str(error)[:500])
            metrics.DEAD_LETTERS.labels(STAGE, reason_of(error)).inc()
        return written

    def _count(self, batch: list[Handled], written: Written) -> None:
        now = time.time()
        metrics.INPUTS.labels(STAGE).inc(len(batch))
        observe = metrics.LATENCY.labels(STAGE).observe
        for handled in batch:
            observe(max(0.0, now - handled.record.timestamp_ms / 1000))
        for handled in {(handled.record.topic, handled.record.partition): handled for handled in batch}.values():
            record = handled.record
            metrics.LAST_INPUT.labels(STAGE, f"{record.topic}/{record.partition}").set(record.timestamp_ms / 1000)
            metrics.COMMITTED.labels(STAGE, f"{record.topic}/{record.partition}").set(now)
        for table, rows in written.rows.items():
            ROWS.labels(table).inc(rows)

    # Besides

    async def _say_status(self, connection: Connection, *, idle: bool) -> None:
        now = time.monotonic()
        if now - self._status_at < self.settings.status_interval_s:
            return
        self._status_at = now
        lags = self._lags()
        for tp, offset in self._offsets.items():
            metrics.note_lag(STAGE, f"{tp.topic}/{tp.partition}", offset, self.source.ends.get(tp, 0), time.time())
        async with connection.transaction():
            if idle:
                await self._pass_markers(connection)
            await note_ends(connection, self.source.ends)
            await say_status(connection, STAGE, self.readiness.waits(), sum(lags.values()))

    async def _pass_markers(self, connection: Connection) -> None:
        """Move stored offsets past transactions' markers, so that a log that expires behind its last record is no hole."""
        positions = await self.source.positions()
        moved = {tp: Reached(position, None) for tp, position in positions.items() if position > self._offsets[tp]}
        if moved:
            await advance_offsets(connection, self._offsets, moved, self.source.ends)
            self._offsets.update({tp: point.next_offset for tp, point in moved.items()})

    def _lags(self) -> dict[TopicPartition, int]:
        return {tp: max(0, self.source.ends.get(tp, 0) - offset) for tp, offset in self._offsets.items()}

    def _waits_for_lag(self) -> str | None:
        lag, limit = sum(self._lags().values()), self.settings.materialise_lag_limit_messages
        return None if lag <= limit else f"{lag:,} records wait, more than {limit:,}"

    async def _may_work(self, connection: Connection) -> bool:
        name = self.settings.database_schema
        return await await_schema(connection, name, self.stop, self._wait_for) and await await_turn(
            connection, WRITER_LOCK, name, self.stop, self._wait_for, who="another materialiser", does="writes"
        )

    def _wait_for(self, what: str) -> None:
        self._note_back()
        self._waits = what

    def _note_away(self, error: BaseException) -> None:
        self._waits = f"the database does not answer: {type(error).__name__}"
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("database_unreachable", error=f"{type(error).__name__}: {error}", then="waiting until it answers")

    def _note_back(self) -> None:
        self._waits = None
        if self._away_since is not None:
            log.info("database_answers", after_s=round(time.monotonic() - self._away_since, 1))
            self._away_since = None

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Future[Any] = asyncio.ensure_future(work)
        stopping: asyncio.Future[Any] = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if task.done():
            task.result()
            return
        await end_tasks([task])


def follow(batch: Iterable[Handled]) -> dict[str, traces.Span]:
    """Begin a span for each traced span that led to records of the batch; what one step told of in several topics is one step here."""
    spans: dict[str, traces.Span] = {}
    for handled in batch:
        parent = traces.parent_of(handled.record.headers)
        if parent is not None and parent not in spans:
            span = traces.follow(STAGE, handled.record)
            if span is not None:
                spans[parent] = span
    return spans


def traced(batch: Iterable[Handled], spans: Mapping[str, traces.Span]) -> dict[UUID, list[str]]:
    """Give the traceparents of each story's records, oldest first, for what is made of the story next: it follows from all of them."""
    found: dict[UUID, list[str]] = defaultdict(list)
    for handled in batch if spans else ():
        if isinstance(handled.outcome, Change) and handled.record.topic == STORIES.name:
            parent = traces.parent_of(handled.record.headers)
            if parent is not None and parent in spans:
                found[handled.outcome.record_key].append(spans[parent].traceparent)
    return found


async def run(settings: MaterialiseSettings, stop: asyncio.Event) -> None:
    """Keep the rows until `stop` is set; returns when the batch in flight is written. Raises `SourceExpired`."""
    readiness = health.Readiness()
    server = await health.serve(readiness, settings)
    retaining = asyncio.ensure_future(retain_again_and_again(settings))
    try:
        await Materialiser(settings, readiness, stop).run()
    finally:
        await end_tasks([retaining])
        if server is not None:
            await server.cleanup()
