"""A model that rewords briefs, behind the real worker on the real broker and database: whatever it does, the extractive brief is there first."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientSession, web
from prometheus_client import REGISTRY

from deploy.local.ports import free_port
from services.publish.brief.app import run as run_briefs
from services.publish.config import BriefSettings, MaterialiseSettings, PublishSettings
from services.publish.connect import Connection
from services.publish.materialise.app import run as run_rows
from shared.contracts import Brief
from shared.topics import STORY_BRIEFS
from tests.publish.made_up import article, made_id, member, story
from tests.publish.stack import eventually, put, read_topic, running

pytestmark = pytest.mark.stack

ICE = (
    "The harbour of Oren froze over on Tuesday for the first time in 40 years. Pilot boats stayed in port, the harbour master Ida Holm said. "
    "Three tankers wait outside the breakwater until an icebreaker comes from Lisse on Thursday."
)
SAID = "The harbour of Oren froze over on Tuesday for the first time in 40 years."
REWORDED = "On Tuesday the harbour of Oren froze over for the first time in 40 years."
LIE = "The harbour of Oren froze over on Friday for the first time in 90 years."

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[BriefSettings]]


@pytest.fixture
async def serve(settings: PublishSettings, clean_topics: str) -> AsyncIterator[Serve]:
    """Serve an endpoint on the loopback address and give settings of a brief worker that asks it."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> BriefSettings:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", handler)
        runner = web.AppRunner(app, handler_cancellation=True)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return BriefSettings(
            database_url=settings.database_url,
            kafka_bootstrap_servers=clean_topics,
            status_interval_s=0.1,
            brief_sweep_interval_s=0.2,
            brief_model_url=f"http://127.0.0.1:{runner.addresses[0][1]}/v1/chat/completions",
            brief_model_name="editor-1",
            brief_model_timeout_s=20,
        )

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def rows(settings: PublishSettings, clean_topics: str) -> AsyncIterator[None]:
    """Run a materialiser."""
    told = MaterialiseSettings(database_url=settings.database_url, kafka_bootstrap_servers=clean_topics, status_interval_s=0.1)
    async with running(run_rows, told):
        yield


async def reworded(request: web.Request, said: str = SAID, new: str = REWORDED) -> web.StreamResponse:
    """Answer with what was asked, one sentence in other words."""
    asked = (await request.json())["messages"][1]["content"]
    return web.json_response({"choices": [{"message": {"content": asked.replace(said, new)}}]})


async def made_by(connection: Connection, revision: int = 1) -> Any:
    return await connection.fetchval(
        "SELECT made_by FROM story_briefs WHERE story_id = $1 AND story_revision = $2 AND sections <> '[]'", made_id("story"), revision
    )


async def records(settings: BriefSettings) -> list[Brief]:
    return [Brief.from_bytes(record.value) for record in await read_topic(settings.kafka_bootstrap_servers, STORY_BRIEFS)]


def texts(brief: Brief) -> list[str]:
    return [sentence.text for section in brief.sections for sentence in section.sentences]


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("slugline_brief_model_total", {"outcome": outcome}) or 0.0


async def test_the_reworded_brief_follows_the_extractive_one(serve: Serve, rows: None, connection: Connection) -> None:
    """Two records: the extractive brief, then the same citations in the model's words; /metrics counts what was taken."""
    settings = (await serve(reworded)).model_copy(update={"health_port": free_port()})
    async with running(run_briefs, settings), ClientSession() as session:
        await put(settings.kafka_bootstrap_servers, article(text=ICE), member(), story())
        await eventually(lambda: _is(connection, "editor-1"))
        async with session.get(f"http://127.0.0.1:{settings.health_port}/metrics") as shown:
            assert 'slugline_brief_model_total{outcome="sentence_taken"}' in await shown.text()
    first, second = await records(settings)
    assert (first.made_by, second.made_by) == ("extractive", "editor-1")
    assert SAID in texts(first)
    assert REWORDED in texts(second)
    assert [s.citations for part in first.sections for s in part.sentences] == [
        s.citations for part in second.sections for s in part.sentences
    ]


async def test_a_slow_endpoint_delays_no_brief_and_no_end(serve: Serve, rows: None, connection: Connection) -> None:
    """While a question hangs, briefs of later revisions are made; the worker ends although it still hangs."""
    asked = asyncio.Event()

    async def hanging(_: web.Request) -> web.StreamResponse:
        asked.set()
        return await asyncio.Event().wait()  # type: ignore[return-value]

    settings = await serve(hanging)
    async with running(run_briefs, settings):
        await put(settings.kafka_bootstrap_servers, article(text=ICE), member(), story())
        await asyncio.wait_for(asked.wait(), timeout=30)
        for revision in (2, 3):
            await put(settings.kafka_bootstrap_servers, story(revision=revision))
            await eventually(partial(_is, connection, "extractive", revision))
    assert {brief.made_by for brief in await records(settings)} == {"extractive"}


async def test_what_waited_when_a_worker_ended_the_next_takes_up(serve: Serve, rows: None, connection: Connection) -> None:
    """A story does not stay without the model's words because its question was open when the worker ended."""
    asked = asyncio.Event()
    hangs = True

    async def at_first_hanging(request: web.Request) -> web.StreamResponse:
        asked.set()
        return await asyncio.Event().wait() if hangs else await reworded(request)  # type: ignore[return-value]

    settings = await serve(at_first_hanging)
    async with running(run_briefs, settings):
        await put(settings.kafka_bootstrap_servers, article(text=ICE), member(), story())
        await asyncio.wait_for(asked.wait(), timeout=30)
        await eventually(partial(_is, connection, "extractive"))
    hangs = False
    async with running(run_briefs, settings):
        await eventually(partial(_is, connection, "editor-1"))
    assert [brief.made_by for brief in await records(settings)] == ["extractive", "editor-1"]


async def test_an_answer_that_comes_too_late_replaces_nothing(serve: Serve, rows: None, connection: Connection) -> None:
    """The article is corrected while the model thinks: its words of the old brief are thrown away, those of the new one taken."""
    asked, told = asyncio.Event(), asyncio.Event()

    async def thinking(request: web.Request) -> web.StreamResponse:
        asked.set()
        await told.wait()
        return await reworded(request)

    settings = await serve(thinking)
    outdated = counted("outdated")
    corrected = ICE.replace("Three tankers", "Four tankers")
    async with running(run_briefs, settings):
        await put(settings.kafka_bootstrap_servers, article(text=ICE), member(), story())
        await asyncio.wait_for(asked.wait(), timeout=30)
        await put(settings.kafka_bootstrap_servers, article(version=2, text=corrected), member(version=2), story(revision=2))
        await eventually(lambda: _is(connection, "extractive", 2))
        told.set()
        await eventually(lambda: _is(connection, "editor-1", 2))
    assert counted("outdated") == outdated + 1
    assert [(brief.story_revision, brief.made_by) for brief in await records(settings) if brief.sections][-2:] == [
        (2, "extractive"),
        (2, "editor-1"),
    ]
    assert not any(brief.made_by == "editor-1" and "Three" in " ".join(texts(brief)) for brief in await records(settings))


async def broken(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503, text="overloaded")


async def verbose(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(100):
        await response.write(b'"' + b"word " * 4_000)
    return response


async def chatty(_: web.Request) -> web.StreamResponse:
    return web.json_response({"choices": [{"message": {"content": "Certainly! Here is what I think of harbours."}}]})


async def lying(request: web.Request) -> web.StreamResponse:
    return await reworded(request, new=LIE)


@pytest.mark.parametrize(
    ("handler", "outcome"), [(broken, "status_503"), (verbose, "too_long"), (chatty, "not_json"), (lying, "sentence_not_stated")]
)
async def test_a_broken_verbose_or_lying_endpoint_is_counted_and_changes_nothing(
    handler: Handler, outcome: str, serve: Serve, rows: None, connection: Connection
) -> None:
    """Each failure has its count; the extractive brief is the only record."""
    before = counted(outcome)
    settings = await serve(handler)
    async with running(run_briefs, settings):
        await put(settings.kafka_bootstrap_servers, article(text=ICE), member(), story())
        await eventually(lambda: _is(connection, "extractive"))
        await eventually(lambda: _more(outcome, before))
    assert [brief.made_by for brief in await records(settings)] == ["extractive"]


async def test_a_spent_budget_asks_nothing_more(serve: Serve, rows: None, connection: Connection) -> None:
    """Within the hour the endpoint gets as many questions as the budget has; the other briefs stay extractive."""
    questions: list[str] = []

    async def counting(request: web.Request) -> web.StreamResponse:
        questions.append(json.loads((await request.json())["messages"][1]["content"])["language"])
        return await reworded(request)

    settings = (await serve(counting)).model_copy(update={"brief_model_budget_per_hour": 1})
    spent = counted("budget_spent")
    async with running(run_briefs, settings):
        await put(settings.kafka_bootstrap_servers, article(text=ICE), member(), story())
        await eventually(lambda: _is(connection, "editor-1"))
        await put(settings.kafka_bootstrap_servers, story(revision=2))
        await eventually(lambda: _is(connection, "extractive", 2))
        await eventually(lambda: _more("budget_spent", spent))
    assert len(questions) == 1


async def _is(connection: Connection, name: str, revision: int = 1) -> bool:
    return bool(await made_by(connection, revision) == name)


async def _more(outcome: str, before: float) -> bool:
    return counted(outcome) > before
