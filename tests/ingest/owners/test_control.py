"""All fetching stopped and resumed, and outlets blocked and freed, by one command each, in workers that run."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from services.ingest.cli import feeds_app
from services.ingest.config import IngestSettings
from services.ingest.control import ALL, BLOCKED, Control, domain_key, domain_of, followed
from services.ingest.fetch.discover import PageOutcome
from services.ingest.fetch.logic import FetchLogic
from services.ingest.http import Fetcher
from services.ingest.poll.discover import PollOutcome
from services.ingest.poll.logic import PollLogic
from services.ingest.poll.state import FeedState
from shared.contracts import DeadLetter, Feed
from shared.errors import Refused
from shared.ids import feed_id
from shared.kafka.decision import Decision, Output, SourceRecord
from shared.settings import Settings
from tests.ingest.owners.test_fetch import CONTEXT, discovered
from tests.ingest.owners.test_poll import context_of, registration

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT_S = 30


@pytest.mark.parametrize(
    ("said", "domain"),
    [
        ("https://WWW.Outlet.co.uk/feed?x#y", "outlet.co.uk"),
        ("www.outlet.co.uk:8080", "outlet.co.uk"),
        ("user:pass@m.outlet.co.uk", "outlet.co.uk"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127.0.0.1:99", "127.0.0.1"),
        ("", ""),
        ("https://", ""),
    ],
)
def test_an_outlet_is_its_registrable_domain(said: str, domain: str) -> None:
    assert domain_of(said) == domain


async def test_a_blocked_outlet_is_refused_by_the_fetcher_too() -> None:
    control = Control()
    control.take(domain_key("outlet.example"), b"{}")
    async with Fetcher(IngestSettings(), blocks=control.blocks) as fetcher:
        with pytest.raises(Refused) as refused:
            await fetcher.get("https://news.outlet.example/a")
    assert refused.value.reason == BLOCKED


class Polling:
    """Two outlets' feeds, polled in memory."""

    def __init__(self) -> None:
        self.now = NOW
        self.control = Control()
        self.polled: list[str] = []
        self.something = asyncio.Event()
        context = context_of(self.poll, clock=lambda: self.now, first_interval_s=60, turns=asyncio.Semaphore(2), control=self.control)
        self.logic = PollLogic(context)

    async def poll(self, state: FeedState) -> PollOutcome:
        self.polled.append(state.url)
        return PollOutcome(at=self.now, unchanged=True)

    def add(self, *urls: str) -> None:
        for url in urls:
            feed = Feed(feed_id=feed_id(url), url=url, added_at=self.now)
            self.logic.apply(self.logic.decide(registration(feed, self.now)))

    async def submit(self, decide: Callable[[], Decision]) -> None:
        self.logic.apply(decide())
        self.something.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while len(self.polled) < count:
                self.something.clear()
                await self.something.wait()

    async def settle(self) -> None:
        """Give what could run its turns."""
        for _ in range(50):
            await asyncio.sleep(0)


async def test_stopped_polling_goes_on_where_it_was() -> None:
    polling = Polling()
    polling.control.take(ALL, b"{}")
    polling.add("https://a.example/rss", "https://b.example/rss")
    act = asyncio.create_task(polling.logic.act(polling.submit))
    await polling.settle()
    assert not polling.polled
    polling.control.take(ALL, None)
    await polling.until(2)
    act.cancel()
    await asyncio.gather(act, return_exceptions=True)
    polling.control.take(ALL, b"{}")  # nobody follows any more


async def test_a_blocked_outlets_feeds_wait_and_the_others_do_not() -> None:
    polling = Polling()
    polling.control.take(domain_key("a.example"), b"{}")
    polling.add("https://feeds.a.example/rss", "https://b.example/rss")
    act = asyncio.create_task(polling.logic.act(polling.submit))
    await polling.until(1)
    await polling.settle()
    assert polling.polled == ["https://b.example/rss"]
    polling.control.take(domain_key("a.example"), None)
    await polling.until(2)
    assert polling.polled[1] == "https://feeds.a.example/rss"
    polling.now += timedelta(seconds=200)
    polling.control.take(domain_key("b.example"), b"{}")
    await polling.until(3)
    await polling.settle()
    assert polling.polled[2:] == ["https://feeds.a.example/rss"]
    act.cancel()
    await asyncio.gather(act, return_exceptions=True)


async def test_a_blocked_outlets_pages_become_dead_letters_and_stopped_pages_wait() -> None:
    control = Control()
    control.take(ALL, b"{}")
    control.take(domain_key("shut.example"), b"{}")
    fetched: list[str] = []

    async def fetch(url: str, _etag: str | None, _modified: str | None) -> PageOutcome:
        fetched.append(url)
        return PageOutcome(at=NOW, final_url=url, missing=True)

    logic = FetchLogic(0, replace(CONTEXT, fetch=fetch, control=control, pages=asyncio.Semaphore(2)))
    letters: list[Output] = []
    done = asyncio.Event()

    async def submit(decide: Callable[[], Decision]) -> None:
        decision = decide()
        logic.apply(decision)
        letters.extend(decision.outputs)
        if not logic.pending:
            done.set()

    for number, url in enumerate(("https://shut.example/1", "https://open.example/1")):
        discovery = discovered(url, summary="The feed's own words.")
        record = SourceRecord("discoveries.v1", 0, number, b"host", discovery.to_bytes(), int(NOW.timestamp() * 1000))
        logic.apply(logic.decide(record))
    act = asyncio.create_task(logic.act(submit))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not fetched
    control.take(ALL, None)
    async with asyncio.timeout(LIMIT_S):
        await done.wait()
    act.cancel()
    await asyncio.gather(act, return_exceptions=True)
    assert fetched == ["https://open.example/1"]
    assert sorted(letter.value.reason for letter in letters if isinstance(letter.value, DeadLetter)) == [BLOCKED, "page_gone"]


async def test_commands_reach_workers_that_run_and_those_that_start_later(clean_topics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real broker: the commands write, a running worker follows, a new one knows all from its start."""
    monkeypatch.setenv("SLUGLINE_KAFKA_BOOTSTRAP_SERVERS", clean_topics)
    settings = Settings.load()

    async def command(*arguments: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, feeds_app, [*arguments])
        assert result.exit_code == 0, result.output
        return result.output

    async with asyncio.timeout(120), followed(settings) as running:
        changed = asyncio.Event()
        running.follow(changed.set)
        assert not running.stopped
        await command("stop-all")
        await command("block", "https://www.outlet.co.uk/feed")
        while not (running.stopped and running.blocked):
            changed.clear()
            await changed.wait()
        assert "blocked outlet.co.uk" in await command("held")
        async with followed(settings) as later:
            assert later.stopped
            assert later.blocks("https://m.outlet.co.uk/x")
        assert '"stopped": true' in await command("status", "--json")
        await command("resume-all")
        await command("unblock", "outlet.co.uk")
        while running.stopped or running.blocked:
            changed.clear()
            await changed.wait()
