"""The wiring of the webhooks' worker, and its loop: a lane for each endpoint, so that none waits for another."""

import asyncio
import contextlib
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from services.publish import schema
from services.publish.config import WebhookSettings
from services.publish.connect import Connection, Pool, connect, is_away, open_pool
from services.publish.webhooks import endpoints, queue
from services.publish.webhooks.endpoints import Endpoint
from services.publish.webhooks.event import Event, Kind, kind_of, story_event
from services.publish.webhooks.queue import Due
from services.publish.webhooks.retry import Retry
from services.publish.webhooks.send import Answer, Sender
from shared import health, metrics
from shared.addresses import AddressPolicy
from shared.logs import get_logger
from shared.tasks import end_tasks

log = get_logger()

STAGE: Final = "webhooks"
TURN_LOCK: Final = 0x5C07
"""Advisory lock, with the schema's name as its second part: one worker delivers, others stand by."""
RETRY_S: Final = 1.0
POLL_S: Final = 1.0
"""How long an idle lane sleeps unless it is signalled: for stories that were put off, and for signals that were lost."""
TEND_S: Final = 5.0
TIDY_S: Final = 3_600.0
DRAIN_S: Final = 8.0
"""How long posts that are under way at the stop may take; a service has ten seconds."""
TOLD_KEPT_S: Final = 30 * 86_400.0
"""How long is remembered what an endpoint was told of a story that has left its feed."""

DELIVERIES = metrics.counter("slugline_webhook_deliveries_total", "Posts to webhooks", "outcome")
ENDPOINTS = metrics.gauge("slugline_webhooks", "Webhooks", "state")
WAITING = metrics.gauge("slugline_webhook_waiting", "Stories that webhooks have still to be told of", "webhook")


class WebhookWorker:
    """One process' part in telling endpoints: it works alone, or stands by."""

    def __init__(self, settings: WebhookSettings, readiness: health.Readiness, stop: asyncio.Event) -> None:
        """Wire; `run` connects. Raises `InvalidSetting` for an allow-list that can't be read."""
        self.settings = settings
        self.stop = stop
        self.retry = Retry(settings.webhook_retry_first_s, settings.webhook_retry_longest_s)
        self.policy = AddressPolicy(settings.webhook_allow, setting="SLUGLINE_WEBHOOK_ALLOW")
        self._waits: str | None = "has not connected yet"
        self._told_away = False
        self._wake: dict[UUID, asyncio.Event] = {}
        self._changed = asyncio.Event()
        readiness.add("database", lambda: self._waits)

    async def run(self) -> None:
        """Work until `stop` is set."""
        async with Sender(self.policy, self.settings.webhook_timeout_s) as sender:
            while not self.stop.is_set():
                try:
                    await self._session(sender)
                except Exception as error:
                    if not is_away(error):
                        raise
                    self._note_away(error)
                    await self._pause(RETRY_S)

    # One connection's life

    async def _session(self, sender: Sender) -> None:
        connection = await connect(self.settings, STAGE)
        try:
            if await self._await_schema(connection) and await self._await_turn(connection):
                self._note_back()
                pool = await open_pool(self.settings, STAGE)
                try:
                    await self._deliver(connection, pool, sender)
                finally:
                    pool.terminate()
        finally:
            self._waits = self._waits or "between two connections"
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), timeout=2)
            connection.terminate()

    async def _await_schema(self, connection: Connection) -> bool:
        told = False
        while not self.stop.is_set():
            state = await schema.state(connection, self.settings.database_schema)
            if state in (schema.SchemaState.CURRENT, schema.SchemaState.AHEAD):
                return True
            self._waits = f"the database's schema is {state}: slugline db migrate"
            if not told:
                log.warning("schema_not_ready", state=state, then="waiting for: slugline db migrate")
                told = True
            await self._pause(RETRY_S)
        return False

    async def _await_turn(self, connection: Connection) -> bool:
        told = False
        while not self.stop.is_set():
            if await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", TURN_LOCK, self.settings.database_schema):
                return True
            self._waits = "stands by: another worker delivers"
            if not told:
                log.info("stands_by", then="takes over when the one that delivers ends")
                told = True
            await self._pause(RETRY_S)
        return False

    async def _deliver(self, connection: Connection, pool: Pool, sender: Sender) -> None:
        lanes: dict[UUID, asyncio.Task[None]] = {}
        await connection.add_listener(queue.CHANNEL, lambda *_: self._signal())
        stopping = asyncio.ensure_future(self.stop.wait())
        tidied_at = 0.0
        try:
            while not self.stop.is_set():
                self._changed.clear()
                # Asked on the connection that holds the turn: when it is lost, so is the right to deliver.
                for one in await endpoints.endpoints(connection):
                    if one.disabled_at is None and one.webhook_id not in lanes:
                        self._wake[one.webhook_id] = asyncio.Event()
                        lanes[one.webhook_id] = asyncio.ensure_future(self._lane(one.webhook_id, one.name, pool, sender))
                await self._measure(pool)
                if time.monotonic() - tidied_at > TIDY_S:
                    tidied_at = time.monotonic()
                    await queue.prune(pool, self.settings.webhook_keep_days * 86_400, TOLD_KEPT_S)
                    if await queue.rows_current(pool):
                        await queue.sweep(pool)
                changing = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait([stopping, changing, *lanes.values()], timeout=TEND_S, return_when=asyncio.FIRST_COMPLETED)
                changing.cancel()
                for webhook_id, lane in list(lanes.items()):
                    if lane.done():
                        del lanes[webhook_id]
                        lane.result()
            self._signal()
            if lanes:
                await asyncio.wait(lanes.values(), timeout=DRAIN_S)
        finally:
            # What is under way even then is sent again at the next start, with the same id.
            await end_tasks([*lanes.values(), stopping])

    def _signal(self) -> None:
        self._changed.set()
        for event in self._wake.values():
            event.set()

    async def _measure(self, pool: Pool) -> None:
        rows = await queue.waiting(pool)
        states = {"ok": 0, "failing": 0, "disabled": 0}
        WAITING.clear()
        for row in rows:
            states["disabled" if row["disabled"] else "failing" if row["failing"] else "ok"] += 1
            WAITING.labels(row["name"]).set(row["waiting"])
        for state, count in states.items():
            ENDPOINTS.labels(state).set(count)

    # One endpoint

    async def _lane(self, webhook_id: UUID, name: str, pool: Pool, sender: Sender) -> None:
        """Tell one endpoint until it is removed or disabled."""
        wake = self._wake[webhook_id]
        while not self.stop.is_set():
            wake.clear()
            found = await endpoints.endpoints(pool, name)
            if not found or found[0].webhook_id != webhook_id or found[0].disabled_at is not None:
                return
            pause_s = await self._turn(found[0], pool, sender)
            if pause_s:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), timeout=pause_s)

    async def _turn(self, endpoint: Endpoint, pool: Pool, sender: Sender) -> float:
        """Tell an endpoint of some stories, and give for how many seconds there may be nothing to do."""
        if endpoint.next_try_at is not None and (left_s := (endpoint.next_try_at - datetime.now(UTC)).total_seconds()) > 0:
            return min(left_s, POLL_S)
        # One that fails is tried with one story; the others wait until it answers.
        items = await queue.due(pool, endpoint.webhook_id, 1 if endpoint.failures else self.settings.webhook_concurrency)
        if not items:
            return POLL_S
        answers = [answer for answer in await asyncio.gather(*(self._tell(endpoint, item, pool, sender) for item in items)) if answer]
        if any(answer.delivered for answer in answers):
            if endpoint.failing_since is not None:
                log.info("webhook_answers", webhook=endpoint.name, after_failures=endpoint.failures)
            await endpoints.note_success(pool, endpoint.webhook_id)
        elif answers:
            await self._note_failure(endpoint, answers[-1], pool)
        return 0.0

    async def _tell(self, endpoint: Endpoint, item: Due, pool: Pool, sender: Sender) -> Answer | None:
        """Tell an endpoint of one story; None: there was nothing to tell yet."""
        if item.story is None:
            # Its row will come again, and then it is noted anew; no one is told that a story left because rows are read anew.
            await queue.settle(pool, endpoint.webhook_id, item, None)
            return None
        kind = kind_of(item.told, item.story["revision"], present=item.present)
        if kind is None:
            await queue.settle(pool, endpoint.webhook_id, item, None)
            return None
        if kind is Kind.LEFT and (wait := await self._wait_before_left(item, pool)):
            await queue.put_off(pool, endpoint.webhook_id, item.story_id, wait, failed=False)
            return None
        event = story_event(endpoint.webhook_id, endpoint.feed, kind, item.told, item.story, self.settings.web_public_url)
        answer = await sender.post(endpoint.url, event, endpoint.secrets)
        await self._note(endpoint, item, event, answer, pool)
        return answer

    async def _wait_before_left(self, item: Due, pool: Pool) -> datetime | None:
        """Say until when a story's leaving is not believed: its records may come one after the other, from several topics."""
        settled_at = item.touched_at + timedelta(seconds=self.settings.webhook_left_after_s)
        now = datetime.now(UTC)
        if now < settled_at:
            return settled_at
        return None if await queue.rows_current(pool) else now + timedelta(seconds=self.settings.webhook_left_after_s)

    async def _note(self, endpoint: Endpoint, item: Due, event: Event, answer: Answer, pool: Pool) -> None:
        now = datetime.now(UTC)
        given_up = (
            not answer.delivered and now - item.since > timedelta(days=self.settings.webhook_disable_after_days) and not endpoint.failures
        )
        outcome = "given_up" if given_up else answer.outcome
        DELIVERIES.labels(outcome).inc()
        async with pool.acquire() as connection, connection.transaction():
            await queue.log_delivery(
                connection,
                endpoint.webhook_id,
                event,
                attempt=item.attempts + 1,
                outcome=outcome,
                status=answer.status,
                error=answer.error,
                took_ms=answer.took_ms,
            )
            if answer.delivered or given_up:
                await queue.settle(connection, endpoint.webhook_id, item, event)
            else:
                pause_s = self.retry.pause_s(item.attempts + 1, random.random(), answer.retry_after_s)  # noqa: S311 - spreads load
                await queue.put_off(connection, endpoint.webhook_id, item.story_id, now + timedelta(seconds=pause_s), failed=True)
        if answer.delivered:
            metrics.LATENCY.labels(STAGE).observe(max(0.0, (now - item.touched_at).total_seconds()))
        else:
            log.warning(
                "webhook_gave_up" if given_up else "webhook_failed",
                webhook=endpoint.name,
                event_id=str(event.event_id),
                attempt=item.attempts + 1,
                outcome=answer.outcome,
                error=answer.error[:200],
            )

    async def _note_failure(self, endpoint: Endpoint, answer: Answer, pool: Pool) -> None:
        """Note that an endpoint took nothing: pause, and disable one that is gone or has failed for days."""
        now = datetime.now(UTC)
        error = f"{answer.outcome}: {answer.error}" if answer.error else answer.outcome
        pause_s = self.retry.pause_s(endpoint.failures + 1, random.random(), answer.retry_after_s)  # noqa: S311 - spreads load
        await endpoints.note_failure(pool, endpoint.webhook_id, error, now + timedelta(seconds=pause_s))
        days = self.settings.webhook_disable_after_days
        if answer.gone:
            reason = "it answered 410, gone"
        elif endpoint.failing_since is not None and now - endpoint.failing_since > timedelta(days=days):
            reason = f"nothing was delivered for {days:g} days; the last error: {error}"
        else:
            return
        await endpoints.disable(pool, endpoint.webhook_id, reason)
        log.error("webhook_disabled", webhook=endpoint.name, reason=reason[:500], then=f"slugline webhooks enable {endpoint.name}")

    # Besides

    def _note_away(self, error: BaseException) -> None:
        self._waits = f"the database does not answer: {type(error).__name__}"
        if not self._told_away:
            self._told_away = True
            log.warning("database_unreachable", error=f"{type(error).__name__}: {error}", then="waiting until it answers")

    def _note_back(self) -> None:
        self._waits = None
        if self._told_away:
            self._told_away = False
            log.info("database_answers")

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), timeout=seconds)


async def run(settings: WebhookSettings, stop: asyncio.Event) -> None:
    """Tell endpoints until `stop` is set; what is under way then is sent again at the next start."""
    readiness = health.Readiness()
    server = await health.serve(readiness, settings)
    try:
        await WebhookWorker(settings, readiness, stop).run()
    finally:
        if server is not None:
            await server.cleanup()


__all__ = ["WebhookWorker", "run"]
