"""robots.txt is read as RFC 9309 says, once for all who ask."""

import asyncio

import pytest

from services.ingest.config import IngestSettings
from services.ingest.http import Fetched
from services.ingest.robots import MAX_CRAWL_DELAY_S, RobotsCache, product_token, read_robots
from shared.errors import Refused

ORIGIN = "https://harbour.example"
RULES = b"""
User-agent: *
Disallow: /private
Allow: /private/open
Crawl-delay: 4

User-agent: OtherBot
User-agent: slugline
Disallow: /no-slugline$
Disallow: /*?session=
Crawl-delay: 2.5
"""


def test_our_group_counts_before_the_general_one() -> None:
    """The most specific group is ours alone, with its wildcards and its delay."""
    robots = read_robots(RULES, "Slugline")
    assert robots.verdict(f"{ORIGIN}/private").allowed
    assert robots.verdict(f"{ORIGIN}/news").crawl_delay_s == 2.5
    assert not robots.verdict(f"{ORIGIN}/no-slugline").allowed
    assert robots.verdict(f"{ORIGIN}/no-slugline/at-all").allowed
    assert robots.verdict(f"{ORIGIN}/a?session=1").reason == "robots_disallowed"


def test_others_fall_under_the_general_group() -> None:
    """With the longest rule deciding."""
    robots = read_robots(RULES, "AnotherBot")
    assert not robots.verdict(f"{ORIGIN}/private/x").allowed
    assert robots.verdict(f"{ORIGIN}/private/open").allowed
    assert robots.verdict(f"{ORIGIN}/private").crawl_delay_s == 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\xff\xfe rubbish",
        b"<html>not found</html>",
        b"Disallow: /\n",
        b"User-agent:\nDisallow: /\n",
        b"User-agent: Slug\nDisallow: /\n",
    ],
)
def test_what_says_nothing_to_us_allows_everything(body: bytes) -> None:
    """Rubbish, rules without agent, rules for others."""
    assert read_robots(body, "Slugline").verdict(f"{ORIGIN}/a").allowed


def test_a_delay_is_bounded() -> None:
    """A day between fetches would stop an outlet altogether."""
    assert read_robots(b"User-agent: *\nCrawl-delay: 86400", "Slugline").verdict(f"{ORIGIN}/").crawl_delay_s == MAX_CRAWL_DELAY_S


def test_a_file_of_many_agents_and_rules_costs_no_more_than_its_length() -> None:
    """Rules are not multiplied by the agents they stand under."""
    body = b"".join(b"User-agent: bot%d\n" % number for number in range(9_000)) + b"".join(
        b"Disallow: /%d\n" % number for number in range(9_000)
    )
    robots = read_robots(body, "bot7")
    assert not robots.verdict(f"{ORIGIN}/8999").allowed


def test_the_user_agent_gives_the_product_token() -> None:
    """The first word without version."""
    assert product_token("Slugline/0.1 (+https://slugline.example/bot)") == "Slugline"


class Answers:
    """Stands for the fetcher: one answer for all."""

    def __init__(self, answer: Fetched | Refused) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def get(self, url: str, *, accept: str = "", max_bytes: int | None = None) -> Fetched:
        self.asked.append(url)
        await self.gate.wait()
        if isinstance(self.answer, Refused):
            raise self.answer
        return self.answer


def answer(status: int, body: bytes = b"") -> Fetched:
    return Fetched(status=status, url="", final_url="", redirects=(), permanent_url=None, headers={}, body=body)


async def test_many_who_ask_at_once_fetch_once() -> None:
    """And the answer is kept."""
    fetcher = Answers(answer(200, b"User-agent: *\nDisallow: /x"))
    fetcher.gate.clear()
    cache = RobotsCache(IngestSettings(), fetcher)
    asking = [asyncio.create_task(cache.verdict(f"{ORIGIN}/{name}")) for name in ("x", "y", "z")]
    while not fetcher.asked:
        await asyncio.sleep(0)
    fetcher.gate.set()
    assert [verdict.allowed for verdict in await asyncio.gather(*asking)] == [False, True, True]
    assert (await cache.verdict(f"{ORIGIN}/w")).allowed
    assert fetcher.asked == [f"{ORIGIN}/robots.txt"]


async def test_who_waits_and_leaves_does_not_take_the_answer_along() -> None:
    """The others get theirs."""
    fetcher = Answers(answer(200, b""))
    fetcher.gate.clear()
    cache = RobotsCache(IngestSettings(), fetcher)
    first, second = asyncio.create_task(cache.verdict(f"{ORIGIN}/a")), asyncio.create_task(cache.verdict(f"{ORIGIN}/b"))
    while not fetcher.asked:
        await asyncio.sleep(0)
    first.cancel()
    fetcher.gate.set()
    assert (await second).allowed
    assert len(fetcher.asked) == 1


@pytest.mark.parametrize(
    ("found", "allowed", "reason"),
    [
        (answer(404), True, None),
        (answer(403), True, None),
        (answer(503), False, "robots_unreachable"),
        (answer(429), False, "robots_unreachable"),
        (Refused("connect_failed", "x"), False, "robots_unreachable"),
        (Refused("redirect_loop", "x"), False, "robots_unreachable"),
    ],
)
async def test_a_missing_file_allows_and_an_unreachable_one_forbids(found: Fetched | Refused, allowed: bool, reason: str | None) -> None:
    """RFC 9309, 2.3.1."""
    verdict = await RobotsCache(IngestSettings(), Answers(found)).verdict(f"{ORIGIN}/a")
    assert (verdict.allowed, verdict.reason) == (allowed, reason)


async def test_a_refused_address_is_told_as_it_is() -> None:
    """It is no matter of robots.txt."""
    with pytest.raises(Refused, match="address_refused"):
        await RobotsCache(IngestSettings(), Answers(Refused("address_refused", "x"))).verdict(f"{ORIGIN}/a")


async def test_the_cache_is_bounded() -> None:
    """The origins that were asked for longest ago are forgotten."""
    fetcher = Answers(answer(404))
    cache = RobotsCache(IngestSettings(robots_max_hosts=2), fetcher)
    for name in ("a", "b", "c", "a"):
        await cache.verdict(f"https://{name}.example/")
    assert len(fetcher.asked) == 4
