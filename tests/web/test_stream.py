"""The event stream: it resumes without a hole and without a double, or says that it can't."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from services.publish.feeds.define import View, put_view
from services.publish.maintain import prune_history
from services.publish.web.config import WebSettings
from services.publish.web.fanout import Fanout, Interest, Listener
from services.publish.web.position import is_ahead, is_behind, read_position, write_position
from shared import ids
from shared.contracts import StoryStatus, StoryUpdated
from shared.topics import STORY_UPDATES
from tests.web.conftest import Web, serving, until
from tests.web.newsroom import Newsroom, Report, made_id


@dataclass
class Heard:
    """One message of a stream."""

    event: str
    data: Any
    event_id: str


class Ear:
    """A listener that keeps the last id as a browser does."""

    def __init__(self, content: aiohttp.StreamReader, last_id: str = "") -> None:
        self._content = content
        self.last_id = last_id
        self.ended = False

    async def messages(self) -> AsyncIterator[Heard]:
        event, data = "message", []
        async for raw in self._content:
            line = raw.decode().rstrip("\n")
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                event = value
            elif name == "data":
                data.append(value)
            elif line == "":
                if data:
                    yield Heard(event, json.loads("\n".join(data)), self.last_id)
                event, data = "message", []
        self.ended = True

    async def take(self, count: int, limit_s: float = 15) -> list[Heard]:
        """Give the next messages."""
        heard: list[Heard] = []
        async with asyncio.timeout(limit_s):
            async for message in self.messages():
                heard.append(message)
                if len(heard) == count:
                    break
        return heard

    async def take_some(self, count: int, limit_s: float = 0.5) -> list[Heard]:
        """Give the next messages, or as many as come in time."""
        heard: list[Heard] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                async for message in self.messages():
                    heard.append(message)
                    if len(heard) == count:
                        break
        return heard

    async def stand(self, limit_s: float = 15) -> str:
        """Wait for the first id."""
        async with asyncio.timeout(limit_s):
            async for raw in self._content:
                if raw.startswith(b"id: "):
                    self.last_id = raw.decode()[4:].strip()
                    return self.last_id
        raise AssertionError


@asynccontextmanager
async def listening(web: Web, query: str = "", last_id: str | None = None) -> AsyncIterator[Ear]:
    headers = {"Last-Event-ID": last_id} if last_id is not None else {}
    timeout = aiohttp.ClientTimeout(total=None)
    async with web.session.get(f"{web.url}/api/stream{query}", headers=headers, timeout=timeout) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Ear(answer.content, last_id or "")


def update(name: str, revision: int, language: str = "en") -> StoryUpdated:
    return StoryUpdated(
        event_id=ids.event_id(made_id(name), revision),
        story_id=made_id(name),
        revision=revision,
        reason="created" if revision == 1 else "article_added",
        status=StoryStatus.OPEN,
        article_count=revision,
        publisher_count=1,
        headline=f"{name} {revision}",
        language=language,
        first_published_at="2026-01-01T00:00:00Z",
        last_published_at="2026-01-01T00:00:00Z",
    )


async def settled(web: Web, position: str) -> None:
    """Wait until the service has read up to a position."""

    async def there() -> bool:
        async with listening(web) as ear:
            return await ear.stand() == position

    await until(there)


def told(heard: list[Heard]) -> list[tuple[str, int]]:
    return [(message.data["headline"].split()[0], message.data["revision"]) for message in heard if message.event == "story"]


async def test_a_burst_is_handed_on_as_fast_as_it_is_taken(web: Web, newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """More revisions at once than may wait for a listener: one that reads hears all, and the database is not asked again for it."""
    caught_up: list[Listener] = []
    monkeypatch.setattr(Fanout, "_read_up", lambda _, listener: caught_up.append(listener))
    await newsroom.put(update("burst", 1), partition=0)
    await settled(web, "0:1")
    async with listening(web) as ear:
        await ear.stand()
        many = 3 * web.settings.stream_pending_events
        await newsroom.put(*(update("burst", revision) for revision in range(2, many + 2)), partition=0)
        assert told(await ear.take(many)) == [("burst", revision) for revision in range(2, many + 2)]
    assert not caught_up


async def test_who_wants_no_single_revisions_hears_once_a_second_which_stories_have_one(web: Web, newsroom: Newsroom) -> None:
    """A page of a list: many changes are one word, of its own feed alone; other feeds' rows stand apart; a return is a `reset`."""
    await newsroom.story("one", "one 1", [Report("Outlet", "x")])
    await settled(web, "0:1")
    async with listening(web, "?feed=language/en&rows=1&revisions=0") as ear:
        await ear.stand()
        for revision in range(1, 6):
            await newsroom.put(update("two", revision), partition=0)
        german, english = made_id("drei"), made_id("two")
        await newsroom.story("drei", "drei 1", [Report("Blatt", "x", language="de")], language="de")
        revised: set[str] = set()
        rows: set[str] = set()
        async with asyncio.timeout(15):
            while str(german) not in rows or str(english) not in revised:
                [heard] = await ear.take(1)
                assert heard.event == "rows"
                revised.update(heard.data["revised"])
                rows.update(heard.data["story_ids"])
        assert str(german) not in revised
    async with listening(web, "?feed=language/en&rows=1&revisions=0", last_id="0:1") as ear:
        assert (await ear.take(1))[0].event == "reset"


async def test_a_change_is_heard_at_once(web: Web, newsroom: Newsroom) -> None:
    """Listeners of everything, of the language and of the story hear it; another story's does not."""
    await newsroom.story("other", "other 1", [Report("Outlet", "x")])
    await newsroom.put(update("one", 1))
    await settled(web, "0:2")
    queries = ("", "?feed=language/en", "?feed=top", f"?story={made_id('one')}")
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(listening(web, query)) for query in queries]
        other = await stack.enter_async_context(listening(web, f"?story={made_id('other')}"))
        for ear in (*ears, other):
            await ear.stand()
        await newsroom.put(update("one", 2))
        for ear in ears:
            assert told(await ear.take(1)) == [("one", 2)]
        await newsroom.put(update("other", 2))
        assert told(await other.take(1)) == [("other", 2)]


async def test_a_resumed_stream_has_no_hole_and_no_double(web: Web, newsroom: Newsroom) -> None:
    """A listener that leaves and comes back at random moments, while three partitions are written, hears each revision once, in order."""
    chance = random.Random(7)
    names = [f"story{n}" for n in range(6)]
    languages = ("en", "es", "de")
    revisions = dict.fromkeys(names, 0)
    written: list[tuple[str, int]] = []

    async def write() -> None:
        for _ in range(120):
            batch = []
            for name in chance.sample(names, chance.randint(1, 4)):
                revisions[name] += 1
                batch.append(update(name, revisions[name], languages[names.index(name) % 3]))
                written.append((name, revisions[name]))
            await newsroom.put(*batch)

    async with listening(web) as ear:
        last_id = await ear.stand()
    writing = asyncio.create_task(write())
    heard: list[tuple[str, int]] = []
    deadline = asyncio.get_running_loop().time() + 60
    while not (writing.done() and len(heard) >= len(written)) and asyncio.get_running_loop().time() < deadline:
        async with listening(web, last_id=last_id) as ear:
            part = await ear.take_some(chance.randint(1, 15))
            heard += told(part)
            last_id = part[-1].event_id if part else last_id
    await writing
    assert sorted(heard) == sorted(written)
    for name in names:
        assert [revision for found, revision in heard if found == name] == list(range(1, revisions[name] + 1))


async def test_each_filter_resumes_alike(web: Web, newsroom: Newsroom) -> None:
    """A feed's and a story's listeners get what they missed, and an idle one's id moves on."""
    await newsroom.story("German", "German 1", [Report("Blatt", "x", language="de")], language="de")
    await settled(web, "2:1")
    async with listening(web) as ear:
        last_id = await ear.stand()
    await newsroom.put(*(update(name, revision, language) for name, language in (("a", "en"), ("b", "de")) for revision in (1, 2, 3)))
    await settled(web, "0:3;2:4")
    for query, wanted in (("", 6), ("?feed=language/de", 3), (f"?story={made_id('a')}", 3)):
        async with listening(web, query, last_id) as ear:
            assert len(told(await ear.take(wanted))) == wanted
            moved = await ear.stand()
        assert moved == write_position({0: 3, 2: 4})
    async with listening(web, f"?since={last_id}") as ear:
        assert len(await ear.take(6)) == 6


async def test_what_is_no_longer_kept_is_a_reset(web: Web, newsroom: Newsroom) -> None:
    """An id behind what is kept, of another database, or unreadable: `reset`, and the stream goes on from now."""
    async with listening(web) as ear:
        last_id = await ear.stand()
    await newsroom.put(*(update("a", revision) for revision in range(1, 6)))
    await newsroom.connection.execute("DELETE FROM story_updates WHERE source_offset < 3")
    await newsroom.connection.execute("UPDATE consumed_offsets SET first_offset = 3 WHERE topic = $1", STORY_UPDATES.name)
    for lost in ("0:1", "0:99", "rubbish", "0:1;0:2", "99999:1", "x" * 300):
        async with listening(web, last_id=lost) as ear:
            assert (await ear.take(1))[0].event == "reset", lost
    async with listening(web, last_id="0:3") as ear:
        assert told(await ear.take(2)) == [("a", 4), ("a", 5)]
    assert last_id == "-"


async def test_a_listener_that_was_away_for_days_resumes_or_is_reset(web: Web, newsroom: Newsroom) -> None:
    """After the history was pruned by age: whole from what is kept, `reset` for who stands before it, nothing twice."""
    now = newsroom.now
    newsroom.now = now - timedelta(days=10)
    await newsroom.put(*(update("a", revision) for revision in (1, 2, 3)))
    newsroom.now = now
    await newsroom.put(*(update("a", revision) for revision in (4, 5)))
    assert await prune_history(newsroom.connection, 5) == 3
    await newsroom.put(update("a", 6))
    await settled(web, "0:6")
    for query in ("", f"?story={made_id('a')}"):
        async with listening(web, query, "0:2") as ear:
            assert [message.event for message in await ear.take_some(2)] == ["reset"]
        async with listening(web, query, "0:3") as ear:
            heard = await ear.take(3)
            assert told(heard) == [("a", 4), ("a", 5), ("a", 6)]
        async with listening(web, query, heard[1].event_id) as ear:
            assert told(await ear.take(1)) == [("a", 6)]


async def test_rows_are_told_to_who_asks(web: Web, newsroom: Newsroom) -> None:
    """A brief that comes after its story's revision reaches an open page."""
    story_id = await newsroom.story("a", "a 1", [Report("Outlet", "x")])
    await settled(web, "0:1")
    async with listening(web, f"?story={story_id}&rows=1") as ear, listening(web, f"?story={story_id}") as plain:
        await ear.stand()
        await plain.stand()
        await newsroom.story("a", "a 2", [Report("Outlet", "x")], [("Heading", [("A sentence.", [1])])])
        kinds = {message.event for message in await ear.take(2)}
        assert kinds == {"story", "rows"}
        assert [message.event for message in await plain.take(1)] == ["story"]


async def test_a_stream_of_nothing_is_not_found(web: Web, newsroom: Newsroom) -> None:
    """An unknown feed or story is a 404 problem, to HEAD too; a feed without stories that an operator defined is none."""
    await put_view(newsroom.connection, View("ice", "search", "Ice", words="icebreaker"))
    for query in ("feed=nope", "feed=language/xx", "feed=publisher/nope.example", "feed=%00", f"story={made_id('nope')}"):
        status, body, headers = await web.get(f"/api/stream?{query}")
        assert (status, headers["Content-Type"]) == (404, "application/problem+json"), query
        assert "no such" in json.loads(body)["detail"]
    async with web.session.head(f"{web.url}/api/stream?feed=nope") as answer:
        assert (answer.status, await answer.read()) == (404, b"")
    async with listening(web, "?feed=search/ice") as ear:
        await ear.stand()


async def test_a_merged_storys_stream_tells_of_the_merge_and_then_goes_on_where_it_lives(web: Web, newsroom: Newsroom) -> None:
    """Who was away during the merge hears of it first; who heard it, or begins now, gets what happens to the other story."""
    await newsroom.story("a", "a 1", [Report("Outlet", "x")])
    await newsroom.story("b", "b 1", [Report("Outlet", "y")])
    await newsroom.story("a", "a 2", [], status=StoryStatus.MERGED, redirect_to="b", reason="merged")
    await settled(web, "0:3")
    merged = f"?rows=0&story={made_id('a')}"
    async with listening(web, merged, "0:2") as ear:
        assert (await ear.take(1))[0].data["redirect_to"] == str(made_id("b"))
    async with listening(web, merged, ear.last_id) as heard, listening(web, merged) as new:
        await new.stand()
        await newsroom.story("b", "b 2", [Report("Outlet", "y")])
        for follower in (heard, new):
            assert told(await follower.take(1)) == [("b", 2)]
    status, _, headers = await web.get(f"/api/stream{merged}")
    assert (status, headers["Location"]) == (308, f"?rows=0&story={made_id('b')}")


async def test_an_idle_stream_beats_and_ends_with_the_service(settings: WebSettings, newsroom: Newsroom) -> None:
    """Heartbeats carry where the stream stands; a stop ends streams at once."""
    await newsroom.put(update("a", 1))
    async with serving(settings.model_copy(update={"stream_heartbeat_s": 0.1})) as web, listening(web, f"?story={made_id('a')}") as ear:
        await ear.stand()
        await newsroom.put(update("b", 1))

        async def moved() -> bool:
            return await ear.stand() == "0:2"

        await until(moved)
        web.stop.set()
        assert await ear.take_some(1, limit_s=10) == []
        assert ear.ended


async def test_too_many_listeners_are_sent_away(settings: WebSettings) -> None:
    """Beyond the limit the answer is 503 with Retry-After; a place that becomes free is given again."""
    async with serving(settings.model_copy(update={"stream_listeners_per_client": 2})) as web:
        async with listening(web) as first, listening(web) as second:
            await first.stand()
            await second.stand()
            status, body, headers = await web.get("/api/stream")
            assert status == 503
            assert headers["Retry-After"]
            assert json.loads(body)["status"] == 503

        async def free() -> bool:
            async with web.session.get(f"{web.url}/api/stream") as answer:
                return answer.status == 200

        await until(free)


async def test_a_slow_listener_loses_nothing(settings: WebSettings, newsroom: Newsroom) -> None:
    """One that does not read while thousands of events pass gets them from the database when it reads again."""
    async with serving(settings.model_copy(update={"stream_pending_events": 8})) as web, listening(web) as ear:
        await ear.stand()
        count = 3_000
        for start in range(1, count + 1, 500):
            await newsroom.put(*(update("a", revision) for revision in range(start, start + 500)))
        heard = told(await ear.take(count, limit_s=60))
        assert heard == [("a", revision) for revision in range(1, count + 1)]


def test_positions_are_written_and_read() -> None:
    """An id says what a position is; anything else is not one."""
    for position in ({}, {0: 0}, {0: 5, 7: 123456789012}):
        assert read_position(write_position(position)) == position
    for text in ("", "0", "0:", ":1", "0:1;", "0:-1", "0:1;0:1", "a:b", "0:1 ", "٠:١", "0:" + "9" * 30):
        assert read_position(text) is None
    assert is_behind({0: 4}, {0: 5})
    assert not is_behind({1: 1}, {0: 5})
    assert is_ahead({0: 6}, {0: 5})
    assert not is_ahead({0: 5}, {0: 5})


def test_a_listeners_memory_is_bounded() -> None:
    """However much is handed to it, a listener that does not read keeps no more than its limit."""
    listener = Listener(Interest(rows=True), 4, "client")
    for _ in range(100):
        listener.give(object())  # type: ignore[arg-type]
        listener.tell_rows([made_id(str(random.random()))])
    assert listener.lost
    assert not listener.pending
    assert len(listener.take_rows()) < 8_000
