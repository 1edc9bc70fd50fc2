"""robots.txt (RFC 9309) with crawl-delay, by protego, one file an origin, kept for a day."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from protego import Protego

from services.ingest.config import IngestSettings
from services.ingest.http import Fetched
from shared.errors import Refused

MAX_CRAWL_DELAY_S: Final = 300.0
"""A longer delay is taken for this one: it would stop an outlet altogether."""
_UNREACHABLE_AGE_S: Final = 600.0
"""How long an origin whose robots.txt can't be had is left alone before it is asked again."""
_MAX_LINES: Final = 20_000


class Gets(Protocol):
    """What robots.txt is fetched with."""

    async def get(self, url: str, *, accept: str = ..., max_bytes: int | None = ...) -> Fetched:
        """Fetch a URL."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a URL may be fetched, and how long to wait between fetches of its host."""

    allowed: bool
    crawl_delay_s: float | None = None
    reason: str | None = None
    """robots_disallowed, or robots_unreachable (a passing state)."""


class Robots:
    """What one origin's robots.txt says to us."""

    def __init__(self, rules: Protego | None, agent: str, *, unreachable: bool = False) -> None:
        """Keep the rules; None allows everything, unless the file is `unreachable`, which forbids everything."""
        self._rules = rules
        self._agent = agent
        self._unreachable = unreachable

    def verdict(self, url: str) -> Verdict:
        """Judge a URL of this origin."""
        if self._unreachable:
            return Verdict(allowed=False, reason="robots_unreachable")
        if self._rules is None:
            return Verdict(allowed=True)
        delay = self._rules.crawl_delay(self._agent)
        crawl_delay_s = min(float(delay), MAX_CRAWL_DELAY_S) if delay else None
        if self._rules.can_fetch(url, self._agent):
            return Verdict(allowed=True, crawl_delay_s=crawl_delay_s)
        return Verdict(allowed=False, crawl_delay_s=crawl_delay_s, reason="robots_disallowed")


def read_robots(body: bytes, agent: str) -> Robots:
    """Read a robots.txt. Anything is accepted; what is no rule for `agent` (a product token such as `Slugline`) is passed over."""
    return Robots(Protego.parse(_for_agent(body.decode("utf-8", "replace"), agent.lower())), agent)


def product_token(user_agent: str) -> str:
    """Give the name by which robots.txt addresses us: the User-Agent's first word, without version."""
    return user_agent.split(maxsplit=1)[0].split("/", maxsplit=1)[0]


class RobotsCache:
    """robots.txt of many origins, each fetched once while it is believed, however many ask at once."""

    def __init__(self, settings: IngestSettings, fetcher: Gets) -> None:
        """Keep what to fetch with."""
        self._settings = settings
        self._fetcher = fetcher
        self._agent = product_token(settings.user_agent)
        self._kept: OrderedDict[str, tuple[float, Robots]] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[tuple[float, Robots]]] = {}

    async def verdict(self, url: str) -> Verdict:
        """Judge a URL. Raises `Refused` only where the URL itself or its host's address is refused."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()
        now_s = asyncio.get_running_loop().time()
        kept = self._kept.get(origin)
        if kept is None or kept[0] <= now_s:
            task = self._under_way.get(origin)
            if task is None:
                task = asyncio.create_task(self._fetch(origin))
                self._under_way[origin] = task
                task.add_done_callback(lambda _: self._under_way.pop(origin, None))
            # shielded: who waits may be cancelled, the others wait on
            kept = await asyncio.shield(task)
            self._kept[origin] = kept
            while len(self._kept) > self._settings.robots_max_hosts:
                self._kept.popitem(last=False)
        self._kept.move_to_end(origin)
        return kept[1].verdict(url)

    async def _fetch(self, origin: str) -> tuple[float, Robots]:
        clock = asyncio.get_running_loop().time
        try:
            answer = await self._fetcher.get(f"{origin}/robots.txt", accept="text/plain, */*;q=0.5", max_bytes=None)
        except Refused as refusal:
            if refusal.reason in ("address_refused", "url_refused", "scheme_refused"):
                raise
            if refusal.reason == "body_too_large":
                return clock() + self._settings.robots_max_age_s, Robots(None, self._agent)
            return clock() + _UNREACHABLE_AGE_S, Robots(None, self._agent, unreachable=True)
        if answer.status >= 500 or answer.status == 429:
            return clock() + max(_UNREACHABLE_AGE_S, answer.retry_after_s or 0.0), Robots(None, self._agent, unreachable=True)
        if answer.status >= 400:
            # RFC 9309 2.3.1.3: unavailable means that anything may be fetched
            return clock() + self._settings.robots_max_age_s, Robots(None, self._agent)
        age_s = self._settings.robots_max_age_s
        if answer.max_age_s:
            age_s = min(age_s, max(answer.max_age_s, 3_600.0))
        return clock() + age_s, read_robots(answer.body[: self._settings.robots_max_bytes], self._agent)


def _for_agent(text: str, agent: str) -> str:
    """Keep the lines that can matter to us.

    protego files each rule under each agent of its group, so a file of many agents and many rules would grow by their product.
    """
    kept: list[str] = []
    for line in text.splitlines()[:_MAX_LINES]:
        field, colon, value = line.partition("#")[0].partition(":")
        name = field.strip().lower()
        if not colon or len(line) > 4_000:
            continue
        if name in ("user-agent", "useragent", "user agent"):
            asked = value.strip().lower().rstrip("*")
            asked = "*" if value.strip() == "*" else asked.partition("/")[0].strip()
            group = f"user-agent: {asked if asked in ('*', agent) else '~'}"
            if not kept or kept[-1] != group:
                kept.append(group)
        else:
            kept.append(line)
    return "\n".join(kept)
