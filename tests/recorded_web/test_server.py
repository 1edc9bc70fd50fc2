"""The server: real HTTP on the loopback address, the clock moved by hand."""

import asyncio
import gzip
import json
import os
import signal
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import aiohttp
import feedparser
import pytest
import trafilatura
from lxml import etree

from deploy.recorded_web.content import FeedFormat, PageKind, Variant
from deploy.recorded_web.expected import expected
from shared.errors import InvalidSetting

from .conftest import Clock, Opened, Web

END_S = 10_000


def story_of(web: Web, key: str):
    return next((story, plan) for story, plan in web.edition.content.articles() if plan.key == key)


def links(body: bytes, format_: FeedFormat) -> list[str]:
    if format_ is FeedFormat.JSON:
        return [item["url"] for item in json.loads(body)["items"]]
    return [entry.link for entry in feedparser.parse(body).entries if "link" in entry]


async def test_every_feed_lists_all_its_articles_in_the_end(web: Web):
    web.clock.to(END_S)
    truth = expected(web.edition)
    for outlet in web.edition.content.outlets:
        for feed in outlet.feeds:
            url = web.edition.feed_url(outlet, feed)
            status, headers, body = await web.get(url)
            assert status == 200
            assert headers["Cache-Control"] == "max-age=5"
            listed = [truth["aliases"].get(link, link) for link in links(body, feed.format)]
            assert set(listed) == set(truth["feeds"][url]) - set(truth["withdrawn"]), url
            assert len(listed) == len(set(listed))


async def test_only_the_broken_feed_is_malformed_and_it_still_gives_its_items(web: Web):
    web.clock.to(END_S)
    for outlet in web.edition.content.outlets:
        for feed in outlet.feeds:
            if feed.format is FeedFormat.JSON:
                continue
            _, _, body = await web.get(web.edition.feed_url(outlet, feed))
            if feed.broken:
                with pytest.raises(etree.XMLSyntaxError):
                    etree.fromstring(body)
                parsed = feedparser.parse(body)
                assert parsed.bozo
                assert len(parsed.entries) >= 3
            else:
                etree.fromstring(body)
                assert not feedparser.parse(body).bozo


async def test_items_carry_their_dates_authors_and_summaries(web: Web):
    web.clock.to(END_S)
    edition = web.edition
    for outlet in edition.content.outlets:
        for feed in outlet.feeds:
            _, _, body = await web.get(edition.feed_url(outlet, feed))
            if feed.format is FeedFormat.JSON:
                assert all(item["date_published"] and item["authors"] and item["summary"] for item in json.loads(body)["items"])
            elif not feed.broken:
                assert all(entry.published_parsed and entry.author and entry.summary for entry in feedparser.parse(body).entries)


async def test_a_feed_grows_as_the_play_goes_on(web: Web):
    _, plan = story_of(web, "pellworth/lee-ice-thaw")
    outlet = web.edition.content.outlet("pellworth")
    feed_url, url = web.edition.feed_url(outlet, outlet.feeds[0]), web.edition.url(plan)
    web.clock.to(plan.appears.total_seconds() - 1)
    _, headers, before = await web.get(feed_url)
    assert (await web.get(url))[0] == 404
    assert plan.slug.encode() not in before
    web.clock.to(plan.appears.total_seconds())
    _, later_headers, after = await web.get(feed_url)
    assert plan.slug.encode() in after
    assert (await web.get(url))[0] == 200
    assert headers["ETag"] != later_headers["ETag"]
    assert headers["Last-Modified"] != later_headers["Last-Modified"]


async def test_a_reader_who_has_a_feed_or_a_page_gets_304(web: Web):
    edition = web.edition
    outlet = edition.content.outlet("quillmark")
    _, plan = story_of(web, "quillmark/lee-xi-north-korea")
    for url in (edition.feed_url(outlet, outlet.feeds[0]), edition.url(plan)):
        _, headers, _ = await web.get(url)
        for known in (
            {"If-None-Match": headers["ETag"]},
            {"If-Modified-Since": headers["Last-Modified"]},
            {"If-None-Match": f'"other", {headers["ETag"]}', "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        ):
            status, again, body = await web.get(url, headers=known)
            assert (status, body) == (304, b"")
            assert again["ETag"] == headers["ETag"]
        for unknown in (
            {"If-None-Match": '"other"', "If-Modified-Since": headers["Last-Modified"]},
            {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
            {"If-Modified-Since": "not a date"},
        ):
            assert (await web.get(url, headers=unknown))[0] == 200


async def test_a_feed_is_compressed_for_a_reader_who_takes_gzip(web: Web):
    outlet = web.edition.content.outlet("quillmark")
    url = web.edition.feed_url(outlet, outlet.feeds[0])
    _, _, plain = await web.get(url, headers={"Accept-Encoding": "identity"})
    async with (
        aiohttp.ClientSession(connector=web.client.connector, connector_owner=False, auto_decompress=False) as raw,
        raw.get(url, headers={"Accept-Encoding": "br, gzip"}) as response,
    ):
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await response.read()) == plain


async def test_a_correction_changes_the_page_its_dates_and_the_feed(web: Web):
    story, plan = story_of(web, "pellworth/caldmoor-warehouse-fire")
    (correction,) = plan.corrections
    outlet = web.edition.content.outlet(plan.outlet)
    url, feed_url = web.edition.url(plan), web.edition.feed_url(outlet, outlet.feeds[0])
    web.clock.to(correction.at.total_seconds() - 1)
    _, before_headers, before = await web.get(url)
    old_entry = next(entry for entry in feedparser.parse((await web.get(feed_url))[2]).entries if plan.slug in entry.link)
    web.clock.to(correction.at.total_seconds())
    _, after_headers, after = await web.get(url)
    new_entry = next(entry for entry in feedparser.parse((await web.get(feed_url))[2]).entries if plan.slug in entry.link)
    assert b"has injured thirty people" in before
    assert b"has injured thirteen people" in after
    assert correction.note.encode() in after
    assert before_headers["ETag"] != after_headers["ETag"]
    page = web.edition.page(story, plan, correction.at)
    assert f'"dateModified": "{page.modified_at.isoformat()}"'.encode() in after
    assert old_entry.updated == old_entry.published == new_entry.published
    assert new_entry.updated > old_entry.updated
    assert (old_entry.title, new_entry.title) == (plan.title, correction.title)


async def test_a_withdrawn_article_is_gone_and_leaves_the_feed(web: Web):
    _, plan = story_of(web, "caldmoor/okonjo-rovers-deal")
    outlet = web.edition.content.outlet(plan.outlet)
    assert plan.withdrawn is not None
    web.clock.to(plan.withdrawn.at.total_seconds() - 1)
    assert (await web.get(web.edition.url(plan)))[0] == 200
    web.clock.to(plan.withdrawn.at.total_seconds())
    for variant in Variant:
        status, _, body = await web.get(web.edition.url(plan, variant))
        assert status == 410
        assert b"apologise" in body
    for feed in outlet.feeds:
        assert plan.slug.encode() not in (await web.get(web.edition.feed_url(outlet, feed)))[2]


async def test_the_overwhelmed_outlet_says_when_to_come_back_and_then_works(web: Web):
    outlet = web.edition.content.outlet("drumlin")
    url = web.edition.feed_url(outlet, outlet.feeds[0])
    until_s = outlet.unavailable_until.total_seconds()
    for second, retry_after in ((0, "10"), (until_s - 3.5, "4"), (until_s - 0.1, "1")):
        web.clock.to(second)
        for address in (url, web.edition.origin("drumlin") + "/robots.txt"):
            status, headers, _ = await web.get(address)
            assert (status, headers["Retry-After"]) == (503, retry_after)
    web.clock.to(until_s)
    assert (await web.get(url))[0] == 200


async def test_the_endless_page_goes_on_until_its_reader_leaves(web: Web):
    _, plan = next((story, plan) for story, plan in web.edition.content.articles() if plan.page is PageKind.ENDLESS)
    async with web.client.get(web.edition.url(plan)) as response:
        assert response.status == 200
        assert "Content-Length" not in response.headers
        received = b""
        while received.count(b"The ticker goes on") < 5:
            received += await asyncio.wait_for(response.content.readany(), 10)
    assert plan.title.encode() in received
    assert b"</body>" not in received


async def test_the_server_stops_although_a_page_never_ends(opened: Opened):
    async with opened() as web:
        _, plan = next((story, plan) for story, plan in web.edition.content.articles() if plan.page is PageKind.ENDLESS)
        response = await web.client.get(web.edition.url(plan))
        await response.content.readany()
        stopping = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopping < 10
    response.close()


async def test_the_loop_redirects_in_a_circle(web: Web):
    _, plan = next((story, plan) for story, plan in web.edition.content.articles() if plan.page is PageKind.LOOP)
    url, seen = web.edition.url(plan), Counter[str]()
    for _ in range(6):
        seen[url] += 1
        status, headers, _ = await web.get(url, allow_redirects=False)
        assert status == 302
        url = web.edition.origin(plan.outlet) + headers["Location"]
    assert max(seen.values()) >= 2
    with pytest.raises(aiohttp.TooManyRedirects):
        await web.get(url)


async def test_the_huge_page_is_larger_than_5_mb_and_still_an_article(web: Web):
    _, plan = next((story, plan) for story, plan in web.edition.content.articles() if plan.page is PageKind.HUGE)
    status, headers, body = await web.get(web.edition.url(plan))
    assert status == 200
    assert int(headers["Content-Length"]) == len(body) > 5 * 2**20
    assert plan.title.encode() in body
    assert body.endswith(b"</html>")


async def test_robots_txt_forbids_a_path_under_which_an_article_lies(web: Web):
    _, _, body = await web.get(web.edition.origin("lanternfield") + "/robots.txt")
    assert b"Disallow: /subscribers/" in body
    assert b"sitemap-news.xml" in body
    assert any("/subscribers/" in url for url, why in expected(web.edition)["refused"].items() if why == "robots_txt")


async def test_other_addresses_of_an_article_name_the_canonical_one(web: Web):
    web.clock.to(END_S)
    truth = expected(web.edition)
    kinds = dict.fromkeys(truth["refused"]) | dict.fromkeys(truth["withdrawn"])
    for alias, url in truth["aliases"].items():
        if url in kinds:
            continue
        status, _, body = await web.get(alias)
        assert status == 200, alias
        assert f'<link rel="canonical" href="{url}">'.encode() in body, alias


async def test_an_extractor_finds_every_articles_text_title_and_date_without_the_boilerplate(web: Web):
    web.clock.to(END_S)
    position = timedelta(seconds=END_S)
    for story, plan in web.edition.content.articles():
        if plan.page is not PageKind.NORMAL or plan.withdrawn is not None:
            continue
        page = web.edition.page(story, plan, position)
        _, _, body = await web.get(page.url)
        found = json.loads(trafilatura.extract(body.decode(), output_format="json", with_metadata=True) or "{}")
        assert found["title"] == page.title, plan.key
        assert found["date"] == page.published_at.date().isoformat(), plan.key
        for paragraph in page.text.split("\n\n"):
            assert paragraph in found["text"], (plan.key, paragraph)
        assert "cookies" not in found["text"].lower(), plan.key
        assert f'"datePublished": "{page.published_at.isoformat()}"'.encode() in body


async def test_front_and_section_pages_link_to_articles_and_feeds(web: Web):
    web.clock.to(END_S)
    for outlet in web.edition.content.outlets:
        status, _, body = await web.get(web.edition.origin(outlet.name) + "/")
        assert status == 200
        assert b'rel="alternate"' in body
        section = next(plan.section for _, plan in web.edition.content.articles() if plan.outlet == outlet.name)
        assert (await web.get(f"{web.edition.origin(outlet.name)}/section/{section}"))[0] == 200
        assert (await web.get(f"{web.edition.origin(outlet.name)}/section/nothing"))[0] == 404
        sitemap = etree.fromstring((await web.get(web.edition.origin(outlet.name) + "/sitemap-news.xml"))[2])
        assert len(sitemap) == len(web.edition.online(outlet, timedelta(seconds=END_S)))


async def test_an_articles_picture_is_an_image(web: Web):
    status, headers, body = await web.get(web.edition.origin("quillmark") + "/images/lee-xi-north-korea.svg")
    assert (status, headers["Content-Type"]) == (200, "image/svg+xml; charset=utf-8")
    etree.fromstring(body)


async def test_the_plain_host_lists_all_feeds_and_says_what_this_is(web: Web):
    _, _, body = await web.get("/feeds.opml")
    outlines = etree.fromstring(body).findall(".//outline[@xmlUrl]")
    assert {outline.get("xmlUrl") for outline in outlines} == set(expected(web.edition)["feeds"])
    assert all(outline.get("title") for outline in outlines)
    _, _, index = await web.get("/")
    assert all(outlet.title.replace("'", "&#39;").encode() in index for outlet in web.edition.content.outlets)
    assert json.loads((await web.get("/live"))[2])["live"] is True
    assert json.loads((await web.get("/expected.json"))[2]) == expected(web.edition)
    assert (await web.get("/nothing"))[0] == 404


async def test_an_address_that_lacks_its_last_slash_leads_to_the_article(web: Web):
    _, plan = story_of(web, "lanternfield/vermeulen-found")
    url = web.edition.url(plan)
    async with web.client.get(url.rstrip("/")) as response:
        assert (response.status, str(response.url)) == (200, url)


async def test_a_request_that_fits_nothing_gets_a_clear_answer(web: Web):
    assert (await web.get("/", headers={"Host": f"nobody.localhost:{web.server.port}"}))[0] == 404
    assert (await web.get("/", headers={"Host": "QUILLMARK.LOCALHOST."}))[0] == 200
    assert (await web.get(web.edition.origin("m.quillmark") + "/", allow_redirects=False))[0] == 301
    async with web.client.post(web.edition.origin("quillmark") + "/", data=b"x") as response:
        assert response.status == 405
    async with web.client.head(web.edition.origin("quillmark") + "/robots.txt") as response:
        assert response.status == 200


async def test_a_second_start_serves_the_same_web(opened: Opened, tmp_path: Path):
    file = tmp_path / "state.json"
    async with opened(state_file=file) as web:
        first, port = expected(web.edition), web.server.port
        web.clock.to(END_S)
        feed = await web.get(next(iter(first["feeds"])))
    later = Clock()
    later.to(END_S)
    async with opened(state_file=file, clock=later) as web:
        assert web.server.port == port
        assert expected(web.edition) == first
        assert (await web.get(next(iter(first["feeds"]))))[2] == feed[2]


async def test_a_play_at_ten_times_the_speed_is_over_ten_times_sooner(opened: Opened):
    async with opened(speed=10.0) as web:
        _, plan = story_of(web, "caldmoor/okonjo-rovers-deal")
        assert plan.withdrawn is not None
        web.clock.to(plan.withdrawn.at.total_seconds() / 10)
        assert (await web.get(web.edition.url(plan)))[0] == 410


async def test_a_port_that_is_taken_is_named(opened: Opened, web: Web):
    with pytest.raises(InvalidSetting, match=f"can't listen on 127.0.0.1:{web.server.port}"):
        async with opened(port=web.server.port):
            pass


async def test_the_program_serves_until_it_is_told_to_stop(tmp_path: Path):
    state = tmp_path / "state.json"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.recorded_web", "--port", "0", "--state", str(state)),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"SLUGLINE_LOG_FORMAT": "json"},
    )
    try:
        assert process.stderr is not None
        line = await asyncio.wait_for(process.stderr.readline(), 60)
        event = json.loads(line)
        assert event["event"] == "recorded_web_serving"
        async with aiohttp.ClientSession() as client, client.get(event["url"] + "/live") as response:
            assert response.status == 200
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert json.loads(state.read_text())["port"] == int(event["url"].rsplit(":", 1)[1])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_program_says_what_is_wrong_with_its_state(tmp_path: Path):
    state = tmp_path / "state.json"
    state.write_text("nonsense")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.recorded_web", "--state", str(state), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert b"state.json: not a state of the recorded web" in errors
