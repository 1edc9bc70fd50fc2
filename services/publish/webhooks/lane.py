"""One endpoint's lane: it tells the endpoint of what waits, several stories at once, and pauses while the endpoint fails."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from services.publish.config import WebhookSettings
from services.publish.connect import Pool
from services.publish.webhooks import endpoints, queue
from services.publish.webhooks.endpoints import Endpoint
from services.publish.webhooks.event import Event, Kind, kind_of, story_event
from services.publish.webhooks.queue import Due
from services.publish.webhooks.retry import Retry
from services.publish.webhooks.send import Answer, Sender
from shared import metrics
from shared.logs import get_logger
from shared.tasks import end_tasks

log = get_logger()

STAGE: Final = "webhooks"
POLL_S: Final = 1.0
"""How long an idle lane sleeps unless it is signalled: for stories that were put off, and for signals that were lost."""

DELIVERIES = metrics.counter("slugline_webhook_deliveries_total", "Posts to webhooks", "outcome")


class Lane:
    """Tells one endpoint, until it is removed or disabled. `wake` is set when there may be something new to tell."""

    def __init__(self, endpoint: Endpoint, pool: Pool, sender: Sender, settings: WebhookSettings, stop: asyncio.Event) -> None:
        """Wire."""
        self.wake = asyncio.Event()
        self._webhook_id = endpoint.webhook_id
        self._name = endpoint.name
        self._pool = pool
        self._sender = sender
        self._settings = settings
        self._stop = stop
        self._retry = Retry(settings.webhook_retry_first_s, settings.webhook_retry_longest_s)
        self._under_way: dict[UUID, asyncio.Task[None]] = {}
        self._failed_at = 0.0

    async def run(self) -> None:
        """Work until `stop` is set, and what is under way then has been answered."""
        try:
            while not self._stop.is_set():
                self.wake.clear()
                found = await endpoints.endpoints(self._pool, self._name)
                if not found or found[0].webhook_id != self._webhook_id or found[0].disabled_at is not None:
                    break
                await self._rest(await self._begin_some(found[0]))
            while self._under_way:
                await self._rest(POLL_S)
        finally:
            await end_tasks(list(self._under_way.values()))

    async def _rest(self, seconds: float) -> None:
        """Wait until a story under way is done, something is new, or so long."""
        waking = asyncio.ensure_future(self.wake.wait())
        await asyncio.wait([waking, *self._under_way.values()], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waking.cancel()
        for story_id, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[story_id]
                task.result()

    async def _begin_some(self, endpoint: Endpoint) -> float:
        """Begin to tell of as many stories as may be under way, and give for how many seconds there may be nothing to begin."""
        if endpoint.next_try_at is not None and (left_s := (endpoint.next_try_at - datetime.now(UTC)).total_seconds()) > 0:
            return min(left_s, POLL_S)
        # One that fails is tried with one story; the others wait until it answers.
        room = (1 if endpoint.failures else self._settings.webhook_concurrency) - len(self._under_way)
        if room <= 0:
            return POLL_S
        items = await queue.due(self._pool, self._webhook_id, room, list(self._under_way))
        for item in items:
            self._under_way[item.story_id] = asyncio.ensure_future(self._tell(endpoint, item))
        return POLL_S

    async def _tell(self, endpoint: Endpoint, item: Due) -> None:
        """Tell of one story, or find that there is nothing to tell (yet)."""
        # Without a row, it will come again and be noted anew: no one is told that a story left because rows are read anew.
        kind = None if item.story is None else kind_of(item.told, item.story["revision"], present=item.present)
        if item.story is None or kind is None:
            await queue.settle(self._pool, self._webhook_id, item, None)
            return
        if kind is Kind.LEFT and (later := await self._wait_before_left(item)):
            await queue.put_off(self._pool, self._webhook_id, item.story_id, later, failed=False)
            return
        event = story_event(self._webhook_id, endpoint.feed, kind, item.told, item.story, self._settings.web_public_url)
        began = time.monotonic()
        answer = await self._sender.post(endpoint.url, event, endpoint.secrets)
        await self._note(endpoint, item, event, answer)
        if answer.delivered:
            await self._note_success(endpoint, item)
        elif began >= self._failed_at:  # those that were under way together fail as one
            self._failed_at = time.monotonic()
            await self._note_failure(answer)

    async def _wait_before_left(self, item: Due) -> datetime | None:
        """Say until when a story's leaving is not believed: its records may come one after the other, from several topics."""
        now = datetime.now(UTC)
        settled_at = item.touched_at + timedelta(seconds=self._settings.webhook_left_after_s)
        if now < settled_at:
            return settled_at
        return None if await queue.rows_current(self._pool) else now + timedelta(seconds=self._settings.webhook_left_after_s)

    async def _note(self, endpoint: Endpoint, item: Due, event: Event, answer: Answer) -> None:
        """Keep the try, and settle the story or put it off."""
        now = datetime.now(UTC)
        waited = now - item.since
        given_up = not answer.delivered and not endpoint.failures and waited > timedelta(days=self._settings.webhook_disable_after_days)
        outcome = "given_up" if given_up else answer.outcome
        async with self._pool.acquire() as connection, connection.transaction():
            await queue.log_delivery(
                connection,
                self._webhook_id,
                event,
                attempt=item.attempts + 1,
                outcome=outcome,
                status=answer.status,
                error=answer.error,
                took_ms=answer.took_ms,
            )
            if answer.delivered or given_up:
                await queue.settle(connection, self._webhook_id, item, event)
            else:
                pause_s = self._retry.pause_s(item.attempts + 1, random.random(), answer.retry_after_s)  # noqa: S311 - spreads load
                await queue.put_off(connection, self._webhook_id, item.story_id, now + timedelta(seconds=pause_s), failed=True)
        DELIVERIES.labels(outcome).inc()
        if not answer.delivered:
            log.warning(
                "webhook_gave_up" if given_up else "webhook_failed",
                webhook=self._name,
                event_id=str(event.event_id),
                attempt=item.attempts + 1,
                outcome=answer.outcome,
                error=answer.error[:200],
            )

    async def _note_success(self, endpoint: Endpoint, item: Due) -> None:
        metrics.LATENCY.labels(STAGE).observe(max(0.0, (datetime.now(UTC) - item.touched_at).total_seconds()))
        if endpoint.failing_since is not None:
            log.info("webhook_answers", webhook=self._name, after_failures=endpoint.failures)
        await endpoints.note_success(self._pool, self._webhook_id)

    async def _note_failure(self, answer: Answer) -> None:
        """Note that the endpoint took nothing: pause, and disable one that is gone or has failed for days."""
        found = await endpoints.endpoints(self._pool, self._name)
        if not found or found[0].webhook_id != self._webhook_id:
            return
        [endpoint] = found
        now = datetime.now(UTC)
        error = f"{answer.outcome}: {answer.error}" if answer.error else answer.outcome
        pause_s = self._retry.pause_s(endpoint.failures + 1, random.random(), answer.retry_after_s)  # noqa: S311 - spreads load
        await endpoints.note_failure(self._pool, self._webhook_id, error, now + timedelta(seconds=pause_s))
        days = self._settings.webhook_disable_after_days
        if answer.gone:
            reason = "it answered 410, gone"
        elif endpoint.failing_since is not None and now - endpoint.failing_since > timedelta(days=days):
            reason = f"nothing was delivered for {days:g} days; the last error: {error}"
        else:
            return
        await endpoints.disable(self._pool, self._webhook_id, reason)
        log.error("webhook_disabled", webhook=self._name, reason=reason[:500], then=f"slugline webhooks enable {self._name}")
