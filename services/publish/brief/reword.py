"""Has a model reword briefs that were published, beside the lanes that make them, and publishes what holds as a later record.

Nothing waits for it: a lane says what it published and goes on. The wording of a brief whose story has changed since is thrown
away, under the same lock by which two workers never make one story's brief at once, so no older brief follows a newer one.

What waits is in memory, so it ends with its worker. One worker, the first there or the next when that one ends, therefore asks for the
briefs of the last day that no model has reworded; those of which nothing was taken are asked for again then.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import aiohttp

from services.publish.brief import queue
from services.publish.brief.due import fingerprint
from services.publish.brief.model import OUTCOMES, Budget, Model, ModelSettings
from services.publish.brief.source import Source
from services.publish.connect import Connection
from shared import metrics
from shared.contracts import Brief, Story
from shared.logs import get_logger

log = get_logger()

WAITING: Final = 1_000
"""Briefs that wait for the model at most; the smallest story's goes then."""
TAKEN_UP: Final = 200
"""Briefs that were left by others and are taken up at most: they are read at once."""
LEAD_S: Final = 30.0
"""How long an idle worker leaves it to another to take up what was left."""
CONTESTED_S: Final = 0.05
"""How long to leave a story to the worker that has it in hand."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A brief that was published, and what it was made from."""

    story: Story
    brief: Brief
    sources: tuple[Source, ...]
    fingerprint: str

    @property
    def size(self) -> int:
        """How many independent publishers the story has: the larger is reworded first."""
        return self.story.publisher_count


class Reworder:
    """One worker's questions to the model: one at a time, the largest story first, each story's newest brief alone."""

    def __init__(self, settings: ModelSettings, stop: asyncio.Event, publish: Callable[[Brief], Awaitable[None]], lag: str) -> None:
        """Wire; `publish` produces a brief, `lag` names the stage in metrics."""
        self._settings = settings
        self._stop = stop
        self._publish = publish
        self._lag = lag
        self._waiting: dict[UUID, Wanted] = {}
        self._wanted = asyncio.Event()
        self._budget = Budget(settings.budget_per_hour)
        self._leads = False

    def want(self, wanted: Wanted) -> None:
        """Note a brief that was published. Returns at once."""
        if not wanted.brief.sections:
            return
        self._waiting[wanted.story.story_id] = wanted
        if len(self._waiting) > WAITING:
            least = min(self._waiting.values(), key=lambda held: held.size)
            del self._waiting[least.story.story_id]
            OUTCOMES.labels("dropped").inc()
        self._wanted.set()

    def leave(self) -> None:
        """Wake the loop, which sees that it is to end."""
        self._wanted.set()

    async def work(self, connection: Connection) -> None:
        """Ask for brief after brief until the worker stops."""
        async with aiohttp.ClientSession() as session:
            model = Model(self._settings, session, time.monotonic, self._budget)
            while not self._stop.is_set():
                if not self._leads and await queue.leads(connection):
                    self._leads = True
                    await self._take_up(connection)
                metrics.LAG.labels(self._lag, "model").set(len(self._waiting))
                if not self._waiting:
                    self._wanted.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wanted.wait(), timeout=LEAD_S)
                elif wait_s := self._budget.wait_s(time.monotonic()):
                    log.warning("brief_model_budget_spent", waiting=len(self._waiting), again_in_s=round(wait_s))
                    OUTCOMES.labels("budget_spent").inc()
                    await self._pause(wait_s)
                else:
                    await self._reword(connection, model, max(self._waiting.values(), key=lambda held: held.size))

    async def _take_up(self, connection: Connection) -> None:
        """Want the briefs that other workers left without a model's words."""
        for facts in await queue.unworded(connection, TAKEN_UP):
            if facts.story is not None and facts.brief is not None and facts.fingerprint == fingerprint(facts):
                self._waiting.setdefault(facts.story.story_id, Wanted(facts.story, facts.brief, facts.sources, facts.fingerprint))

    async def _reword(self, connection: Connection, model: Model, wanted: Wanted) -> None:
        story_id = wanted.story.story_id
        brief = None
        if await queue.fingerprint_of(connection, story_id) == wanted.fingerprint:
            brief = await self._improved(model, wanted)
        if self._stop.is_set():
            return
        while brief is not None and not await self._replace(connection, wanted, brief):
            await self._pause(CONTESTED_S)
        if self._waiting.get(story_id) is wanted:
            del self._waiting[story_id]

    async def _improved(self, model: Model, wanted: Wanted) -> Brief | None:
        """Ask, but no longer than the worker runs."""
        asking = asyncio.ensure_future(model.improve(wanted.story, wanted.brief, wanted.sources))
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait([asking, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not asking.done():
            asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await asking
        return None

    async def _replace(self, connection: Connection, wanted: Wanted, brief: Brief) -> bool:
        """Publish the wording unless the story has changed meanwhile; False: another has the story in hand."""
        async with connection.transaction():
            if not await queue.lock(connection, wanted.story.story_id):
                return self._stop.is_set()
            if await queue.fingerprint_of(connection, wanted.story.story_id) == wanted.fingerprint:
                await self._publish(brief)
            else:
                OUTCOMES.labels("outdated").inc()
                log.info("brief_rewritten_too_late", story_id=str(wanted.story.story_id), then="the newer brief stays")
            return True

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), timeout=seconds)
