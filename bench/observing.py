"""What traces and metrics cost a stage, in processor time for each record, beside the processor time that an article takes in all.

    python -m bench.observing [--records 20000] [--article-ms 21]

An article's processor time is that of `bench.pipeline`: two cores, divided by the articles that it gets through in a second.
"""

import argparse
import time
from collections.abc import Callable

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from shared import metrics, traces
from shared.kafka.decision import SourceRecord

SPANS_AN_ARTICLE = 10
"""poll, fetch, fetch page, extract, enrich, assign, materialise of the article's and of the story's records, brief, materialise."""
RECORDS_AN_ARTICLE = 9
"""Records that stages take in for an article: discovery, article twice, story input, update, story, member, brief, feed's share."""
BATCH = 20


class Encoding(SpanExporter):
    """Does what sending costs the process, and sends nothing."""

    def export(self, spans: "tuple[ReadableSpan, ...]") -> SpanExportResult:  # type: ignore[override]
        """Encode as for OTLP."""
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Do nothing."""


def records(count: int) -> list[SourceRecord]:
    """Make records that continue traces."""
    return [
        SourceRecord("story_inputs.v1", 3, at, b"key", b"value", 0, (("traceparent", f"00-{at + 1:032x}-{at + 1:016x}-01".encode()),))
        for at in range(count)
    ]


def traced(given: list[SourceRecord]) -> None:
    """Do what a partition does for traces, batch by batch."""
    for at in range(0, len(given), BATCH):
        spans = []
        for record in given[at : at + BATCH]:
            span = traces.follow("assign", record)
            if span is not None:
                spans.append(span)
                _ = list(span.headers)
        with traces.together("assign transaction", spans):
            pass


def measured(given: list[SourceRecord]) -> None:
    """Do what a partition does for metrics, batch by batch."""
    now = time.time()
    for at in range(0, len(given), BATCH):
        batch = given[at : at + BATCH]
        metrics.INPUTS.labels("bench").inc(len(batch))
        for _ in batch:
            metrics.LATENCY.labels("bench").observe(0.01)
            metrics.OUTPUTS.labels("bench", "stories.v1").inc()
        metrics.LAST_INPUT.labels("bench", "3").set(now)
        metrics.COMMITTED.labels("bench", "3").set(now)


def microseconds(work: Callable[[list[SourceRecord]], None], given: list[SourceRecord], end: Callable[[], object] = lambda: None) -> float:
    """Give the processor time for each record, of all threads."""
    began = time.process_time()
    work(given)
    end()
    return (time.process_time() - began) / len(given) * 1e6


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--article-ms", type=float, default=21.0)
    arguments = parser.parse_args()
    given = records(arguments.records)
    off = microseconds(traced, given)
    processor = BatchSpanProcessor(Encoding(), max_queue_size=2 * arguments.records, schedule_delay_millis=60_000)
    traces.begin_with(processor, service="bench")
    on = microseconds(traced, given, processor.force_flush)
    traces.stop()
    shown = microseconds(measured, given)
    for what, each, times in (
        ("traces off", off, RECORDS_AN_ARTICLE),
        ("traces on", on, SPANS_AN_ARTICLE),
        ("metrics", shown, RECORDS_AN_ARTICLE),
    ):
        share = each * times / 1_000 / arguments.article_ms
        print(f"{what:11}{each:8.2f} µs a record, {times} an article: {share:.2%} of its {arguments.article_ms:g} ms")


if __name__ == "__main__":
    main()
