"""Metrics: every name in one `Literal`, so that a dashboard's query can be checked against it."""

import contextlib
from typing import Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

MetricName = Literal[
    # Every stage, label `stage`: records taken from the source topic.
    "slugline_inputs_total",
    # Every stage, labels `stage` and `topic`: records produced.
    "slugline_outputs_total",
    # Every stage, labels `stage` and `reason`: inputs that became dead letters.
    "slugline_dead_letters_total",
    # Every stage, label `stage`: seconds from an input's append to the commit of what followed from it.
    "slugline_latency_seconds",
    # Partition owners, label `stage`: transactions committed and aborted (label `outcome`).
    "slugline_transactions_total",
    # Every stage, labels `stage` and `partition`: inputs not handled yet.
    "slugline_lag_messages",
    # Every stage, labels `stage` and `partition`: seconds since the oldest input that waits came in, to 2 s exact; 0 where none waits.
    "slugline_lag_seconds",
    # Every stage, labels `stage` and `partition`: when offsets were last committed, seconds since 1970.
    "slugline_commit_timestamp_seconds",
    # Every stage, labels `stage` and `partition`: append time of the last handled input, seconds since 1970.
    "slugline_last_input_timestamp_seconds",
    # Partition owners, labels `stage` and `partition`: 1 while the partition's state is being restored.
    "slugline_restoring",
    # assign, labels `stage` and `partition`: 1 while the partition's state, which another process owns, is followed here.
    "slugline_standby_warm",
    # poll: fetches of feeds by `outcome` (new, unchanged, failed, gone, moved).
    "slugline_feed_fetches_total",
    # poll: feeds by `state` (new, ok, failing, paused, gone).
    "slugline_feeds",
    # poll: seconds since the last success of the feed whose last success is longest ago; paused and gone ones don't count.
    "slugline_feed_oldest_success_seconds",
    # poll: feeds that answer well but have shown nothing new for far longer than is their habit.
    "slugline_feeds_silent",
    # poll: items a day that all feeds show by their habit, to compare with what is discovered.
    "slugline_feed_items_a_day",
    # poll: seconds by which the feed is late that has waited longest for its turn, of those that are due.
    "slugline_feed_latest_seconds",
    # poll: polls that found the feed's window moved past what was last seen.
    "slugline_feed_gaps_total",
    # fetch: article pages by `outcome` (published, unchanged, corrected, withdrawn, refused, failed).
    "slugline_article_fetches_total",
    # fetch, label `partition`: pages that wait to be fetched.
    "slugline_pages_waiting",
    # fetch: articles published by `extraction` (full, summary, blocked).
    "slugline_articles_total",
    # post: batches posted, label `status` (of the answer).
    "slugline_posts_total",
    # post: articles posted, label `outcome` (accepted, refused).
    "slugline_posted_items_total",
    # assign, labels `reason`: revisions emitted.
    "slugline_story_revisions_total",
    # assign, label `partition`: stories that are open.
    "slugline_open_stories",
    # assign, label `partition`: articles of open stories, which the similarity index holds.
    "slugline_open_articles",
    # materialise: rows written, label `table`.
    "slugline_rows_total",
    # materialise: rows deleted since they had had their time, label `kind` (text, article, revision, story).
    "slugline_rows_retired_total",
    # brief: briefs made, label `made_by` (extractive, model, fallback).
    "slugline_briefs_total",
    # brief: lines and answers of the optional model, label `outcome` (sentence_taken, sentence_not_stated, timeout, status_500, …).
    "slugline_brief_model_total",
    # webhooks: posts by `outcome` (delivered, status_500, timeout, connect_failed, address_refused, given_up, …).
    "slugline_webhook_deliveries_total",
    # webhooks: endpoints by `state` (ok, failing, disabled).
    "slugline_webhooks",
    # webhooks: stories that an endpoint (label `webhook`) has still to be told of.
    "slugline_webhook_waiting",
    # web: listeners of the event stream.
    "slugline_sse_listeners",
    # web: seconds to answer, labels `route` and `status`.
    "slugline_http_seconds",
]

NAMES = frozenset(get_args(MetricName))
LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


def counter(name: MetricName, documentation: str, *labels: str) -> Counter:
    """Make a counter; the client library adds `_total` itself."""
    return Counter(name.removesuffix("_total"), documentation, labels)


def gauge(name: MetricName, documentation: str, *labels: str) -> Gauge:
    """Make a gauge."""
    return Gauge(name, documentation, labels)


def histogram(name: MetricName, documentation: str, *labels: str) -> Histogram:
    """Make a histogram of seconds."""
    return Histogram(name, documentation, labels, buckets=LATENCY_BUCKETS)


INPUTS = counter("slugline_inputs_total", "Records taken from the source topic", "stage")
OUTPUTS = counter("slugline_outputs_total", "Records produced", "stage", "topic")
DEAD_LETTERS = counter("slugline_dead_letters_total", "Inputs that became dead letters", "stage", "reason")
LATENCY = histogram("slugline_latency_seconds", "Seconds from an input's append to the commit of what followed", "stage")
TRANSACTIONS = counter("slugline_transactions_total", "Transactions", "stage", "outcome")
LAG = gauge("slugline_lag_messages", "Inputs not handled yet", "stage", "partition")
LAG_SECONDS = gauge("slugline_lag_seconds", "Seconds since the oldest input that waits came in", "stage", "partition")
COMMITTED = gauge("slugline_commit_timestamp_seconds", "When offsets were last committed", "stage", "partition")
LAST_INPUT = gauge("slugline_last_input_timestamp_seconds", "Append time of the last handled input", "stage", "partition")
RESTORING = gauge("slugline_restoring", "1 while the partition's state is being restored", "stage", "partition")

_ENDS_KEPT = 1_024
_ends: dict[tuple[str, str], list[tuple[int, float]]] = {}
"""For each stage's partition: ends of its source that were seen, and when; the first is the first beyond what is handled."""


def note_lag(stage: str, partition: str, position: int, end: int, now: float, *, markers: int = 0) -> None:
    """Show how many inputs wait, from the next offset to handle and the source's end, and for how long the oldest of them has.

    `markers` so many offsets at the end may be transactions' and no inputs.
    """
    waiting = max(0, end - position)
    LAG.labels(stage, partition).set(waiting)
    seen = _ends.setdefault((stage, partition), [])
    if seen and end < seen[-1][0]:  # the topic was made anew
        seen.clear()
    if not seen or end > seen[-1][0]:
        seen.append((end, now))
    passed = next((at for at, (known, _) in enumerate(seen) if known > position), len(seen) - 1)
    del seen[:passed]
    if len(seen) > _ENDS_KEPT:
        del seen[1::2]
    LAG_SECONDS.labels(stage, partition).set(now - seen[0][1] if waiting > markers else 0.0)


def forget(stage: str, partition: str) -> None:
    """Show nothing of a partition any more: another process measures it now, and a stale value would raise alarms."""
    _ends.pop((stage, partition), None)
    for gone in (RESTORING, LAG, LAG_SECONDS, LAST_INPUT, COMMITTED):
        with contextlib.suppress(KeyError):
            gone.remove(stage, partition)
