"""One partition of hosts: their articles' versions, and fetching what is pending or due for another look."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.ingest.control import BLOCKED, Control
from services.ingest.fetch.discover import PageOutcome, Retry, from_check, from_discovery, from_page
from services.ingest.fetch.erased import erased_keys, without_erased
from services.ingest.fetch.publish import Schedule
from services.ingest.fetch.state import (
    ALIAS_PREFIX,
    ARTICLE_PREFIX,
    FRESH_PREFIX,
    PENDING_PREFIX,
    Alias,
    ArticleState,
    Fresh,
    Pending,
    alias_key,
    article_key,
    fresh_key,
)
from services.ingest.hosts import Host, HostQueues, HostTurns, Kind
from services.ingest.identity import article_host
from shared import metrics, traces
from shared.contracts import Article, ArticleStatus, Discovery
from shared.contracts.base import Part
from shared.errors import InvalidMessage, Refused
from shared.kafka.decision import Decision, SourceRecord
from shared.kafka.partition import Submit
from shared.logs import get_logger
from shared.topics import ARTICLES

log = get_logger()

PAGES = metrics.counter("slugline_article_fetches_total", "Fetches of article pages", "outcome")
PUBLISHED = metrics.counter("slugline_articles_total", "Versions of articles published", "extraction")

WAITING = metrics.gauge("slugline_pages_waiting", "Pages that wait to be fetched", "partition")

FRESH_FOR = timedelta(hours=1)
"""How long further appearances of an article are published with its text."""
SWEEP_S = 60.0
SWEPT_A_TURN = 500


@dataclass(frozen=True, slots=True)
class FetchContext:
    """What all partitions of a process share. `fetch` never raises and obeys robots.txt; `delay_s` is a host's pause."""

    fetch: Callable[[str, str | None, str | None], Awaitable[PageOutcome]]
    delay_s: Callable[[str], float]
    clock: Callable[[], datetime]
    retry: Retry
    schedule: Schedule
    host_concurrency: int
    pages: asyncio.Semaphore
    state_for: timedelta
    control: Control = field(default_factory=Control)


class FetchLogic:
    """Keeps the partition's articles and fetches their pages."""

    def __init__(self, partition: int, context: FetchContext) -> None:
        self.articles: dict[UUID, ArticleState] = {}
        self.pending: dict[UUID, Pending] = {}
        self.aliases: dict[UUID, Alias] = {}
        self.fresh: dict[UUID, Fresh] = {}
        self._partition = partition
        self._context = context
        queues = HostQueues(self._is_current, context.delay_s, context.host_concurrency)
        self._turns = HostTurns(queues, context.pages, context.control, context.clock)
        self._running: set[tuple[Kind, UUID]] = set()
        self._control_changed = asyncio.Event()

    def restore(self, key: str, value: bytes | None) -> None:
        """Take a changelog record."""
        self._take(key, value)

    def restored(self) -> None:
        """Queue what is pending and what is due for another look."""
        for key in self.pending:
            self._enqueue_page(key)
        for key in self.articles:
            self._enqueue_check(key)

    def decide(self, record: SourceRecord) -> Decision:
        """Handle a discovery."""
        if record.value is None:
            raise InvalidMessage("a discovery has no value")
        now = datetime.fromtimestamp(record.timestamp_ms / 1000, tz=UTC)
        decision = from_discovery(self, Discovery.from_bytes(record.value), record, now, self._context.schedule)
        return without_erased(decision, self._context.control)

    def apply(self, decision: Decision) -> None:
        """Take over changed state."""
        for key, value in decision.changes.items():
            self._take(key, value)
            if value is not None and key.startswith(PENDING_PREFIX):
                self._enqueue_page(UUID(key[2:]))
            elif value is not None and key.startswith(ARTICLE_PREFIX):
                self._enqueue_check(UUID(key[2:]))
        for output in decision.outputs:
            if output.topic is ARTICLES and isinstance(output.value, Article):
                article = output.value
                PUBLISHED.labels(article.extraction if article.status is ArticleStatus.PUBLISHED else "withdrawn").inc()
                log.info(
                    "article_published" if article.status is ArticleStatus.PUBLISHED else "article_withdrawn",
                    article_id=str(article.article_id),
                    version=article.version,
                    url=article.url,
                    extraction=article.extraction,
                )

    async def act(self, submit: Submit) -> None:
        """Fetch pages as they fall due, hosts apart, and drop what is too old to matter."""
        unfollow = self._context.control.follow(self._turns.look_again)
        unfollow_erasures = self._context.control.follow(self._control_changed.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sweep_again_and_again(submit))
                await self._turns.begin_each(tasks, lambda host, key, kind: self._fetch(host, key, kind, submit))
        finally:
            unfollow()
            unfollow_erasures()
            with contextlib.suppress(KeyError):  # another owner's now
                WAITING.remove(str(self._partition))

    # Queues

    def _enqueue_page(self, key: UUID) -> None:
        pending = self.pending[key]
        self._enqueue(article_host(pending.canonical_url), pending.not_before, key, "page")

    def _enqueue_check(self, key: UUID) -> None:
        state = self.articles[key]
        if state.next_check_at is not None and state.fetched and state.status is ArticleStatus.PUBLISHED:
            self._enqueue(article_host(state.canonical_url), state.next_check_at, key, "check")

    def _enqueue(self, host: str, due_at: datetime, key: UUID, kind: Kind) -> None:
        if (kind, key) not in self._running:
            self._turns.add(host, due_at, key, kind)

    def _is_current(self, due_at: datetime, key: UUID, kind: Kind) -> bool:
        return self._due_at(key, kind) == due_at and (kind, key) not in self._running

    def _due_at(self, key: UUID, kind: Kind) -> datetime | None:
        if kind == "page":
            return pending.not_before if (pending := self.pending.get(key)) else None
        return state.next_check_at if (state := self.articles.get(key)) else None

    # Fetching

    def _fetch(self, host: Host, key: UUID, kind: Kind, submit: Submit) -> Coroutine[Any, Any, None]:
        self._running.add((kind, key))
        return self._fetch_now(host, key, kind, submit)

    async def _fetch_now(self, host: Host, key: UUID, kind: Kind, submit: Submit) -> None:
        try:
            target = self._target(key, kind)
            if target is None:
                return
            with traces.current(self._follow(key, kind)):
                outcome = self._blocked(target[0]) or await self._context.fetch(*target)
                if kind == "check":
                    host.checks_failed.append(outcome.gone or outcome.missing or outcome.failed is not None)
                await submit(lambda: self._conclude(host, key, kind, outcome))
            _report(target[0], host.name, kind, outcome)
        finally:
            self._running.discard((kind, key))
            self._turns.end(host)
            if kind == "page" and key in self.pending:
                self._enqueue_page(key)
            elif kind == "check" and key in self.articles:
                self._enqueue_check(key)

    def _target(self, key: UUID, kind: Kind) -> tuple[str, str | None, str | None] | None:
        """Give URL and validators; a first fetch has none."""
        if kind == "page":
            pending = self.pending.get(key)
            if pending is None:
                return None
            known = self.articles.get(key)
            return (pending.discovery.url or pending.canonical_url, known.etag if known else None, known.last_modified if known else None)
        state = self.articles.get(key)
        return (state.url, state.etag, state.last_modified) if state else None

    def _follow(self, key: UUID, kind: Kind) -> traces.Span | None:
        """Begin the span of a page's first fetch; another look at it, which mostly finds nothing, is not traced."""
        parent = pending.origin.traceparent if kind == "page" and (pending := self.pending.get(key)) else None
        return None if parent is None else traces.begin("fetch page", parent)

    def _blocked(self, url: str) -> PageOutcome | None:
        if not self._context.control.blocks(url):
            return None
        refused = Refused(BLOCKED, f"{url[:300]} is a blocked outlet's")
        return PageOutcome(at=self._context.clock(), final_url=url, refused=refused)

    def _conclude(self, host: Host, key: UUID, kind: Kind, outcome: PageOutcome) -> Decision:
        control = self._context.control
        if kind == "page":
            return without_erased(from_page(self, key, outcome, self._context.retry, self._context.schedule, self._partition), control)
        host_fails = host.fails()
        if host_fails and (outcome.gone or outcome.missing):
            log.warning(
                "host_checks_fail", article_id=str(key), note="a fifth or more of this host's checks fail; nothing is withdrawn for it"
            )
        return without_erased(from_check(self, key, outcome, self._context.schedule, host_fails=host_fails), control)

    # Forgetting

    async def _sweep_again_and_again(self, submit: Submit) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._control_changed.wait(), timeout=SWEEP_S)
            self._control_changed.clear()
            await submit(self._sweep)

    def _sweep(self) -> Decision:
        now = self._context.clock()
        old = now - self._context.state_for
        gone: dict[str, bytes | None] = dict.fromkeys(erased_keys(self.articles, self.pending, self.fresh, self._context.control))
        for key, fresh in self.fresh.items():
            if fresh.article.fetched_at < now - FRESH_FOR:
                gone[fresh_key(key)] = None
        for key, state in self.articles.items():
            if state.last_seen_at < old:
                gone[article_key(key)] = None
        for key, alias in self.aliases.items():
            if alias.last_seen_at < old:
                gone[alias_key(key)] = None
        return Decision(changes=dict(list(gone.items())[:SWEPT_A_TURN]))

    def _take(self, key: str, value: bytes | None) -> None:
        identity = UUID(key[2:])
        kind, held = self._held(key[:2])
        if value is None:
            held.pop(identity, None)
        else:
            held[identity] = kind.model_validate_json(value)
        if key.startswith(PENDING_PREFIX):
            WAITING.labels(str(self._partition)).set(len(self.pending))

    def _held(self, prefix: str) -> tuple[type[Part], dict[UUID, Part]]:
        table: dict[str, tuple[type[Part], dict[UUID, Part]]] = {
            ARTICLE_PREFIX: (ArticleState, self.articles),  # type: ignore[dict-item]
            PENDING_PREFIX: (Pending, self.pending),  # type: ignore[dict-item]
            ALIAS_PREFIX: (Alias, self.aliases),  # type: ignore[dict-item]
            FRESH_PREFIX: (Fresh, self.fresh),  # type: ignore[dict-item]
        }
        return table[prefix]


def _report(url: str, host: str, kind: Kind, outcome: PageOutcome) -> None:
    result = (
        "failed"
        if outcome.failed
        else "refused"
        if outcome.refused
        else "gone"
        if outcome.gone or outcome.missing
        else "unchanged"
        if outcome.unchanged
        else "read"
    )
    PAGES.labels(result).inc()
    bound = log.bind(url=url, host=host, kind=kind)
    if outcome.failed:
        bound.warning("page_failed", error=outcome.failed)
    elif outcome.refused:
        bound.warning("page_refused", reason=outcome.refused.reason, error=outcome.refused.detail)
    else:
        bound.debug("page_fetched", outcome=result)
