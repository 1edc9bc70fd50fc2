"""Documents too large for the corpus: each is read or refused in bounded time, whatever it tries."""

import gzip
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.extraction.extract import extract
from services.ingest.extraction.page import PageLimits
from services.ingest.feeds import ParsedFeed, parse_feed
from services.ingest.feeds.decode import decode
from services.ingest.text import cut, from_html, one_line, title_from_html
from shared.contracts import TEXT_LIMIT_BYTES
from shared.errors import Refused

URL = "https://harbour.example/feed"
NOW = datetime(2025, 5, 7, 12, tzinfo=UTC)


def read(body: bytes | str, **limits: int) -> ParsedFeed:
    return parse_feed(body if isinstance(body, bytes) else body.encode(), url=URL, content_type=None, now=NOW, **limits)


def rss(items: str) -> str:
    return f'<rss version="2.0"><channel><title>T</title><link>https://harbour.example/</link>{items}</channel></rss>'


def item(number: int) -> str:
    return f"<item><title>Story {number}</title><link>https://harbour.example/{number}</link></item>"


@pytest.mark.timeout(120)
def test_fifty_thousand_items_are_all_read() -> None:
    """None is dropped for being too many."""
    parsed = read(rss("".join(map(item, range(50_000)))))
    assert len(parsed.items) == 50_000
    assert parsed.items[-1].title == "Story 49999"


def test_more_items_than_allowed_are_told() -> None:
    """The first are read, the flaw says that there were more."""
    for body in (
        rss("".join(map(item, range(20)))),
        "<urlset>" + "".join(f"<url><loc>https://harbour.example/{n}</loc></url>" for n in range(20)) + "</urlset>",
        json.dumps(
            {
                "version": "https://jsonfeed.org/version/1.1",
                "items": [{"id": str(n), "url": f"https://harbour.example/{n}"} for n in range(20)],
            }
        ),
    ):
        parsed = read(body, max_items=10)
        assert len(parsed.items) == 10
        assert "more than 10 items" in str(parsed.flaw)


@pytest.mark.parametrize(
    "body",
    [
        rss(item(1) + "<item>" + "<a>" * 100_000 + "</item>"),
        "<rss><channel>" + "<b>" * 100_000,
        "<feed xmlns='http://www.w3.org/2005/Atom'><entry><content type='xhtml'>"
        + "<div>" * 5_000
        + "</div>" * 5_000
        + "</content></entry></feed>",
        "[" * 100_000,
        '{"version":"https://jsonfeed.org/version/1","items":' + "[" * 100_000,
    ],
    ids=["closed", "open", "xhtml", "array", "items"],
)
def test_nesting_is_refused(body: str) -> None:
    """Beyond what any feed needs."""
    with pytest.raises(Refused) as refused:
        read(body)
    assert refused.value.reason in ("too_deep", "malformed")


def test_a_hundred_thousand_attributes_are_survived() -> None:
    """On an element of a feed; on a page they are refused."""
    attributes = " ".join(f'a{number}="1"' for number in range(100_000))
    assert len(read(rss(f"<item {attributes}><title>Story 1</title><link>https://harbour.example/1</link></item>")).items) == 1
    with pytest.raises(Refused) as refused:
        extract(f"<html><body><p {attributes}>x</p></body></html>".encode(), url=URL, content_type="text/html", now=NOW)
    assert refused.value.reason == "too_many_elements"


def test_entity_bombs_do_not_grow() -> None:
    """Entities of a document's own are never replaced, neither nested nor one large one many times."""
    nested = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10 if level else "lol" * 10}">' for level in range(12))
    wide = '<!ENTITY w "' + "w" * 100_000 + '">'
    body = f"<!DOCTYPE rss [{nested}{wide}]>" + rss(
        "<item><title>&e11;</title><link>https://harbour.example/1</link><description>" + "&w;" * 5_000 + "</description></item>"
    )
    parsed = read(body)
    assert sum(len(one.title) + len(one.summary) for one in parsed.items) < 50_000


def test_gzip_files_are_unpacked_within_the_limit() -> None:
    """A sitemap.xml.gz is read, a bomb refused, a damaged one told."""
    assert len(read(gzip.compress(rss(item(1)).encode())).items) == 1
    for body, reason in (
        (gzip.compress(b" " * 60_000_000), "too_large"),
        (gzip.compress(b"x")[:8] + b"?", "damaged"),
        (b"\x1f\x8b" + b"x" * 50, "damaged"),
    ):
        with pytest.raises(Refused) as refused:
            read(body, max_bytes=1_000_000)
        assert refused.value.reason == reason


def test_a_feed_that_is_too_large_is_refused() -> None:
    """Before it is looked at."""
    with pytest.raises(Refused, match="too_large"):
        read(rss(item(1)), max_bytes=100)


def test_pages_with_too_many_elements_are_refused() -> None:
    """And smaller limits count as they are set."""
    page = b"<html><body>" + b"<p>x" * 2_000 + b"</body></html>"
    with pytest.raises(Refused, match="too_many_elements"):
        extract(page, url=URL, content_type="text/html", now=NOW, limits=PageLimits(max_elements=1_000))
    with pytest.raises(Refused, match="too_large"):
        extract(page, url=URL, content_type="text/html", now=NOW, limits=PageLimits(max_bytes=1_000))


PIECES = (
    "<rss>", "</rss>", "<channel>", "<item>", "</item>", "<title>", "</title>", "<link>", "<![CDATA[", "]]>", "<!--", "-->", "<?xml ", "?>", "<!DOCTYPE x [", "]>",
    "<!ENTITY a 'b'>", "&a;", "&#0;", "&#xD800;", "&amp;", "&", "<", ">", '"', "'", "http://", "<feed xmlns='http://www.w3.org/2005/Atom'>", "<entry>", "<content type='xhtml'>",
    "<div>", "{", "[", '"items":', "\0", "\ud83d", "é", "日本", "<a href=", "<script>", "</script>", "<pubDate>", "2025-05-06T", "<html>", "<head>", "<body>", "<p>", "<base href='x'>",
)  # fmt: skip
rubbish = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=40).map(
    lambda pieces: "".join(pieces).encode("utf-8", "surrogatepass")
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(rubbish, st.binary(max_size=200)))
def test_any_bytes_are_a_feed_or_refused(body: bytes) -> None:
    """Nothing else is ever raised, and texts are always clean."""
    try:
        parsed = read(body)
    except Refused:
        return
    for one in parsed.items:
        (one.title + one.summary + one.text).encode("utf-8")
        assert "\0" not in one.title + one.summary + one.text
        assert one.canonical_url


@settings(max_examples=100, deadline=None)
@given(st.one_of(rubbish, st.binary(max_size=200)))
def test_any_bytes_are_a_page_or_refused(body: bytes) -> None:
    """The same for pages."""
    try:
        page = extract(body, url="https://harbour.example/a", content_type="text/html", now=NOW)
    except Refused:
        return
    (page.title + page.text + page.summary).encode("utf-8")
    assert len(page.text.encode()) <= TEXT_LIMIT_BYTES


@given(st.text(), st.integers(min_value=0, max_value=200))
def test_texts_are_cut_on_a_character(text: str, limit: int) -> None:
    """Never beyond the limit, never within a character."""
    shorter, was_cut = cut(text.encode("utf-8", "ignore").decode(), limit)
    assert len(shorter.encode()) <= limit or not was_cut
    assert was_cut == (len(text.encode("utf-8", "ignore")) > limit)


@given(st.text(max_size=300))
def test_plain_texts_are_plain(text: str) -> None:
    """Whatever comes in: no control, no lone surrogate, and a title is one line."""
    for plain in (from_html(text), title_from_html(text), one_line(text)):
        plain.encode("utf-8")
        assert "\0" not in plain
    assert "\n" not in title_from_html(text) + one_line(text)


@given(
    st.binary(max_size=300),
    st.sampled_from((None, "text/xml; charset=utf-8", "text/xml; charset=zlib", "text/xml; charset=utf-7", "text/html; charset=big5")),
)
def test_any_bytes_are_decoded(body: bytes, content_type: str | None) -> None:
    """Whatever they claim to be."""
    assert isinstance(decode(body, content_type).text, str)


@pytest.mark.parametrize(
    "item",
    [
        '<item a:b="1"><title>One</title><link>https://o.example/1</link></item>',
        "<item><title>One</title><link>https://o.example/1</link></item><image><textinput/><textinput>x</textinput></image>",
    ],
)
def test_what_the_strict_reader_stumbles_over_the_loose_one_reads(item: str) -> None:
    """Found by fuzzing: an attribute of a namespace with a space in it, and elements where the format has none."""
    body = f'<rss version="2.0" xmlns:a="x y"><channel><title>T</title>{item}</channel></rss>'
    feed = parse_feed(body.encode(), url="https://o.example/feed", content_type=None, now=NOW)
    assert [found.title for found in feed.items] == ["One"]
