"""One article's way is one trace, from the poll that found it to its story's brief in the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer, TopicPartition
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from deploy.local.ports import LOOPBACK, free_ports
from services.ingest import registry
from shared.settings import Settings
from shared.topics import ARTICLES
from tests.system.recorded import FETCHING, identity, recorded_web
from tests.system.stack import Stack, running
from tests.topics import until

pytestmark = pytest.mark.stack

STAGES = ("poll", "fetch", "enrich", "assign", "materialise", "brief")
WAY = ("poll", "fetch", "fetch page", "enrich", "assign", "materialise", "brief", "materialise")
"""The spans of an article's trace, each within the one before."""


@dataclass
class Told:
    """A span as it came by OTLP."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: set[str]
    """Spans that it names."""


@dataclass
class Receiver:
    """A collector that keeps what it gets."""

    url: str
    spans: list[Told] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for resource in sent.resource_spans:
            [service] = [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
            for scope in resource.scope_spans:
                self.spans += [
                    Told(
                        service,
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        {link.span_id.hex() for link in span.links},
                    )
                    for span in scope.spans
                ]
        return web.Response(body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf")

    def trace(self, trace_id: str) -> dict[str, Told]:
        """Give a trace's spans by their ids."""
        return {span.span_id: span for span in self.spans if span.trace_id == trace_id}


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Serve OTLP over HTTP."""
    [port] = free_ports(1)
    collector = Receiver(f"http://{LOOPBACK}:{port}")
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.add_routes([web.post("/v1/traces", collector.take)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
        yield collector
    finally:
        await runner.cleanup()


async def test_one_article_is_one_trace_from_poll_to_brief(stack: Stack, tmp_path: Path) -> None:
    """Each article of a feed has a trace of its own, which holds every stage, each span within one that led to it."""
    async with receiver() as collector, recorded_web(stack.broker, tmp_path) as outlets:
        stack = Stack(stack.broker, stack.database_url, tmp_path, names=STAGES)
        stack.configure(**FETCHING, trace_endpoint=collector.url)
        outlets.clock.position_s = 200
        url, articles = max(outlets.truth["feeds"].items(), key=lambda item: len(item[1]))
        wanted = {identity(article) for article in articles}
        feed = registry.new_feed(url, now=datetime.now(UTC))
        await registry.register(Settings(kafka_bootstrap_servers=stack.broker), [feed])
        async with running(stack):
            await stack.until_settled(wanted)
            traced = await trace_ids(stack.broker)
            assert wanted <= set(traced)
            assert len({traced[article] for article in wanted}) == len(wanted), "a trace is an article's, not a feed's"

            async def all_told() -> bool:
                return all(is_whole(collector, traced[article]) and ways_to_brief(collector, traced[article]) for article in wanted)

            await until(all_told, "all stages' spans")
            for article in wanted:
                check_trace(collector, traced[article])
            assert any(WAY in ways(collector, traced[article]) for article in wanted), "a brief's own row ends the trace"
        polls = {span.span_id for span in collector.spans if span.name == "poll feed"}
        assert all(span.links & polls for span in collector.spans if span.name == "poll"), "what was found names the poll that found it"
        batches = {span.name for span in collector.spans if span.name.endswith(("transaction", "batch"))}
        assert batches >= {"fetch transaction", "enrich batch", "assign transaction", "materialise transaction"}


def check_trace(collector: Receiver, trace_id: str) -> None:
    """Compare a trace with an article's way: it begins with the poll and holds every stage."""
    spans = collector.trace(trace_id)
    assert [span.name for span in spans.values() if not span.parent_id] == ["poll"]
    assert {span.service for span in spans.values()} >= {f"slugline-{stage}" for stage in STAGES[:-1]}
    assert {span.name for span in spans.values()} >= {*WAY[:6], "extract"}


def is_whole(collector: Receiver, trace_id: str) -> bool:
    """Say whether each span lies in another that was told, too."""
    spans = collector.trace(trace_id)
    return {span.parent_id for span in spans.values() if span.parent_id} <= set(spans)


def ways(collector: Receiver, trace_id: str) -> list[tuple[str, ...]]:
    """Give the names of the spans from the trace's first to each of its spans."""
    spans = collector.trace(trace_id)
    found = []
    for span in spans.values():
        way: list[str] = []
        at: Told | None = span
        while at is not None:
            way.insert(0, at.name)
            at = spans.get(at.parent_id)
        found.append(tuple(way))
    return found


def ways_to_brief(collector: Receiver, trace_id: str) -> list[Told]:
    """Give the briefs that the article led to: within its trace, or made of several articles and naming this one's row."""
    rows = {span.span_id for span in collector.trace(trace_id).values() if span.name == "materialise"}
    return [span for span in collector.spans if span.name == "brief" and ({span.parent_id} | span.links) & rows]


async def trace_ids(broker: str) -> dict[UUID, str]:
    """Give the trace that each article's newest record carries."""
    found: dict[UUID, str] = {}
    async with AIOKafkaConsumer(bootstrap_servers=broker, group_id=None, isolation_level="read_committed") as consumer:
        tps = [TopicPartition(ARTICLES.name, number) for number in range(ARTICLES.partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    found[UUID(record.key.decode())] = dict(record.headers)["traceparent"].decode().split("-")[1]
    return found
