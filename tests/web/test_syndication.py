"""RSS, Atom and JSON Feed, read back by the parser that ingest uses, and by their rules."""

import json
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from lxml import etree

from services.publish.feeds.syndicate import ATOM, Item, Syndicated, UnknownFormat, write
from tests.web import feed_forms
from tests.web.conftest import Web
from tests.web.newsroom import FERRY_HEADLINE, Newsroom, Report, fill, made_id
from tests.web.test_pages import HOSTILE

WHEN = datetime(2026, 1, 5, 14, 3, tzinfo=UTC)


def one(title: str = "A title", summary: str = "A sentence.") -> Syndicated:
    item = Item("urn:uuid:1", "https://s.example/stories/1", title, summary, WHEN, WHEN, "en", "Outlet", (summary, title))
    return Syndicated("https://s.example/f", title, summary, "https://s.example/", "https://s.example/f.rss", WHEN, (item,), "en")


@pytest.mark.parametrize("form", ["rss", "atom"])
async def test_every_feed_and_story_can_be_followed(web: Web, newsroom: Newsroom, form: str) -> None:
    """A parser that knows nothing of us finds no fault, and the stories and articles that the page has."""
    story_id = await fill(newsroom)
    for path, wanted in (("/feeds/top", 16), ("/feeds/language/en", 12), ("/feeds/publisher/meridianwire.example", None)):
        status, body, headers = await web.get(f"{path}.{form}")
        assert status == 200
        assert headers["Content-Type"].startswith(f"application/{form}+xml")
        parsed = feedparser.parse(body)
        assert not parsed.bozo, parsed.get("bozo_exception")
        assert wanted in (None, len(parsed.entries))
        assert all(entry.link.startswith(f"{web.url}/stories/") and entry.id.startswith("urn:uuid:") for entry in parsed.entries)
    parsed = feedparser.parse((await web.get(f"/stories/{story_id}.{form}"))[1])
    assert parsed.feed.title == FERRY_HEADLINE
    assert {entry.id for entry in parsed.entries} == {f"urn:uuid:{made_id(f'ferry/{number}')}" for number in (1, 2, 3, 4)}


async def test_json_feeds_keep_to_the_rules(web: Web, newsroom: Newsroom) -> None:
    """JSON Feed 1.1: version, title, items with id and content."""
    story_id = await fill(newsroom)
    for path in ("/feeds/top.json", f"/stories/{story_id}.json", "/feeds/country/NO.json"):
        status, body, headers = await web.get(path)
        if path.startswith("/feeds/country"):
            assert status == 404
            continue
        assert headers["Content-Type"].startswith("application/feed+json")
        feed = json.loads(body)
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert feed["items"]
        for item in feed["items"]:
            assert item["id"]
            assert "content_html" in item or "content_text" in item
            assert datetime.fromisoformat(item["date_published"]).tzinfo


async def test_every_document_keeps_to_its_specification(web: Web, newsroom: Newsroom) -> None:
    """RSS and Atom by a grammar each, JSON Feed by a schema: of lists, of languages, of outlets, of stories, with hostile titles too."""
    story_id = await fill(newsroom)
    hostile = await newsroom.story("odd", HOSTILE[0], [Report(text or "x", text) for text in (*HOSTILE, "", "\u0007 bell", "صحيفة")])
    rss, atom = (etree.RelaxNG(etree.fromstring(grammar)) for grammar in (feed_forms.RSS, feed_forms.ATOM))
    assert not rss.validate(etree.fromstring('<rss version="2.0"><channel><title>x</title></channel></rss>'))
    assert not atom.validate(etree.fromstring('<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title></feed>'))
    schema = Draft202012Validator(feed_forms.JSON_FEED)
    for path in ("top", "language/ar", "publisher/meridianwire.example"):
        for name in (f"/feeds/{path}", f"/stories/{story_id}", f"/stories/{hostile}"):
            for grammar, form in ((rss, "rss"), (atom, "atom")):
                body = (await web.get(f"{name}.{form}"))[1]
                assert grammar.validate(etree.fromstring(body.encode())), (name, form, grammar.error_log)
            schema.validate(json.loads((await web.get(f"{name}.json"))[1]))


async def test_a_page_names_its_feeds(web: Web, newsroom: Newsroom) -> None:
    """Feed readers find them from the page."""
    await newsroom.story("a", "a", [Report("Outlet", "x")])
    _, page, _ = await web.get("/feeds/language/en")
    for form, media_type in (("rss", "rss+xml"), ("atom", "atom+xml"), ("json", "feed+json")):
        assert f'type="application/{media_type}" title="English as' in page
        assert f'href="/feeds/language/en.{form}"' in page
        assert (await web.get(f"/feeds/language/en.{form}"))[0] == 200


@given(st.text(max_size=80), st.text(max_size=200))
def test_any_text_makes_a_well_formed_feed(title: str, summary: str) -> None:
    """Control characters, surrogates and markup in titles and sentences harm no format; text is never markup."""
    feed = one(title, summary)
    root = ET.fromstring(write(feed, "rss"))
    assert root.find("channel/item/guid") is not None
    entry = ET.fromstring(write(feed, "atom")).find(f"{{{ATOM}}}entry")
    assert entry is not None
    assert json.loads(write(feed, "json"))["items"][0]["id"] == "urn:uuid:1"
    content = entry.find(f"{{{ATOM}}}content")
    assert content is not None
    assert (content.text or "").count("<") == 4


def test_an_unknown_format_is_named() -> None:
    """The error says which ones there are."""
    with pytest.raises(UnknownFormat, match="rss, atom or json"):
        write(one(), "opml")
