"""A model may only reword: what it adds, changes or leaves out is refused, and whatever it does, the extractive brief stands."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from services.publish.brief.audit import audit
from services.publish.brief.compose import compose
from services.publish.brief.model import Budget, Model, ModelSettings
from services.publish.brief.rewrite import merge, parse, question
from shared.contracts import Brief
from tests.brief.made_up import source, story

FIRST = """
A court in Norwell on Thursday blocked a copper mine that Tarrant Resources had planned in the Ashen valley.
Chief Daniel Oro said that the valley "is not for sale, today or ever".
Tarrant Resources said it would appeal against the ruling of the court in Norwell.
"""
SECOND = """
A court in Norwell on Thursday blocked a copper mine that Tarrant Resources had planned in the Ashen valley.
Shares in Tarrant Resources lost 22% on Thursday, their steepest fall since 2015.
"""
SOURCES = [source(1, "Court in Norwell blocks mine", FIRST), source(2, "Tarrant loses Ashen mine", SECOND)]
STORY = story(SOURCES, headline="Court blocks mine")
BRIEF = compose(STORY, SOURCES)


def shape(**changes: str) -> dict[str, Any]:
    """Give the brief as a model would answer it, with some sentences or headings changed."""
    return {
        "sections": [
            {
                "heading": changes.get(section.heading, section.heading),
                "sentences": [
                    next((new for start, new in changes.items() if sentence.text.startswith(start)), sentence.text)
                    for sentence in section.sentences
                ],
            }
            for section in BRIEF.sections
        ]
    }


def said(brief: Brief) -> list[str]:
    return [sentence.text for section in brief.sections for sentence in section.sentences]


def test_the_made_up_brief_has_what_the_tests_change() -> None:
    assert any(text.startswith("A court") for text in said(BRIEF))
    assert any(text.startswith("Shares") for text in said(BRIEF))


def test_a_better_wording_is_taken_with_the_same_citations() -> None:
    new = "On Thursday a court in Norwell blocked a copper mine planned by Tarrant Resources in the Ashen valley."
    done = merge(BRIEF, shape(**{"A court": new}), SOURCES, "editor-1")
    assert new in said(done.brief)
    assert done.brief.made_by == "editor-1"
    assert done.outcomes["sentence_taken"] == 1
    assert [s.citations for section in done.brief.sections for s in section.sentences] == [
        s.citations for section in BRIEF.sections for s in section.sentences
    ]
    assert audit(done.brief, SOURCES) == []


@pytest.mark.parametrize(
    ("start", "new"),
    [
        ("Shares", "Shares in Tarrant Resources lost 32% on Thursday, their steepest fall since 2015."),
        ("Shares", "Shares in Tarrant Resources gained 22% on Thursday, their steepest rise since 2015."),
        ("Shares", "Shares in Tarrant Resources lost 22% on Friday, their steepest fall since 2015."),
        ("Shares", "Shares in Tarrant Resources lost 22% on Thursday, their steepest fall since 2015, which Alan Pryor regretted."),
        ("Shares", "Shares in Tarrant Resources and Brandt lost 22% on Thursday, their steepest fall since 2015."),
        ("A court", "A court in Norwell on Thursday did not block a copper mine that Tarrant Resources had planned in the Ashen valley."),
        (
            "A court",
            "A court in Norwell may have blocked a copper mine that Tarrant Resources had planned in the Ashen valley on Thursday.",
        ),
        ("A court", "It blocked a copper mine that Tarrant Resources had planned in the Ashen valley on Thursday."),
        ("A court", "<b>A court</b> in Norwell on Thursday blocked a copper mine that Tarrant Resources had planned in the Ashen valley."),
        ("A court", "A court in Norwell on Thursday blocked a copper mine of Tarrant Resources in the Ashen valley [1][2][3]."),
        ("A court", "The weather in Norwell is fine today and everybody is happy about it."),
        ("A court", "A court in Norwell on Thursday rightly blocked a terrible copper mine that greedy Tarrant Resources had planned."),
        ("A court", ""),
        ("A court", "word " * 5_000),
    ],
)
def test_a_lie_is_refused_and_the_extractive_sentence_stays(start: str, new: str) -> None:
    done = merge(BRIEF, shape(**{start: new}), SOURCES, "liar")
    assert said(done.brief) == said(BRIEF)
    assert done.outcomes["sentence_taken"] == 0
    assert done.brief.made_by == "extractive"


def test_headings_are_checked_too() -> None:
    heading = BRIEF.sections[0].heading
    good = merge(BRIEF, shape(**{heading: "Norwell court blocks Tarrant's copper mine"}), SOURCES, "editor-1").brief
    assert good.sections[0].heading == "Norwell court blocks Tarrant's copper mine"
    for bad in ("Mine", "Norwell court approves Tarrant's copper mine", "Prime minister resigns after mine scandal in Norwell", "x " * 40):
        assert merge(BRIEF, shape(**{heading: bad}), SOURCES, "liar").brief.sections[0].heading == heading


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(allow_nan=True), st.text(max_size=30)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["sections", "sentences", "heading", "text", "citations", "x"]), inner, max_size=4),
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_any_answer_leaves_a_brief_that_holds(answer: object) -> None:
    done = merge(BRIEF, answer, SOURCES, "noise")
    assert audit(done.brief, SOURCES) == []
    assert len(done.brief.sections) == len(BRIEF.sections)


def test_an_answer_in_a_fence_is_read_and_none_is_refused() -> None:
    assert parse('Sure!\n```json\n{"sections": []}\n```') == {"sections": []}
    for bad in ("", "no", "{", '{"a": }', "[" * 100_000, '{"a":' * 100_000 + "}" * 100_000):
        with pytest.raises(ValueError, match=r"."):
            parse(bad)


def test_the_question_holds_the_brief_alone() -> None:
    asked = question(BRIEF, "en")
    assert json.loads(asked[1]["content"])["sections"][0]["heading"] == BRIEF.sections[0].heading


def test_a_budget_counts_the_last_hour() -> None:
    budget = Budget(2)
    assert [budget.take(at) for at in (0.0, 10.0, 20.0, 3_599.0, 3_600.0, 3_605.0, 3_610.0)] == [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def endpoint() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """Serve a handler as an endpoint on the loopback address."""
    runners: list[web.AppRunner] = []

    async def serve(handler: Handler) -> str:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        return f"http://127.0.0.1:{port}/v1/chat/completions"

    yield serve
    for runner in runners:
        await runner.cleanup()


async def improved(url: str, **other: Any) -> Brief | None:
    async with aiohttp.ClientSession() as session:
        model = Model(ModelSettings(url=url, model="editor-1", key="k", **other), session, clock=lambda: 0.0)
        return await model.improve(STORY, BRIEF, SOURCES)


def answering(content: object) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer k"
        return web.json_response({"choices": [{"message": {"content": content}}]})

    return answer


async def test_a_good_endpoint_improves(endpoint: Callable[[Handler], Awaitable[str]]) -> None:
    new = "On Thursday a court in Norwell blocked a copper mine planned by Tarrant Resources in the Ashen valley."
    brief = await improved(await endpoint(answering(json.dumps(shape(**{"A court": new})))))
    assert brief is not None
    assert new in said(brief)


async def _broken(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text="oops")


async def _html(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>not json</html>", content_type="text/html")


async def _odd(_: web.Request) -> web.StreamResponse:
    return web.json_response({"choices": []})


async def _redirect(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})


async def _verbose(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(200):
        await response.write(b'"' + b"word " * 4_000)
    return response


async def _hanging(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"choices": [')
    await asyncio.Event().wait()  # until the client goes
    return response


@pytest.mark.parametrize(
    "handler", [_broken, _html, _odd, _redirect, _verbose, answering(5), answering("I can't do that."), answering("{}")]
)
async def test_a_broken_or_verbose_endpoint_changes_nothing(handler: Handler, endpoint: Callable[[Handler], Awaitable[str]]) -> None:
    assert await improved(await endpoint(handler)) is None


async def test_a_lying_endpoint_changes_nothing(endpoint: Callable[[Handler], Awaitable[str]]) -> None:
    lies = shape(
        **{"A court": "A court in Sudmark on Friday approved a copper mine that Tarrant Resources had planned in the Ashen valley."}
    )
    assert await improved(await endpoint(answering(json.dumps(lies)))) is None


async def test_a_slow_endpoint_is_given_up(endpoint: Callable[[Handler], Awaitable[str]]) -> None:
    async with asyncio.timeout(20):
        assert await improved(await endpoint(_hanging), timeout_s=0.2) is None


async def test_an_endpoint_that_is_not_there_and_a_spent_budget_change_nothing() -> None:
    assert await improved("http://127.0.0.1:1/v1/chat/completions", timeout_s=5) is None
    assert await improved("http://127.0.0.1:1/v1/chat/completions", budget_per_hour=0) is None
