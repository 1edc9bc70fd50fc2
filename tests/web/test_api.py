"""The JSON API, and how answers are delivered."""

import asyncio
import gzip
import json
from uuid import uuid4

import aiohttp
import pytest

from services.publish.web import connection, pages
from services.publish.web.config import WebSettings
from shared.contracts import StoryStatus
from tests.web.conftest import Web, serving, until
from tests.web.newsroom import FERRY_HEADLINE, FRONT, Newsroom, Report, fill, made_id


async def test_a_feed_is_read_to_its_end_by_cursors(web: Web, newsroom: Newsroom) -> None:
    """Following `next` gives every story once, in the feed's order."""
    await fill(newsroom)
    seen: list[str] = []
    cursor = ""
    while True:
        page = await web.json(f"/api/feeds/language/en?limit=3{cursor}")
        seen += [story["story_id"] for story in page["stories"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    english = {str(made_id(name)) for name, _, _, language in FRONT if language == "en"} | {str(made_id("ferry"))}
    assert len(seen) == len(set(seen)) == len(english)
    assert set(seen) == english


async def test_the_list_of_feeds_names_them(web: Web, newsroom: Newsroom) -> None:
    """Languages and publishers are feeds by themselves."""
    await fill(newsroom)
    feeds = {feed["id"]: feed for feed in (await web.json("/api/feeds"))["feeds"]}
    assert feeds["top"]["title"] == "Top Headlines"
    assert feeds["language/de"]["title"] == "German"
    assert feeds["publisher/meridianwire.example"]["title"] == "Meridian Wire"


async def test_a_story_its_history_and_its_articles(web: Web, newsroom: Newsroom) -> None:
    """A story has its brief, sources, links; `since` says what changed; history and article agree with it."""
    story_id = await fill(newsroom)
    story = await web.json(f"/api/stories/{story_id}?since=2")
    assert story["headline"] == FERRY_HEADLINE
    assert [source["number"] for source in story["sources"]] == [1, 2, 3, 4]
    assert [source["copy_of"] for source in story["sources"]] == [None, None, 1, None]
    assert story["brief"]["sections"][0]["sentences"][0]["citations"] == [1, 2, 3, 4]
    assert story["links"][0]["language"] == "es"
    assert story["changes"]["articles_added"] == [str(made_id("ferry/4"))]
    history = await web.json(f"/api/stories/{story_id}/history?limit=2")
    assert [revision["revision"] for revision in history["revisions"]] == [3, 2]
    older = await web.json(f"/api/stories/{story_id}/history?before={history['next']}")
    assert [revision["revision"] for revision in older["revisions"]] == [1]
    article = await web.json(f"/api/articles/{story['sources'][0]['article_id']}")
    assert (article["story_id"], article["number"]) == (str(story_id), 1)


async def test_search_finds_phrases_and_forgives_misspelling(web: Web, newsroom: Newsroom) -> None:
    """Phrases, languages and days narrow; a misspelt word still finds."""
    story_id = str(await fill(newsroom))
    assert story_id in [s["story_id"] for s in (await web.json('/api/search?q="island crossing"'))["stories"]]
    assert not (await web.json('/api/search?q="crossing island"&language=es'))["stories"]
    assert (await web.json("/api/search?q=harbour&before=2001-01-01"))["stories"] == []
    guessed = await web.json("/api/search?q=beekeepars")
    assert guessed["guessed"]
    assert guessed["stories"][0]["story_id"] == str(made_id("bees"))


async def test_errors_are_problems(web: Web) -> None:
    """Every error is problem+json that says what to do."""
    for path, status in (
        (f"/api/stories/{uuid4()}", 404),
        (f"/api/stories/{uuid4()}/history", 404),
        (f"/api/articles/{uuid4()}", 404),
        ("/api/feeds/language/xx", 404),
        ("/api/nope", 404),
        ("/api/stories/nope", 422),
        ("/api/search", 422),
        ("/api/search?q=x&language=english", 422),
        ("/api/search?q=x&after=yesterday", 422),
        ("/api/search?q=x&before=20260105", 422),
        ("/api/feeds/top?limit=0", 422),
        ("/api/feeds/top?cursor=AAAA", 400),
        ("/api/feeds/top?cursor=%F0%9F%98%80", 400),
        ("/api/feeds/%00", 404),
    ):
        found, body, headers = await web.get(path)
        assert found == status, path
        assert headers["Content-Type"] == "application/problem+json", path
        problem = json.loads(body)
        assert problem["status"] == status, path
        assert problem["title"], path


async def test_any_query_is_survived(web: Web, newsroom: Newsroom) -> None:
    """Searches of odd characters are answered."""
    await fill(newsroom)
    for query in ("%00", "'", '"', '"""', "-", "!!", "a & | b", "(((", "%F0%9F%98%80", "x" * 300, "\\", "%25", "a:*", "<->"):
        for path in ("/search?q=", "/api/search?q="):
            status, _, _ = await web.get(path + query)
            assert status == 200, (path, query)


async def test_the_api_describes_itself(web: Web) -> None:
    """OpenAPI 3.1, whose references all lead somewhere."""
    schema = await web.json("/api/openapi.json")
    assert schema["openapi"].startswith("3.1")
    assert "/api/stories/{story_id}" in schema["paths"]
    known = {f"#/components/schemas/{name}" for name in schema["components"]["schemas"]}

    def references(part: object) -> set[str]:
        if isinstance(part, dict):
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*map(references, part.values()))
        return set().union(*map(references, part)) if isinstance(part, list) else set()

    assert references(schema) <= known


async def test_unchanged_answers_are_304_until_they_change(web: Web, newsroom: Newsroom) -> None:
    """An ETag is honoured by pages, JSON and feeds, and stops matching when a row changes."""
    story_id = await fill(newsroom)
    for path in (f"/api/stories/{story_id}", f"/stories/{story_id}.atom", "/api/feeds/top"):
        _, _, headers = await web.get(path)
        status, body, _ = await web.get(path, headers={"If-None-Match": headers["ETag"]})
        assert (status, body) == (304, "")
    await newsroom.story("ferry", "New headline", [Report("Outlet", "x")])

    async def changed() -> bool:
        answer = await web.get(f"/api/stories/{story_id}", headers={"If-None-Match": headers["ETag"]})
        return answer[0] == 200 and "New headline" in answer[1]

    await until(changed)


async def test_answers_are_compressed_when_asked(web: Web, newsroom: Newsroom) -> None:
    """Gzip for who takes it, plain for who does not."""
    await fill(newsroom)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.get(web.url + "/", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert b"Top Headlines" in gzip.decompress(await answer.read())
        for encoding in ("identity", "gzip;q=0", "br"):
            async with session.get(web.url + "/", headers={"Accept-Encoding": encoding}) as answer:
                assert "Content-Encoding" not in answer.headers
        async with session.head(web.url + "/", headers={"Accept-Encoding": "identity"}) as answer:
            assert answer.status == 200
            assert await answer.read() == b""
            assert int(answer.headers["Content-Length"]) > 1_000


async def test_other_origins_may_read_the_api(settings: WebSettings) -> None:
    """CORS follows the setting, for answers, preflights and the stream."""
    async with serving(settings) as web:
        for path in ("/api/feeds", "/feeds/top.rss"):
            _, _, headers = await web.get(path, headers={"Origin": "https://a.example"})
            assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Origin" not in (await web.get("/"))[2]
    async with serving(settings.model_copy(update={"cors_origins": ("https://a.example",)})) as web:
        _, _, headers = await web.get("/api/feeds", headers={"Origin": "https://a.example"})
        assert headers["Access-Control-Allow-Origin"] == "https://a.example"
        _, _, headers = await web.get("/api/feeds", headers={"Origin": "https://b.example"})
        assert "Access-Control-Allow-Origin" not in headers
        asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
        async with web.session.options(web.url + "/api/feeds", headers=asked) as answer:
            assert answer.status == 204
            assert "Last-Event-ID" in answer.headers["Access-Control-Allow-Headers"]


async def test_a_client_that_asks_too_much_waits(settings: WebSettings) -> None:
    """Beyond the burst the answer is 429 with Retry-After; health is never limited."""
    async with serving(settings.model_copy(update={"rate_per_client_s": 0.1, "rate_burst": 5})) as web:
        statuses = [(await web.get("/api/feeds"))[0] for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        status, body, headers = await web.get("/api/feeds")
        assert status == 429
        assert int(headers["Retry-After"]) >= 1
        assert json.loads(body)["status"] == 429
        assert (await web.get("/live"))[0] == 200


async def test_every_method_has_its_answer(web: Web, newsroom: Newsroom) -> None:
    """HEAD is GET without its body, for the endless stream too; what an address does not take is 405, and Allow says what it takes."""
    story_id = await fill(newsroom)
    for path in ("/api/feeds/top", f"/stories/{story_id}", "/api/stream"):
        async with web.session.head(web.url + path) as answer:
            assert answer.status == 200, path
            assert await answer.read() == b""
    for method in ("POST", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        async with web.session.request(method, f"{web.url}/api/stories/{story_id}") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD"), method
            assert answer.content_type == "application/problem+json"
            assert "Allow" in (await answer.json(content_type=None))["detail"]
    status, body, headers = await web.get("/api")
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    assert "/api/openapi.json" in body


async def test_since_belongs_to_a_story(web: Web, newsroom: Newsroom) -> None:
    """Revisions that a story never had are not told as known; a merged story's reader is led on without the number that is none there."""
    story_id = await fill(newsroom)
    assert (await web.json(f"/api/stories/{story_id}?since=3"))["changes"]["complete"]
    assert not (await web.json(f"/api/stories/{story_id}?since=4"))["changes"]["complete"]
    await newsroom.story("bees", "x", [], status=StoryStatus.MERGED, redirect_to="ferry", reason="merged")
    for path in (f"/api/stories/{made_id('bees')}", f"/stories/{made_id('bees')}"):
        status, _, headers = await web.get(f"{path}?since=1&visit=1")
        assert status == 308
        assert headers["Location"].endswith(f"/stories/{story_id}")


async def raw(web: Web, sent: bytes, limit_s: float = 15) -> bytes:
    """Send bytes as they are, and give what comes back until the server is done or closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", web.settings.web_port)
    try:
        writer.write(sent)
        async with asyncio.timeout(limit_s):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
            return head + await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        return error.partial
    finally:
        writer.close()


async def test_absurd_requests_have_an_answer_and_end(web: Web, newsroom: Newsroom) -> None:
    """None makes a 500, holds memory or stops the service; headers that never end are cut off."""
    story_id = await fill(newsroom)
    get = "GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n"
    for target, header, status in (
        ("/api/search?q=" + "a" * 10_000, "", 422),
        ("/search?q=" + "a+" * 5_000, "", 200),
        ("/%ff%fe", "", 404),
        ("/publishers/%ed%a0%80", "", 404),
        ("/api/feeds/%ed%a0%80", "", 404),
        ("/feeds/publisher/%0d%0aSet-Cookie:x", "", 404),
        ("/", "Range: bytes=0-10\r\n", 200),
        ("/", "Accept-Encoding: " + "gzip;q=" * 500 + "\r\n", 200),
        ("/", "If-None-Match: " + '"a",' * 3_000 + "\r\n", 200),
        ("/api/stream", "Last-Event-ID: " + "9" * 5_000 + "\r\n", 422),
        ("/feeds/top.rss", 'X-Forwarded-Host: evil"><x>\r\n', 200),
    ):
        answer = await raw(web, get.format(target, header).encode())
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), (target[:40], answer[:80])
        assert b"evil" not in answer
        assert b"\nset-cookie" not in answer.lower()
    assert b"evil" not in await raw(web, b'GET /feeds/top.rss HTTP/1.1\r\nHost: evil"><x>\r\n\r\n')
    assert b" 400 " in await raw(web, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000)
    assert b" 400 " in await raw(web, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    form = f"POST /stories/{story_id}/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    assert b" 413 " in await raw(web, f"{form}Content-Length: 150000\r\n\r\n{'x' * 150_000}".encode())
    assert (await web.get("/ready"))[0] == 200


async def test_slow_clients_are_cut_off(web: Web, newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence, headers that come letter by letter and a form that stops in the middle end after a while, each with the answer it can have."""
    story_id = await fill(newsroom)
    monkeypatch.setattr(connection, "HEADERS_S", 0.2)
    monkeypatch.setattr(pages, "FORM_S", 0.2)
    assert await raw(web, b"") == b""
    assert await raw(web, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ") == b""
    form = f"POST /stories/{story_id}/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nwor"
    assert b" 408 " in await raw(web, form.encode())
    assert (await web.get("/"))[0] == 200


async def test_health_and_metrics(web: Web) -> None:
    """Live, ready, and the metrics by route."""
    await web.get("/api/feeds")
    assert (await web.json("/live"))["live"]
    assert (await web.json("/ready"))["ready"]
    _, metrics, _ = await web.get("/metrics")
    assert 'slugline_http_seconds_count{route="/api/feeds",status="200"}' in metrics
    assert "slugline_sse_listeners" in metrics
