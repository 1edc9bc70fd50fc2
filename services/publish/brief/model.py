"""Asks an OpenAI-compatible endpoint to rewrite a brief, within a time and a budget; whatever goes wrong, the extractive brief stays.

The worker publishes the extractive brief first and calls `improve` afterwards, so that no endpoint can delay it.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from services.publish.brief.rewrite import Rewriting, merge, parse, question
from services.publish.brief.source import Source
from shared import metrics
from shared.contracts import Brief, Story
from shared.logs import get_logger

log = get_logger()

HOUR_S = 3_600.0
ANSWER_BYTES = 400_000
"""More of an answer is not read: a brief has a few thousand characters."""

OUTCOMES = metrics.counter("slugline_brief_model_total", "Lines and answers of the briefs' model by outcome", "outcome")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Where the model is, and how much it may take."""

    url: str
    """The chat completions address, such as https://host/v1/chat/completions."""
    model: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0
    """Seconds for an answer, whole."""
    budget_per_hour: int = 200
    """Questions within any hour."""


class Budget:
    """Counts questions within the last hour; the time is given by whoever asks."""

    def __init__(self, per_hour: int) -> None:
        """Start with nothing spent."""
        self._per_hour = per_hour
        self._asked: deque[float] = deque()

    def take(self, now_s: float) -> bool:
        """Spend one question at a time in seconds; False if none is left."""
        if self.wait_s(now_s):
            return False
        self._asked.append(now_s)
        return True

    def wait_s(self, now_s: float) -> float:
        """Give for how many seconds there is no question left; 0 if there is one."""
        while self._asked and now_s - self._asked[0] >= HOUR_S:
            self._asked.popleft()
        if len(self._asked) < self._per_hour:
            return 0.0
        return self._asked[0] + HOUR_S - now_s if self._asked else HOUR_S


class ModelFailed(Exception):
    """The endpoint gave nothing that can be used; the message is a stable reason."""


class Model:
    """One endpoint, asked over one session."""

    def __init__(
        self, settings: ModelSettings, session: aiohttp.ClientSession, clock: Callable[[], float], budget: Budget | None = None
    ) -> None:
        """Wire; `clock` gives monotonic seconds, `budget` counts on over several sessions."""
        self.settings = settings
        self._session = session
        self._clock = clock
        self._budget = budget or Budget(settings.budget_per_hour)

    async def improve(self, story: Story, brief: Brief, sources: Sequence[Source]) -> Brief | None:
        """Give the brief with what of the model's wording holds; None if nothing does, for whatever reason. Never raises."""
        if not brief.sections:
            return None
        if not self._budget.take(self._clock()):
            self._fail(story, "budget_spent")
            return None
        reason = ""
        answer: object = None
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                answer = parse(await self._ask(brief, story.language))
        except ModelFailed as error:
            reason = str(error)
        except TimeoutError:
            reason = "timeout"
        except (aiohttp.ClientError, OSError):
            reason = "unreachable"
        except ValueError:
            reason = "not_json"
        if reason:
            self._fail(story, reason)
            return None
        judged = await asyncio.get_running_loop().run_in_executor(None, partial(merge, brief, answer, tuple(sources), self.settings.model))
        return self._count(story, judged)

    async def _ask(self, brief: Brief, language: str) -> str:
        headers = {"Authorization": f"Bearer {self.settings.key}"} if self.settings.key else {}
        body = {"model": self.settings.model, "messages": question(brief, language), "temperature": 0}
        async with self._session.post(self.settings.url, json=body, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise ModelFailed(f"status_{response.status}")
            read = bytearray()
            async for part in response.content.iter_chunked(16_384):
                read += part
                if len(read) > ANSWER_BYTES:
                    raise ModelFailed("too_long")
        answer = json.loads(read)
        try:
            content = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            raise ModelFailed("not_an_answer") from error
        if not isinstance(content, str):
            raise ModelFailed("not_an_answer")
        return content

    def _fail(self, story: Story, reason: str) -> None:
        OUTCOMES.labels(reason).inc()
        log.warning("brief_model_failed", story_id=str(story.story_id), reason=reason, then="the extractive brief stays")

    def _count(self, story: Story, judged: Rewriting) -> Brief | None:
        outcomes: Counter[str] = judged.outcomes
        for outcome, count in outcomes.items():
            OUTCOMES.labels(outcome).inc(count)
        log.info("brief_rewritten", story_id=str(story.story_id), **outcomes)
        return judged.brief if judged.brief.made_by == self.settings.model else None
