"""The wiring of enrich: a Faust app that reads articles in small batches and sends story inputs.

Faust was measured to lose and skip events in some set-ups (see `docs/decisions/0002-faust-for-enrich-alone.md`); this app
uses the one that lost none: no tables, no leader topic, no web, one agent task, flow stopped when a rebalance completes,
and every exception caught, since one that leaves an agent acknowledges its event. Faust reads uncommitted records unless
told otherwise, and `articles.v1` is written by transactions, so its consumer is given `read_committed` here.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from tempfile import gettempdir
from threading import Lock
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as faust_driver
from pydantic import Field

from services.cluster.enrich.features import FeatureMaker
from services.cluster.enrich.transform import needs_features, to_story_input
from shared import health, metrics, traces
from shared.contracts import Article
from shared.errors import InvalidMessage, OwnerError, Refused
from shared.kafka.client import client_options
from shared.kafka.dead_letters import dead_letter, reason_of
from shared.kafka.decision import Decision, Output, SourceRecord
from shared.kafka.encode import Encoded, encode
from shared.kafka.group_offsets import GroupWatch, begin_group
from shared.logs import get_logger
from shared.settings import Settings
from shared.tasks import end_tasks
from shared.topics import ARTICLES, DEAD_LETTER_BYTES, STORY_INPUTS, language_partition

log = get_logger()

STAGE = "enrich"
GROUP = f"slugline-{STAGE}"


class EnrichSettings(Settings):
    """What enrich may be told."""

    batch_records: int = Field(default=32, ge=1, le=1_000, description="articles encoded together at most")
    batch_wait_s: float = Field(default=0.01, ge=0, le=1, description="how long a batch waits to fill, from its first article")
    session_timeout_s: float = Field(
        default=10, ge=6, description="a worker that is silent for so long loses its partitions; in error, that costs an article read twice"
    )
    retry_s: float = Field(default=1.0, gt=0, description="pause before a send that the broker did not take is tried again")
    lag_limit_messages: int = Field(default=10_000, ge=0, description="readiness is false while more inputs than this wait")


class _CommittedConsumerThread(faust_driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - Faust has no setting for it outside its own transactions
        return consumer


class _CommittedConsumer(faust_driver.Consumer):
    def _new_consumer_thread(self) -> Any:
        return _CommittedConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _CommittedTransport(faust_driver.Transport):
    Consumer = _CommittedConsumer


class _NoTables(TableManager):
    async def on_start(self) -> None:
        """Begin at once: Faust's own waits a second for tables, of which this app has none."""
        await self._update_channels()
        await self.recovery.start()


def make_app(
    settings: EnrichSettings, enrich: Callable[[Sequence[SourceRecord]], Sequence[Decision]], fail: Callable[[BaseException], None]
) -> Any:
    """Make the Faust app around `enrich`. Nothing connects before it starts; `fail` gets what must end the process."""
    url = f"kafka://{settings.kafka_bootstrap_servers.replace(',', ';kafka://')}"
    app = faust.App(
        GROUP,
        broker=url,
        broker_credentials=_credentials(settings),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="none",
        broker_commit_interval=1.0,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=min(3.0, settings.session_timeout_s / 3),
        broker_max_poll_records=settings.batch_records * 4,
        stream_wait_empty=False,
        producer_acks=-1,
        producer_linger=0,
        producer_max_request_size=DEAD_LETTER_BYTES,
        loghandlers=[],
        datadir=str(Path(gettempdir()) / GROUP),  # it keeps nothing there, but makes the folder
        reply_create_topic=False,
        TableManager=_NoTables,
    )
    app.transport = _CommittedTransport(app.conf.broker_consumer, app, app.loop)
    source = app.topic(ARTICLES.name, value_serializer="raw", key_serializer="raw")

    @app.on_rebalance_complete.connect
    async def quiesce(*_: Any, **__: Any) -> None:
        app.consumer.stop_flow()
        app.flow_control.suspend()
        consumer: Any = app.consumer
        await consumer.wait_for_stopped_flow()

    @app.agent(source, name=f"{STAGE}-articles")
    async def articles(stream: Any) -> None:
        async for events in _batches(stream, settings):
            try:
                records = [_record(event.message) for event in events]
                spans = [traces.follow(STAGE, record) for record in records]
                with traces.together(f"{STAGE} batch", [span for span in spans if span is not None]):
                    decisions = await asyncio.to_thread(enrich, records)
                    await _send_all(app, _encoded(decisions, spans), settings.retry_s)
                _measure(records, decisions)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever it is, the events must not be acknowledged
                fail(error)
                await asyncio.Event().wait()  # leaving would acknowledge the events; the process ends instead

    return app


def _credentials(settings: EnrichSettings) -> Any:
    """Give Faust what all other clients of ours are given; None for a broker that wants neither TLS nor a user."""
    options = client_options(settings)
    if settings.kafka_uses_sasl:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=options.get("ssl_context"),
        )
    return faust.SSLCredentials(options["ssl_context"]) if settings.kafka_uses_tls else None


def _encoded(decisions: Sequence[Decision], spans: Sequence[traces.Span | None]) -> list[Encoded]:
    return [out for decision, span in zip(decisions, spans, strict=True) for out in encode(decision, () if span is None else span.headers)]


async def _batches(stream: Any, settings: EnrichSettings) -> AsyncIterator[Sequence[Any]]:
    """Give events in batches, each acknowledged when the next is asked for, and never if it is not.

    Faust's own `take_events` looks every `batch_wait_s` whether something has come, all day long; this one is woken.
    """
    batch: list[Any] = []
    begun, full, taking = asyncio.Event(), asyncio.Event(), asyncio.Event()
    taking.set()

    async def keep(value: Any) -> Any:
        await taking.wait()
        batch.append(stream.current_event)
        begun.set()
        if len(batch) >= settings.batch_records:
            taking.clear()
            full.set()
        return value

    stream.enable_acks = False
    stream.add_processor(keep)
    stream._enable_passive(aiter(stream.channel))  # noqa: SLF001 - as `take_events` does: the stream feeds `keep` beside this
    while not await stream.wait_for_stopped(begun):
        await stream.wait_for_stopped(full, timeout=settings.batch_wait_s)
        taking.clear()
        events = tuple(batch)
        yield events
        for event in events:
            await stream.ack(event)
        batch.clear()
        for signal in (begun, full):
            signal.clear()
        taking.set()


async def _send_all(app: Any, outputs: Sequence[Encoded], retry_s: float) -> None:
    waiting = list(outputs)
    told = False
    while waiting:
        sent = [await app.producer.send(out.topic, out.key, out.value, out.partition, None, list(out.headers)) for out in waiting]
        results = await asyncio.gather(*sent, return_exceptions=True)
        failed = [(out, result) for out, result in zip(waiting, results, strict=True) if isinstance(result, BaseException)]
        for _, error in failed:
            if not isinstance(error, KafkaError) or not error.retriable:
                raise error
        waiting = [out for out, _ in failed]
        if waiting:
            if not told:
                log.warning("broker_does_not_take_records", records=len(waiting), error=str(failed[0][1]), then="trying again")
                told = True
            await asyncio.sleep(retry_s)


def _record(message: Any) -> SourceRecord:
    headers = message.headers.items() if isinstance(message.headers, dict) else message.headers or ()
    return SourceRecord(
        message.topic, message.partition, message.offset, message.key, message.value, int((message.timestamp or 0) * 1000), tuple(headers)
    )


def _measure(records: Sequence[SourceRecord], decisions: Sequence[Decision]) -> None:
    now = time.time()
    metrics.INPUTS.labels(STAGE).inc(len(records))
    for record in records:
        metrics.LATENCY.labels(STAGE).observe(max(0.0, now - record.timestamp_ms / 1000))
        metrics.LAST_INPUT.labels(STAGE, str(record.partition)).set(record.timestamp_ms / 1000)
        metrics.COMMITTED.labels(STAGE, str(record.partition)).set(now)
    for decision in decisions:
        for output in decision.outputs:
            metrics.OUTPUTS.labels(STAGE, output.topic.name).inc()


class Enricher:
    """Turns article records into story inputs or dead letters."""

    def __init__(self, maker: FeatureMaker) -> None:
        """Take what makes features."""
        self._maker = maker
        self._one_at_a_time = Lock()

    def load(self) -> None:
        """Load the encoders. Records that come meanwhile wait for it."""
        with self._one_at_a_time:
            self._maker.load()

    def __call__(self, records: Sequence[SourceRecord]) -> list[Decision]:
        """Decide for each record, in order. Encodes all their texts together."""
        with self._one_at_a_time:
            return self._decide(records)

    def _decide(self, records: Sequence[SourceRecord]) -> list[Decision]:
        read: list[Article | Exception | None] = [_read(record) for record in records]
        wanted = [article for article in read if isinstance(article, Article) and needs_features(article)]
        features = dict(
            zip(
                (id(article) for article in wanted),
                self._maker.features_of([(article.title, article.text, article.language) for article in wanted]) if wanted else [],
                strict=True,
            )
        )
        decisions = []
        for record, article in zip(records, read, strict=True):
            if article is None:
                decisions.append(Decision())
                continue
            try:
                if isinstance(article, Exception):
                    raise article
                story_input = to_story_input(article, features.get(id(article)))
                decision = Decision(
                    outputs=(Output(STORY_INPUTS, str(article.article_id), story_input, language_partition(article.language)),)
                )
                encode(decision)
            except (InvalidMessage, Refused) as error:
                reason = reason_of(error)
                metrics.DEAD_LETTERS.labels(STAGE, reason).inc()
                log.warning(
                    "input_refused", stage=STAGE, partition=record.partition, offset=record.offset, reason=reason, error=str(error)[:500]
                )
                decision = Decision(outputs=(dead_letter(STAGE, record, error),))
            decisions.append(decision)
        return decisions


def _read(record: SourceRecord) -> Article | Exception | None:
    """Read an article; None for a tombstone (an erased article's StoryInput is a command of its own)."""
    if record.value is None:
        return None
    try:
        return Article.from_bytes(record.value)
    except InvalidMessage as error:
        return error


async def run(settings: EnrichSettings, stop: asyncio.Event) -> None:
    """Enrich until `stop` is set. Raises what must end the process."""
    readiness = health.Readiness()
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(error: BaseException) -> None:
        if not failed.done():
            failed.set_exception(error)

    def loaded(task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            state["encoder"] = not task.cancelled()
        else:
            fail(error)

    state = {"assigned": False, "encoder": False}
    readiness.add("encoder", lambda: None if state["encoder"] else "loads the sentence encoder")
    readiness.add("partitions", lambda: None if state["assigned"] else "waits for its partitions")
    watch = GroupWatch(settings, STAGE, GROUP, ARTICLES)
    readiness.add("broker", watch.waits_for_broker)
    readiness.add("lag", lambda: watch.waits_for_lag(settings.lag_limit_messages))
    runner = await health.serve(readiness, settings)
    try:
        enricher = Enricher(FeatureMaker())
        loading = asyncio.create_task(asyncio.to_thread(enricher.load))
        loading.add_done_callback(loaded)  # the group is joined meanwhile
        await begin_group(settings, GROUP, ARTICLES)
        app = make_app(settings, enricher, fail)

        @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
        async def assigned(*_: Any, **__: Any) -> None:
            state["assigned"] = True

        @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
        async def revoked(*_: Any, **__: Any) -> None:
            state["assigned"] = False

        app.finalize()
        await app.start()
        try:
            watching: list[asyncio.Future[Any]] = [
                asyncio.ensure_future(stop.wait()),
                asyncio.ensure_future(app._crashed.wait()),  # noqa: SLF001
                asyncio.ensure_future(watch.run()),
            ]
            await asyncio.wait([*watching, failed], return_when=asyncio.FIRST_COMPLETED)
            await end_tasks(watching)
            if failed.done():
                failed.result()
            if app.crash_reason is not None:
                raise OwnerError(f"the Faust app crashed: {type(app.crash_reason).__name__}: {app.crash_reason}") from app.crash_reason
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(app.stop(), timeout=8)
    finally:
        failed.cancel()
        if runner is not None:
            await runner.cleanup()
