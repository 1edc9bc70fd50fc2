"""The brief worker's wiring and loop: take stories whose rows changed, compose, produce, take them off the queue."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from services.publish.brief import queue
from services.publish.brief.composer import Composer
from services.publish.brief.due import Facts, Need, decide, fingerprint
from services.publish.brief.model import ModelSettings
from services.publish.brief.queue import Claim
from services.publish.brief.reword import Reworder, Wanted
from services.publish.config import BriefSettings
from services.publish.connect import Connection, connect, is_away
from services.publish.materialise.write import BRIEFS_CHANNEL
from services.publish.status import say_status
from services.publish.turn import RETRY_S, await_schema, pause
from shared import health, metrics, traces
from shared.contracts import Brief
from shared.errors import Refused
from shared.kafka.client import client_options, start_client
from shared.kafka.dead_letters import dead_letter, reason_of
from shared.kafka.decision import Output, SourceRecord
from shared.logs import get_logger
from shared.tasks import end_tasks
from shared.topics import DEAD_LETTER_BYTES, STORIES, STORY_BRIEFS, key_partition

log = get_logger()

STAGE: Final = "brief"
POLL_S: Final = 1.0
"""How long an idle worker sleeps unless it is signalled: for stories that were put off, and for signals that were lost."""
CONTESTED_S: Final = 0.05
"""How long to leave a story to the worker that has it in hand."""
ANSWER_S: Final = 20.0
"""A produced record that is not acknowledged by then is given up; the story stays on the queue."""
METADATA_S: Final = 4.0
"""A broker that takes longer to name its topics counts as away."""
LATE_S: Final = 60.0
"""Readiness is false while a story has waited longer."""

BRIEFS = metrics.counter("slugline_briefs_total", "Briefs made", "made_by")


class BriefWorker:
    """One process' part in making briefs: as many loops as it has composing processes."""

    def __init__(self, settings: BriefSettings, readiness: health.Readiness, stop: asyncio.Event) -> None:
        """Wire; `run` connects."""
        self.settings = settings
        self.readiness = readiness
        self.stop = stop
        self.due = asyncio.Event()
        self._producer: Any = None
        self._waits: dict[str, str] = {"broker": "has not connected yet", "database": "has not connected yet"}
        self._waiting = (0, 0.0)
        self._broker_away_since: float | None = None
        self._producing = 0
        self._connections_away = 0
        self._away_since = 0.0
        model = _model_settings(settings)
        self._reworder = None if model is None else Reworder(model, stop, self._publish, STAGE)
        for part in self._waits:
            readiness.add(part, lambda part=part: self._waits.get(part))  # type: ignore[misc]
        readiness.add("queue", self._waits_for_queue)

    async def run(self) -> None:
        """Work until `stop` is set."""
        starting = asyncio.ensure_future(start_client(self._make_producer))
        stopping = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            await end_tasks([starting])
            return
        self._producer = starting.result()
        self._waits.pop("broker", None)
        loops = [asyncio.ensure_future(self._lane()) for _ in range(self.settings.brief_processes)]
        loops.append(asyncio.ensure_future(self._connected(self._tend)))
        loops.append(asyncio.ensure_future(self._watch_broker()))
        if self._reworder is not None:
            loops.append(asyncio.ensure_future(self._connected(self._reworder.work)))
        try:
            await asyncio.wait([*loops, stopping], return_when=asyncio.FIRST_COMPLETED)
            self.due.set()
            if self._reworder is not None:
                self._reworder.leave()
            if self.stop.is_set():
                await asyncio.wait(loops)
            for loop in loops:
                if loop.done():
                    loop.result()
        finally:
            await end_tasks([*loops, stopping])
            with contextlib.suppress(KafkaError, TimeoutError, OSError):
                await asyncio.wait_for(self._producer.stop(), timeout=5)

    def _make_producer(self) -> Any:
        return AIOKafkaProducer(**client_options(self.settings), enable_idempotence=True, max_request_size=DEAD_LETTER_BYTES)

    # Connections

    async def _watch_broker(self) -> None:
        """Ask the broker for its topics again and again, so that one that is away is noticed before there is a brief to produce."""
        while not self.stop.is_set():
            try:
                answers = await asyncio.wait_for(self._producer.client.force_metadata_update(), timeout=METADATA_S)
            except (KafkaError, TimeoutError, OSError):
                answers = False
            if not answers:
                self._note_broker("the broker does not answer")
            elif not self._producing:  # else it is the record on its way that tells
                self._note_broker(None)
            await pause(self.stop, self.settings.status_interval_s)

    def _note_broker(self, waits: str | None) -> None:
        """Note what producing waits for; None: nothing. A change is told."""
        if waits is None:
            self._waits.pop("broker", None)
            if self._broker_away_since is not None:
                log.info("broker_answers", after_s=round(time.monotonic() - self._broker_away_since, 1))
                self._broker_away_since = None
            return
        self._waits["broker"] = waits
        if self._broker_away_since is None:
            self._broker_away_since = time.monotonic()
            log.warning("broker_unreachable", error=waits, then="waiting until it answers")

    async def _connected(self, work: Any) -> None:
        """Run work on a connection of its own, with a new one when the database was away."""
        away = False
        while not self.stop.is_set():
            try:
                connection = await connect(self.settings, STAGE)
                try:
                    if await await_schema(connection, self.settings.database_schema, self.stop, self._wait_for_schema):
                        self._note_back(was_away=away)
                        away = False
                        await work(connection)
                finally:
                    with contextlib.suppress(Exception):
                        await asyncio.wait_for(connection.close(), timeout=2)
                    connection.terminate()
            except KafkaError as error:
                self._note_broker(f"a brief could not be produced: {type(error).__name__}: {error}")
                await pause(self.stop, RETRY_S)
            except Exception as error:
                if not is_away(error):
                    raise
                self._note_away(error, was_away=away)
                away = True
                await pause(self.stop, RETRY_S)

    def _note_away(self, error: Exception, *, was_away: bool) -> None:
        """Note that a connection is lost; the first one is told."""
        self._waits["database"] = f"the database does not answer: {type(error).__name__}"
        if not was_away:
            self._connections_away += 1
            if self._connections_away == 1:
                self._away_since = time.monotonic()
                log.warning("database_unreachable", error=f"{type(error).__name__}: {error}", then="waiting until it answers")

    def _note_back(self, *, was_away: bool) -> None:
        """Note that a connection is there; the last one that was lost is told."""
        if was_away:
            self._connections_away -= 1
            if not self._connections_away:
                log.info("database_answers", after_s=round(time.monotonic() - self._away_since, 1))
        if not self._connections_away:
            self._waits.pop("database", None)

    def _wait_for_schema(self, what: str) -> None:
        self._waits["database"] = what

    async def _tend(self, connection: Connection) -> None:
        """Listen for signals, sweep now and then, and say how things are."""
        await connection.add_listener(BRIEFS_CHANNEL, lambda *_: self.due.set())
        swept_at = 0.0
        while not self.stop.is_set():
            if time.monotonic() - swept_at > self.settings.brief_sweep_interval_s and await queue.rows_current(connection):
                swept_at = time.monotonic()
                if found := await queue.sweep(connection):
                    log.info("briefs_swept", stories=found)
                    self.due.set()
            self._waiting = await queue.waiting(connection)
            metrics.LAG.labels(STAGE, "queue").set(self._waiting[0])
            metrics.LAG_SECONDS.labels(STAGE, "queue").set(self._waiting[1])
            await say_status(connection, STAGE, self.readiness.waits(), self._waiting[0])
            await pause(self.stop, self.settings.status_interval_s)

    # Stories

    async def _lane(self) -> None:
        composer = Composer(self.settings.brief_timeout_s)
        await composer.start()
        try:
            await self._connected(lambda connection: self._work(connection, composer))
        finally:
            await composer.stop()

    async def _work(self, connection: Connection, composer: Composer) -> None:
        while not self.stop.is_set():
            self.due.clear()
            if idle_s := await self._batch(connection, composer):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.due.wait(), timeout=idle_s)

    async def _batch(self, connection: Connection, composer: Composer) -> float:
        """Handle some stories, and give for how many seconds there may be none to take."""
        published: list[Wanted] = []
        async with connection.transaction():
            claims = await queue.claim(connection, self.settings.brief_batch_stories)
            if not claims:
                return POLL_S if claims is None else CONTESTED_S
            current = await queue.rows_current(connection)
            known = await queue.facts(connection, claims)
            for claimed in claims:
                done = await self._story(connection, composer, claimed, known[claimed.story_id], rows_current=current)
                published += [done] if done else []
        if self._reworder is not None:
            # Not before: what a brief was made from is for others to see from now on.
            for wanted in published:
                self._reworder.want(wanted)
        return 0.0

    async def _story(
        self, connection: Connection, composer: Composer, claimed: Claim, facts: Facts, *, rows_current: bool
    ) -> Wanted | None:
        """Do what a story needs; gives the brief that was published, if one was."""
        text_wait = self.settings.brief_text_wait_s
        need = decide(facts, now=datetime.now(UTC), text_wait=timedelta(seconds=text_wait), rows_current=rows_current)
        if need is Need.WAIT:
            # Each record that is waited for puts the story on the queue again when it comes.
            await queue.put_off(connection, claimed, text_wait)
            return None
        metrics.INPUTS.labels(STAGE).inc()
        wanted: Wanted | None = None
        parent, *others = claimed.traceparents or (None,)
        with traces.current(None if parent is None else traces.begin(STAGE, parent, links=others)):
            if need is Need.COMPOSE:
                wanted = await self._compose(connection, composer, facts)
            elif need is Need.REMOVE:
                await self._produce([Output(STORY_BRIEFS, str(claimed.story_id), None)])
        await queue.settle(connection, claimed)
        return wanted

    async def _compose(self, connection: Connection, composer: Composer, facts: Facts) -> Wanted | None:
        story = facts.story
        assert story is not None
        try:
            brief = await composer.compose(story, facts.sources)
        except Refused as error:
            await self._refuse(connection, facts, error)
            return None
        if brief != facts.brief:
            await self._publish(brief)
            if facts.brief is None or facts.brief.story_revision < story.revision:
                metrics.LATENCY.labels(STAGE).observe(max(0.0, time.time() - facts.place[2].timestamp()))
        await queue.note_made(connection, story.story_id, fingerprint(facts))
        return None if brief == facts.brief else Wanted(story, brief, facts.sources, fingerprint(facts))

    async def _publish(self, brief: Brief) -> None:
        await self._produce([Output(STORY_BRIEFS, str(brief.story_id), brief)])
        BRIEFS.labels(brief.made_by).inc()

    async def _refuse(self, connection: Connection, facts: Facts, error: Refused) -> None:
        story = facts.story
        assert story is not None
        partition, offset, appended_at = facts.place
        record = SourceRecord(STORIES.name, partition, offset, str(story.story_id).encode(), None, int(appended_at.timestamp() * 1000))
        await self._produce([dead_letter(STAGE, record, error)])
        await queue.note_failed(connection, story.story_id, story.revision, error.reason, str(error))
        metrics.DEAD_LETTERS.labels(STAGE, reason_of(error)).inc()
        log.warning("brief_refused", story_id=str(story.story_id), revision=story.revision, reason=error.reason, error=str(error)[:500])

    async def _produce(self, outputs: Sequence[Output]) -> None:
        self._producing += 1
        span = traces.here()
        try:
            sends = [
                await self._producer.send(
                    output.topic.name,
                    key=output.key.encode(),
                    value=None if output.value is None else output.value.to_bytes(),
                    partition=key_partition(output.key, output.topic),
                    headers=[] if span is None else list(span.headers),
                )
                for output in outputs
            ]
            await asyncio.wait_for(asyncio.gather(*sends), timeout=ANSWER_S)
        except TimeoutError as error:
            raise KafkaTimeoutError(f"no acknowledgement within {ANSWER_S:g} s") from error
        finally:
            self._producing -= 1
        self._note_broker(None)
        for output in outputs:
            metrics.OUTPUTS.labels(STAGE, output.topic.name).inc()

    # Besides

    def _waits_for_queue(self) -> str | None:
        rows, oldest_s = self._waiting
        return None if oldest_s <= LATE_S else f"{rows:,} changes wait for briefs, the first for {oldest_s:.0f} s"


def _model_settings(settings: BriefSettings) -> ModelSettings | None:
    if not settings.brief_model_url:
        return None
    return ModelSettings(
        url=settings.brief_model_url,
        model=settings.brief_model_name,
        key=settings.brief_model_key.get_secret_value() or None,
        timeout_s=settings.brief_model_timeout_s,
        budget_per_hour=settings.brief_model_budget_per_hour,
    )


async def run(settings: BriefSettings, stop: asyncio.Event) -> None:
    """Make briefs until `stop` is set; returns when the stories in hand are done."""
    readiness = health.Readiness()
    server = await health.serve(readiness, settings)
    try:
        await BriefWorker(settings, readiness, stop).run()
    finally:
        if server is not None:
            await server.cleanup()
