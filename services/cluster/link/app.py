"""The wiring of link: reads stories and their articles' features from the start, and every few seconds sends what it finds.

It owns no partition and commits no offset: `stories.v1` is compacted, features of the last days are in `story_inputs.v1`, and the
links that there are stand in the stories. Findings are sent at least once; assign passes over one that is so already.
"""

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from services.cluster.link.config import LinkSettings
from services.cluster.link.follow import Following
from shared import health, metrics
from shared.contracts import Story, StoryInput
from shared.errors import InvalidMessage, SourceExpired
from shared.kafka.client import client_options, start_client
from shared.kafka.decision import Decision
from shared.kafka.encode import encode
from shared.kafka.patience import LOOK_MS, Patience
from shared.logs import get_logger
from shared.tasks import end_tasks
from shared.topics import MAX_MESSAGE_BYTES, STORIES, STORY_INPUTS

log = get_logger()

STAGE = "link"
READ_RECORDS = 2_000
FETCH_WAIT_MS = 500
BROKER_S = 4.0
"""A broker that takes longer to say where its topics end counts as away."""


class LinkWorker:
    """One process that links stories; a second one would find the same."""

    def __init__(self, settings: LinkSettings, readiness: health.Readiness) -> None:
        """Wire; `run` connects."""
        self._settings = settings
        self._following = Following(settings)
        self._consumer: Any = None
        self._patience = Patience(FETCH_WAIT_MS)
        self._producer: Any = None
        self._tps = [TopicPartition(topic.name, number) for topic in (STORY_INPUTS, STORIES) for number in range(topic.partitions)]
        self._starting = True
        self._away_since: float | None = None
        readiness.add("start", lambda: "reads stories and articles from the start" if self._starting else None)
        readiness.add("broker", self._waits_for_broker)

    async def run(self) -> None:
        """Read and send until cancelled. Raises what must end the process."""
        watching: list[asyncio.Future[None]] = []
        try:
            self._producer = await start_client(self._make_producer)
            self._consumer = await start_client(self._make_consumer)
            await self._read_history()
            watching.append(asyncio.ensure_future(self._watch()))
            while not any(task.done() for task in watching):
                await self._round()
                await self._read_for(self._settings.link_interval_s)
            await asyncio.gather(*watching)
        finally:
            await end_tasks(watching)
            for client in (self._consumer, self._producer):
                if client is not None:
                    with contextlib.suppress(KafkaError, TimeoutError, OSError):
                        await asyncio.wait_for(client.stop(), timeout=5)

    def _make_producer(self) -> Any:
        return AIOKafkaProducer(**client_options(self._settings), enable_idempotence=True, max_request_size=MAX_MESSAGE_BYTES, linger_ms=5)

    def _make_consumer(self) -> Any:
        return AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            consumer_timeout_ms=LOOK_MS,
            max_partition_fetch_bytes=2 * MAX_MESSAGE_BYTES,
        )

    # Reading

    async def _read_history(self) -> None:
        """Read what there is up to the ends that the topics have now: features first, then the stories that they belong to."""
        started = time.monotonic()
        self._consumer.assign(self._tps)
        ends = await self._consumer.end_offsets(self._tps)
        begins = await self._consumer.beginning_offsets(self._tps)
        since = datetime.now(UTC) - timedelta(hours=self._settings.link_history_h)
        inputs = [tp for tp in self._tps if tp.topic == STORY_INPUTS.name]
        found = await self._consumer.offsets_for_times({tp: int(since.timestamp() * 1_000) for tp in inputs})
        for tp in self._tps:
            since_then = found.get(tp) if tp in found else None
            late = ends[tp] if tp in found else begins[tp]
            self._consumer.seek(tp, late if since_then is None else since_then.offset)
        stories = [tp for tp in self._tps if tp.topic == STORIES.name]
        self._consumer.pause(*stories)
        await self._read_to(inputs, ends)
        self._consumer.resume(*stories)
        await self._read_to(stories, ends)
        self._starting = False
        log.info("link_started", open_stories=self._following.open_stories, seconds=round(time.monotonic() - started, 2))

    async def _read_to(self, tps: list[TopicPartition], ends: dict[TopicPartition, int]) -> None:
        while any([await self._consumer.position(tp) < ends[tp] for tp in tps]):
            await self._read(200)

    async def _read_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            await self._read(int(left * 1_000) + 1)

    async def _read(self, timeout_ms: int) -> None:
        try:
            batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=READ_RECORDS)
        except OffsetOutOfRangeError as error:
            raise SourceExpired(f"{STAGE} fell behind what its topics keep: {error}. It begins anew at its next start") from error
        self._patience.note(self._consumer, records=bool(batches))
        for records in batches.values():
            for record in records:
                self._take(record)
            metrics.INPUTS.labels(STAGE).inc(len(records))
            await asyncio.sleep(0)

    def _take(self, record: Any) -> None:
        """Take a record; one that can't be read is assign's to complain of, and tells nothing about links."""
        if record.value is None:
            return
        try:
            if record.topic == STORIES.name:
                self._following.take_story(Story.from_bytes(record.value), record.partition)
            else:
                self._following.take_input(StoryInput.from_bytes(record.value))
        except InvalidMessage as error:
            log.debug("record_passed_over", stage=STAGE, topic=record.topic, offset=record.offset, error=str(error)[:200])

    # Finding

    async def _round(self) -> None:
        """Look at what has changed and send what follows; what the broker doesn't take now is found again later."""
        now = datetime.now(UTC)
        findings = await asyncio.to_thread(self._following.decide, now)
        outputs = self._following.ask(findings, now)
        try:
            sent = [
                await self._producer.send(one.topic, key=one.key, value=one.value, partition=one.partition)
                for one in encode(Decision(outputs=tuple(outputs)))
            ]
            for future in sent:
                await future
        except KafkaError as error:
            log.warning("findings_not_sent", error=f"{type(error).__name__}: {error}", then="they are found again")
            return
        metrics.OUTPUTS.labels(STAGE, STORY_INPUTS.name).inc(len(outputs))
        for finding in findings:
            log.info(
                "story_linked" if finding.linked else "story_unlinked",
                story_id=str(finding.story_id),
                other_story_id=str(finding.other_story_id),
                other_language=finding.other_language,
                other_count=finding.other_count,
                log_odds=None if finding.score is None else round(finding.score, 2),
            )

    # Readiness

    async def _watch(self) -> None:
        """Measure the lag every few seconds, which also shows whether the broker answers."""
        while True:
            try:
                async with asyncio.timeout(BROKER_S):
                    ends = await self._consumer.end_offsets(self._tps)
                    lag = sum([max(0, end - await self._consumer.position(tp)) for tp, end in ends.items()])
                    total = sum(ends.values())
            except (KafkaError, TimeoutError, OSError) as error:
                if self._away_since is None:
                    self._away_since = time.monotonic()
                    log.warning("broker_unreachable", error=f"{type(error).__name__}: {error}", then="waiting until it answers")
            else:
                if self._away_since is not None:
                    log.info("broker_answers", after_s=round(time.monotonic() - self._away_since, 1))
                    self._away_since = None
                metrics.note_lag(STAGE, "all", total - lag, total, time.time())
                metrics.LAG.labels(STAGE, "all").set(lag + self._following.waiting)
            await asyncio.sleep(2)

    def _waits_for_broker(self) -> str | None:
        return None if self._away_since is None else f"the broker has not answered for {time.monotonic() - self._away_since:.0f} s"


async def run(settings: LinkSettings, stop: asyncio.Event) -> None:
    """Link until `stop` is set. Raises what must end the process."""
    readiness = health.Readiness()
    runner = await health.serve(readiness, settings)
    work = asyncio.ensure_future(LinkWorker(settings, readiness).run())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        await end_tasks([work, stopping])
        if runner is not None:
            await runner.cleanup()
