"""The wiring of the webhooks' worker: one process delivers, by a lane for each endpoint."""

import asyncio
import contextlib
import time
from typing import Final
from uuid import UUID

from services.publish.config import WebhookSettings
from services.publish.connect import Connection, Pool, connect, is_away, open_pool
from services.publish.turn import RETRY_S, await_schema, await_turn, pause
from services.publish.webhooks import endpoints, queue
from services.publish.webhooks.lane import STAGE, Lane
from services.publish.webhooks.send import Sender
from shared import health, metrics
from shared.addresses import AddressPolicy
from shared.logs import get_logger
from shared.tasks import end_tasks

log = get_logger()

TURN_LOCK: Final = 0x5C07
"""Advisory lock, with the schema's name as its second part: one worker delivers, others stand by."""
TEND_S: Final = 5.0
TIDY_S: Final = 3_600.0
DRAIN_S: Final = 8.0
"""How long posts that are under way at the stop may take; a service has ten seconds."""
TOLD_KEPT_S: Final = 30 * 86_400.0
"""How long is remembered what an endpoint was told of a story that has left its feed."""

ENDPOINTS = metrics.gauge("slugline_webhooks", "Webhooks", "state")
WAITING = metrics.gauge("slugline_webhook_waiting", "Stories that webhooks have still to be told of", "webhook")


class WebhookWorker:
    """One process' part in telling endpoints: it works alone, or stands by."""

    def __init__(self, settings: WebhookSettings, readiness: health.Readiness, stop: asyncio.Event) -> None:
        """Wire; `run` connects. Raises `InvalidSetting` for an allow-list that can't be read."""
        self.settings = settings
        self.stop = stop
        self.policy = AddressPolicy(settings.webhook_allow, setting="SLUGLINE_WEBHOOK_ALLOW")
        self._waits: str | None = "has not connected yet"
        self._told_away = False
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
                    await pause(self.stop, RETRY_S)

    # One connection's life

    async def _session(self, sender: Sender) -> None:
        connection = await connect(self.settings, STAGE)
        try:
            if await self._may_work(connection):
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

    async def _deliver(self, connection: Connection, pool: Pool, sender: Sender) -> None:
        lanes: dict[UUID, tuple[Lane, asyncio.Task[None]]] = {}

        def signal(*_: object) -> None:
            self._changed.set()
            for lane, _task in lanes.values():
                lane.wake.set()

        await connection.add_listener(queue.CHANNEL, signal)
        stopping = asyncio.ensure_future(self.stop.wait())
        tidied_at = float("-inf")
        try:
            while not self.stop.is_set():
                self._changed.clear()
                # Asked on the connection that holds the turn: when it is lost, so is the right to deliver.
                for one in await endpoints.endpoints(connection):
                    if one.disabled_at is None and one.webhook_id not in lanes:
                        lane = Lane(one, pool, sender, self.settings, self.stop)
                        lanes[one.webhook_id] = lane, asyncio.ensure_future(lane.run())
                await self._measure(pool)
                if time.monotonic() - tidied_at > TIDY_S:
                    tidied_at = time.monotonic()
                    await queue.prune(pool, self.settings.webhook_keep_days * 86_400, TOLD_KEPT_S)
                    if await queue.rows_current(pool):
                        await queue.sweep(pool)
                changing = asyncio.ensure_future(self._changed.wait())
                tasks = [task for _, task in lanes.values()]
                await asyncio.wait([stopping, changing, *tasks], timeout=TEND_S, return_when=asyncio.FIRST_COMPLETED)
                changing.cancel()
                for webhook_id, (_, task) in list(lanes.items()):
                    if task.done():
                        del lanes[webhook_id]
                        task.result()
            signal()
            if lanes:
                await asyncio.wait([task for _, task in lanes.values()], timeout=DRAIN_S)
        finally:
            # What is under way even then is sent again at the next start, with the same id.
            await end_tasks([*(task for _, task in lanes.values()), stopping])

    async def _measure(self, pool: Pool) -> None:
        rows = await queue.waiting(pool)
        states = {"ok": 0, "failing": 0, "disabled": 0}
        WAITING.clear()
        for row in rows:
            states["disabled" if row["disabled"] else "failing" if row["failing"] else "ok"] += 1
            WAITING.labels(row["name"]).set(row["waiting"])
        for state, count in states.items():
            ENDPOINTS.labels(state).set(count)

    # Besides

    async def _may_work(self, connection: Connection) -> bool:
        name = self.settings.database_schema
        return await await_schema(connection, name, self.stop, self._wait_for) and await await_turn(
            connection, TURN_LOCK, name, self.stop, self._wait_for, who="another worker", does="delivers"
        )

    def _wait_for(self, what: str) -> None:
        self._note_back()
        self._waits = what

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
