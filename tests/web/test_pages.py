"""The pages, as a reader without JavaScript gets them."""

import re
from uuid import uuid4

import html5lib
from yarl import URL

from services.publish.web.config import WebSettings
from shared.contracts import StoryStatus
from tests.web.conftest import Web, serving, until
from tests.web.newsroom import FERRY_HEADLINE, FERRY_REPORTS, FERRY_SECTIONS, Newsroom, Report, fill, made_id

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "{{ 7 * 7 }} {% raw %}",
    "</title></h1><svg onload=alert(1)>",
    "&lt;b&gt; &amp; \u202e\u2066 reversed",
)


async def test_a_story_page_says_what_it_is_made_of(web: Web, newsroom: Newsroom) -> None:
    """Headline, counts, sections, citations that lead to numbered sources, sources with their outlets' links."""
    story_id = await fill(newsroom)
    status, page, _ = await web.get(f"/stories/{story_id}")
    assert status == 200
    assert FERRY_HEADLINE in page
    assert "Updated (4 articles)" in page
    assert "4 articles from 3 independent publishers" in page
    assert "Sources (4 articles)" in page
    for heading, _ in FERRY_SECTIONS:
        assert f">{heading}</h2>" in page
    for number, report in enumerate(FERRY_REPORTS, 1):
        assert f'href="#source-{number}"' in page
        assert f'id="source-{number}"' in page
        assert f'href="https://{report.domain}/ferry/{number}" rel="noopener nofollow"' in page
    assert "Nearly the same words as" in page
    assert f'href="/stories/{made_id("power")}" hreflang="es"' in page
    assert len(page.encode()) < 60_000


async def test_pictures_are_shown_only_where_the_operator_allows_them(settings: WebSettings, newsroom: Newsroom) -> None:
    """Off unless set: no page names an outlet's picture. Set: the leading story's and a story's own, with whose it is, and the policy."""
    reports = [Report("Harbour Gazette", "Boats sail", image="https://img.harbour.example/a.jpg?x=1&y=2"), Report("Ledger", "Boats")]
    story_id = await newsroom.story("boats", "Boats sail", reports)
    await newsroom.say_well()
    for sources in ((), ("https://*.harbour.example",)):
        async with serving(settings.model_copy(update={"picture_sources": sources})) as web:
            for path in ("/", f"/stories/{story_id}"):
                _, page, headers = await web.get(path)
                assert f"img-src {' '.join(('self', *sources))};" in headers["Content-Security-Policy"].replace("'", "")
                assert page.count("<img") == len(sources), path
                assert ('<img src="https://img.harbour.example/a.jpg?x=1&amp;y=2" alt=""' in page) == bool(sources), path
                if sources:
                    html5lib.HTMLParser(strict=True).parse(page)
                    assert 'loading="lazy" decoding="async" referrerpolicy="no-referrer"' in page
                    assert re.search(r"Picture: <a href=\"https://harbourgazette\.example/boats/1\"[^>]*><bdi>Harbour Gazette", page)
            answer = await web.json(f"/api/stories/{story_id}")
            assert [found["image"] for found in answer["sources"]] == ["https://img.harbour.example/a.jpg?x=1&y=2", None]


async def test_every_page_is_whole_without_outside_things(web: Web, newsroom: Newsroom) -> None:
    """Each page has its landmarks, stays below 60 KB, and loads nothing from elsewhere; its policy forbids inline script."""
    story_id = await fill(newsroom)
    paths = ["/", "/feeds", "/feeds/language/en", "/search", "/search?q=harbour", "/publishers/meridianwire.example", "/api/docs"]
    paths += [f"/stories/{story_id}", f"/stories/{story_id}?since=2", f"/stories/{story_id}/sources", f"/stories/{story_id}/reports"]
    for path in paths:
        status, page, headers = await web.get(path)
        assert status == 200, (path, page[:500])
        assert len(page.encode()) < 60_000, path
        html5lib.HTMLParser(strict=True).parse(page)
        for landmark in ("<header", "<nav", "<main", "<footer", 'class="skip"'):
            assert landmark in page, (path, landmark)
        assert len(re.findall(r"<h1[ >]", page)) == 1, path
        assert "<style" not in page
        assert not re.search(r"\sstyle=|\son\w+=", page)
        assert not re.search(r"<script(?! src=\"/static/)", page)
        assert not re.search(r'<(?:link|script|img)[^>]+(?:href|src)="(?!/)', page), path
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


async def test_outside_text_is_never_markup(web: Web, newsroom: Newsroom) -> None:
    """Whatever outlets write, in any field, it is text on every page."""
    reports = [Report(text, text, url=url) for text in HOSTILE for url in ("javascript:alert(1)", f"https://x.example/?{text}")]
    sections = [(text, [(text, [1, 2])]) for text in HOSTILE]
    story_id = await newsroom.story("hostile", HOSTILE[0] + HOSTILE[1], reports, sections)
    paths = ["/", "/feeds", "/search?q=alert", f"/search?q={HOSTILE[1]}", f"/stories/{story_id}", f"/stories/{story_id}/sources"]
    for path in [*paths, f"/feeds/{HOSTILE[1]}", f"/publishers/{HOSTILE[0]}"]:
        _, page, _ = await web.get(path)
        for part in ("<script>alert", "<img src=x", "<svg onload", "<b>"):
            assert part not in page, (path, part)
        assert "49" not in re.sub(r'(datetime|data-now|title|value)="[^"]*"', "", page) or "7 * 7" in page
        assert 'href="javascript:' not in page.lower()


async def test_only_web_addresses_become_links(web: Web, newsroom: Newsroom) -> None:
    """An article whose address is not http or https is listed without a link."""
    bad = [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example/x",
        "https://user:pw@x.example/",
        "https://",
        "ftp://x.example/a",
        "http://a b/",
    ]
    story_id = await newsroom.story("links", "Links", [Report(f"Outlet {n}", f"Title {n}", url=url) for n, url in enumerate(bad)])
    _, page, _ = await web.get(f"/stories/{story_id}")
    assert "Title 6" in page
    assert 'rel="noopener nofollow"' not in page


async def test_a_merged_story_leads_to_where_it_lives_on(web: Web, newsroom: Newsroom) -> None:
    """Pages, feeds and the API redirect a merged id, through further merges too."""
    for name in ("a", "b", "c"):
        await newsroom.story(name, name, [Report("Outlet", name)])
    await newsroom.story("a", "a", [], status=StoryStatus.MERGED, redirect_to="b", reason="merged")
    await newsroom.story("b", "b", [], status=StoryStatus.MERGED, redirect_to="c", reason="merged")
    for path in ("/stories/{}", "/stories/{}.rss", "/api/stories/{}", "/stories/{}/sources"):
        status, _, headers = await web.get(path.format(made_id("a")))
        assert status == 308
        assert headers["Location"].endswith(path.format(made_id("c")))


async def test_a_withdrawn_articles_sentences_are_gone_at_once(web: Web, newsroom: Newsroom) -> None:
    """Even while the brief is still the old one, nothing that only the withdrawn article said is shown."""
    story_id = await newsroom.story("ferry", FERRY_HEADLINE, FERRY_REPORTS, FERRY_SECTIONS)
    _, before, _ = await web.get(f"/stories/{story_id}")
    assert "Ida Renn" in before
    gone = [*FERRY_REPORTS[:3], Report("The Valley Observer", "Withdrawn", 12, version=2, withdrawn=True)]
    await newsroom.story("ferry", FERRY_HEADLINE, gone, reason="article_removed", added=())

    async def without() -> str | None:
        _, page, _ = await web.get(f"/stories/{story_id}")
        return page if "Ida Renn" not in page else None

    page = await until(without)
    assert 'href="#source-4"' not in page
    assert "Sources (3 articles)" in page
    assert "1 article was withdrawn by its outlet" in page
    for path in (f"/api/stories/{story_id}", "/search?q=insulin"):
        assert "Ida Renn" not in (await web.get(path))[1]


async def test_marks_show_what_is_new_since_a_revision(web: Web, newsroom: Newsroom) -> None:
    """What only newer articles say is marked; what older ones say too is not."""
    story_id = await fill(newsroom)
    _, page, _ = await web.get(f"/stories/{story_id}?since=2")
    assert "1 new article since revision 2" in page
    marked = re.findall(r"<ins>(.*?)</ins>", page)
    assert len(marked) == 2
    assert all("joint board" not in sentence for sentence in marked)
    for since in ("0", "-1", "x", "99999999999", "1e3"):
        status, page, _ = await web.get(f"/stories/{story_id}?since={since}")
        assert status == 200
        assert "<ins>" not in page


async def test_a_story_without_a_brief_shows_its_sources(web: Web, newsroom: Newsroom) -> None:
    """The sources are there before the brief is."""
    story_id = await newsroom.story("young", "Just in", [Report("Outlet", "The first report")])
    _, page, _ = await web.get(f"/stories/{story_id}")
    assert "The brief is being written" in page
    assert "The first report" in page


async def test_a_great_story_stays_small(web: Web, newsroom: Newsroom) -> None:
    """A story of hundreds of articles shows the cited sources and the first ones; all of them have a page."""
    reports = [Report(f"Outlet {n}", f"Report {n} of the flood in the delta and what the mayor said of it", 1 + n) for n in range(1, 251)]
    sections = [("The flood", [("The water rose for three days.", [1, 250])])]
    story_id = await newsroom.story("flood", "The flood", reports, sections)
    _, page, _ = await web.get(f"/stories/{story_id}")
    assert len(page.encode()) < 60_000
    assert 'id="source-250"' in page
    assert "Show all 250 articles" in page
    numbers: list[int] = []
    path: str | None = f"/stories/{story_id}/sources"
    while path:
        _, page, _ = await web.get(path)
        numbers += map(int, re.findall(r'id="source-(\d+)"', page))
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = following[1] if following else None
    assert numbers == list(range(1, 251))


async def test_what_is_not_there_is_said_well(web: Web) -> None:
    """An unknown address, story, feed, publisher and method have designed answers with the right status."""
    for path in (
        "/nope",
        "/stories/nope",
        f"/stories/{uuid4()}",
        "/feeds/language/xx",
        "/feeds/section/none",
        "/publishers/nobody",
        "/feeds/%00",
        "/?cursor=1",
        "/feeds/top?cursor=!!",
    ):
        status, page, _ = await web.get(path)
        assert status == (200 if path == "/?cursor=1" else 404), path
        assert "<main" in page
    async with web.session.post(web.url + "/feeds") as answer:
        assert answer.status == 405
        assert "<main" in await answer.text()


async def test_an_empty_front_page_is_designed(web: Web) -> None:
    """Before the first story the page says so."""
    status, page, _ = await web.get("/")
    assert status == 200
    assert "The presses are warming up" in page


async def test_the_banner_says_when_a_part_is_silent(web: Web, newsroom: Newsroom) -> None:
    """A worker that has said nothing for a while is news to the reader."""
    await fill(newsroom)
    assert 'class="banner"' not in (await web.get("/"))[1]
    await newsroom.connection.execute("UPDATE worker_status SET seen_at = now() - interval '10 minutes' WHERE worker LIKE 'materialise%'")

    async def warned() -> bool:
        return "No new articles for 10 minutes" in (await web.get(f"/?{uuid4()}"))[1]

    await until(warned)


async def test_a_reader_can_report_a_wrong_grouping(web: Web, newsroom: Newsroom) -> None:
    """The form lands in the editors' list; another site's form does not."""
    story_id = await fill(newsroom)
    address = f"{web.url}/stories/{story_id}/reports"
    form = {"article_id": str(made_id("ferry/4")), "words": "About another island"}
    async with web.session.post(address, data=form) as answer:
        assert answer.status == 200
        assert "Thank you" in await answer.text()
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        async with web.session.post(address, data=form, headers=headers) as answer:
            assert answer.status == 403
    for bad in ({"article_id": "x"}, {"article_id": str(made_id("bees/1"))}):
        async with web.session.post(address, data=bad) as answer:
            assert answer.status == 404
    async with web.session.post(address, data={"words": "x" * 20_000}) as answer:
        assert answer.status == 413
    async with web.session.post(address, json={"words": "x"}) as answer:
        assert answer.status == 415
    rows = await newsroom.connection.fetch("SELECT story_id, article_id, words FROM story_reports")
    assert [tuple(row) for row in rows] == [(story_id, made_id("ferry/4"), "About another island")]


async def test_a_slash_too_many_leads_to_the_page_and_to_no_other_host(web: Web) -> None:
    """As typed: /feeds/ is /feeds. What begins as an address of another host stays here."""
    for asked, meant in (
        ("/feeds/", "/feeds"),
        ("/search/?q=a%20b&language=en", "/search?q=a%20b&language=en"),
        ("/nope/", "/nope"),
        ("//evil.example/", "/evil.example"),
        ("/%5Cevil.example/", "/%5Cevil.example"),
        ("/%2F/evil.example/", "/evil.example"),
        ("/a%0d%0ab/", "/a%0D%0Ab"),
    ):
        async with web.session.get(URL(web.url + asked, encoded=True), allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (308, meant), asked
    assert (await web.get("/api/feeds/"))[0] == 404


async def test_the_api_is_described_to_people_too(web: Web) -> None:
    """Each call with what it takes and within which bounds, and each answer with its fields; every link within leads somewhere."""
    document = await web.json("/api/openapi.json")
    _, page, _ = await web.get("/api/docs")
    for path in document["paths"]:
        assert f"<code>GET {path}</code>" in page
    assert "integer; 1 to 100; 30 unless given" in page
    assert "list of StoryCard" in page
    assert "as <code>next</code> gave it" in page
    linked, there = set(re.findall(r'href="#(\w+)"', page)) - {"content"}, set(re.findall(r'<section id="(\w+)">', page))
    assert linked <= there
    assert {"StoryAnswer", "SourceAnswer", "Sentence", "Outlet"} <= there
