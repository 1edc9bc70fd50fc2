"""Traces that follow one article through the topics, from stage to stage by its records' `traceparent` headers (W3C Trace Context).

Off unless `SLUGLINE_TRACE_ENDPOINT` is set; then nothing here imports OpenTelemetry, and each call gives None at once. Spans go to
a collector by OTLP over HTTP, from a thread of their own; what it does not take in time is dropped, and no stage waits for it.
Headers are no part of what is decided or compared: the same inputs give the same events, traced or not.
"""

import os
import re
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from shared.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Link, SpanContext, Tracer

HEADER: Final = "traceparent"
Headers = tuple[tuple[str, bytes], ...]
"""Headers of a Kafka record."""
_WRITTEN: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)")
_SAMPLED: Final = 1
QUEUED_SPANS: Final = 8_192
"""Spans that wait for the collector at most, some 10 MB; more are dropped."""
SEND_EVERY_S: Final = 2.0
ANSWER_S: Final = 5.0
"""How long the collector may take to answer."""
FLUSH_S: Final = 2.0
"""How long a service that stops waits for its last spans to be taken."""
LINKS: Final = 128
"""Spans that one batch names at most."""

_tracer: "Tracer | None" = None
_provider: Any = None


class Span:
    """A stage's work on one record. What it leads to carries `headers`."""

    __slots__ = ("_span", "headers", "parent")

    def __init__(self, span: Any, parent: str | None = None) -> None:
        """Wrap a span that has begun; `parent` is the traceparent that it continues."""
        context = span.get_span_context()
        written = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & _SAMPLED:02x}"
        self.headers: Headers = ((HEADER, written.encode()),)
        self.parent = parent
        self._span = span

    @property
    def traceparent(self) -> str:
        """Give what to continue this span by."""
        return self.headers[0][1].decode()

    @property
    def is_sampled(self) -> bool:
        """Say whether it will be told to the collector."""
        return bool(self._span.is_recording())

    def note(self, name: str, value: str | float) -> None:
        """Add an attribute."""
        self._span.set_attribute(name, value)

    def fail(self, reason: str) -> None:
        """Mark the work as failed."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - only where traces are on

        self._span.set_status(Status(StatusCode.ERROR, reason))

    def end(self) -> None:
        """Say that the work is done. The second time it does nothing."""
        if self._span.is_recording():
            self._span.end()


_current: ContextVar[Span | None] = ContextVar("slugline_span", default=None)


def configure(settings: Settings, *, service: str) -> None:
    """Begin to trace, if an endpoint is set."""
    if not settings.trace_endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    exporter = OTLPSpanExporter(endpoint=f"{settings.trace_endpoint.rstrip('/')}/v1/traces", timeout=ANSWER_S)
    begin_with(
        BatchSpanProcessor(exporter, max_queue_size=QUEUED_SPANS, schedule_delay_millis=SEND_EVERY_S * 1_000),
        service=service,
        ratio=settings.trace_ratio,
    )


def begin_with(processor: Any, *, service: str, ratio: float = 1.0) -> None:
    """Begin to trace to an OpenTelemetry span processor."""
    global _tracer, _provider  # noqa: PLW0603 - as the logs', the process has one
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415

    from shared.health import running_version  # noqa: PLC0415

    resource = Resource.create(
        {
            "service.namespace": "slugline",
            "service.name": f"slugline-{service}",
            "service.version": running_version(),
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        }
    )
    _provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(ratio)),
        resource=resource,
        shutdown_on_exit=False,
        span_limits=SpanLimits(max_links=LINKS),
    )
    _provider.add_span_processor(processor)
    _tracer = _provider.get_tracer("slugline", running_version())


def stop() -> None:
    """End tracing; what the collector has not taken within `FLUSH_S` is dropped."""
    global _tracer, _provider
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        # In a thread that nobody waits for longer: a collector that is away must not hold a service up.
        flushing = threading.Thread(target=provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(FLUSH_S)


def parent_of(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """Give the traceparent among a record's headers; None where there is none that is well formed."""
    if _tracer is None:
        return None
    for name, value in headers:
        if name == HEADER and value is not None:
            written = value.decode("ascii", errors="replace")
            return written if _WRITTEN.match(written) else None
    return None


def begin(name: str, parent: str | None = None, *, links: Iterable[str] = (), attributes: Mapping[str, Any] | None = None) -> Span | None:
    """Begin a span: `parent`'s child, else a new trace. `links` are other traceparents that led to it. None where traces are off."""
    if _tracer is None:
        return None
    return Span(
        _tracer.start_span(
            name,
            context=_context(parent),
            attributes=attributes,
            links=[link for other in list(links)[:LINKS] if (link := _link(other)) is not None],
        ),
        parent,
    )


def follow(stage: str, record: Any, *, begins: bool = False) -> Span | None:
    """Begin the span of a stage's work on a record that continues a trace; with `begins` a record without one begins it."""
    if _tracer is None:
        return None
    parent = parent_of(record.headers)
    if parent is None and not begins:
        return None
    return begin(stage, parent, attributes=attributes_of(record))


def attributes_of(record: Any) -> dict[str, Any]:
    """Give what says which record it is, by OpenTelemetry's names."""
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
    }


@contextmanager
def together(name: str, spans: Sequence[Span]) -> Iterator[None]:
    """Do the work of several records' spans at once: they end with it, and a span of its own, which names them as links, tells of it."""
    batch = _begin_batch(name, spans)
    try:
        yield
    except BaseException as error:
        for span in spans:
            span.fail(type(error).__name__)
        raise
    finally:
        for span in spans:
            span.end()
        if batch is not None:
            batch.end()


def _begin_batch(name: str, spans: Sequence[Span]) -> Span | None:
    sampled = next((span for span in spans if span.is_sampled), None)
    if sampled is None:
        return None
    # Of the first sampled record's trace, so that it is told as that one is; the others' lead to it by their links.
    return begin(
        name,
        sampled.traceparent,
        links=[span.traceparent for span in spans if span is not sampled],
        attributes={"messaging.batch.message_count": len(spans)},
    )


@contextmanager
def current(span: Span | None) -> Iterator[Span | None]:
    """Let a span be what follows from this task's work, and end it at the end."""
    if span is None:
        yield None
        return
    token = _current.set(span)
    try:
        yield span
    except BaseException as error:
        span.fail(type(error).__name__)
        raise
    finally:
        _current.reset(token)
        span.end()


@contextmanager
def part(name: str) -> Iterator[Span | None]:
    """Run a part of the current span's work as a span of its own; without a current span there is none."""
    whole = _current.get()
    with current(None if whole is None else begin(name, whole.traceparent)) as span:
        yield span


def here() -> Span | None:
    """Give the current span."""
    return _current.get()


def _context(parent: str | None) -> Any:
    from opentelemetry.context import Context  # noqa: PLC0415 - loaded already
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context  # noqa: PLC0415

    found = None if parent is None else _span_context(parent)
    return Context() if found is None else set_span_in_context(NonRecordingSpan(found), Context())


def _span_context(traceparent: str) -> "SpanContext | None":
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415

    read = _WRITTEN.match(traceparent)
    if read is None:
        return None
    trace_id, span_id, flags = read.groups()
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16) & _SAMPLED))


def _link(traceparent: str) -> "Link | None":
    from opentelemetry.trace import Link  # noqa: PLC0415

    found = _span_context(traceparent)
    return None if found is None else Link(found)
