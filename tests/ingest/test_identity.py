"""One article has one canonical URL, two articles have two."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.identity import (
    absolute_url,
    article_host,
    believed_canonical,
    canonical_url,
    content_hash,
    publisher_of,
    registrable_domain,
    unlinked_urn,
)
from shared.errors import Refused

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"

host = st.sampled_from(
    ("harbour.example", "www.harbour.example", "news.harbour.example", "bücher.example", "harbour-ledger.localhost", "10.0.0.7")
)
segment = st.text(st.characters(codec="utf-8", exclude_characters="/?#\\", exclude_categories=("Cs", "Cc", "Zs")), min_size=1, max_size=12)
path = st.lists(segment, max_size=5).map(lambda parts: "/" + "/".join(parts))
name = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
value = st.text(st.characters(codec="utf-8", exclude_characters="&#=+", exclude_categories=("Cs", "Cc", "Zs")), max_size=10)
query = st.lists(st.tuples(name, value), max_size=4).map(lambda pairs: "&".join(f"{key}={text}" for key, text in pairs))
port = st.sampled_from(("", ":8080", ":8443"))


@st.composite
def urls(draw: st.DrawFn) -> str:
    asked = draw(query)
    return f"{draw(st.sampled_from(('http', 'https')))}://{draw(host)}{draw(port)}{draw(path)}{'?' + asked if asked else ''}"


@given(urls())
def test_canonicalising_twice_changes_nothing(url: str) -> None:
    """The canonical form is a fixed point."""
    once = canonical_url(url)
    assert canonical_url(once) == once


@given(st.text(max_size=200))
def test_anything_is_canonicalised_or_refused(text: str) -> None:
    """No input raises anything else, and a result is canonical."""
    try:
        once = canonical_url(text)
    except Refused:
        return
    assert canonical_url(once) == once
    assert article_host(once)


@given(st.text("htps:/.wm@%[]:?#&=\\ abAB01äß-_~;", max_size=60))
def test_url_like_rubbish_is_canonicalised_or_refused(text: str) -> None:
    """The same for what nearly is a URL."""
    try:
        once = canonical_url("http://" + text)
    except Refused:
        return
    assert canonical_url(once) == once


@given(urls(), st.sampled_from(("utm_source=rss", "UTM_Medium=feed", "fbclid=Iw1", "gclid=2", "at_campaign=x", "utm_id=1&utm_term=z")))
def test_tracking_parameters_do_not_count(url: str, tracking: str) -> None:
    """A campaign's parameters do not make another article."""
    assert canonical_url(f"{url}{'&' if '?' in url else '?'}{tracking}") == canonical_url(url)


@given(urls(), st.text("abcdefgh-123", min_size=1, max_size=10))
def test_a_fragment_does_not_count(url: str, fragment: str) -> None:
    """A place on a page is the page."""
    assert canonical_url(f"{url}#{fragment}") == canonical_url(url)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://harbour.example/a", "https://harbour.example/a"),
        ("https://harbour.example:443/a", "https://harbour.example/a"),
        ("http://harbour.example:80/a", "https://harbour.example/a"),
        ("HTTPS://Harbour.EXAMPLE/a", "https://harbour.example/a"),
        ("https://www.harbour.example/a/", "https://harbour.example/a"),
        ("https://m.harbour.example/a", "https://www.harbour.example/a"),
        ("https://mobile.harbour.example/a", "https://harbour.example/a"),
        ("https://en.m.harbour.example/a", "https://en.harbour.example/a"),
        ("https://amp.harbour.example/a", "https://harbour.example/a"),
        ("https://harbour.example/amp/a", "https://harbour.example/a"),
        ("https://harbour.example/a/amp/", "https://harbour.example/a"),
        ("https://harbour.example/a.amp.html", "https://harbour.example/a.html"),
        ("https://harbour.example/a.amp", "https://harbour.example/a"),
        ("https://harbour.example/a?amp", "https://harbour.example/a"),
        ("https://harbour.example/a?amp=1&x=2", "https://harbour.example/a?x=2"),
        ("https://harbour.example/a?outputType=amp", "https://harbour.example/a"),
        ("https://www.google.com/amp/s/www.harbour.example/a", "https://harbour.example/a"),
        ("https://harbour-example.cdn.ampproject.org/c/s/harbour.example/a", "https://harbour.example/a"),
        ("https://harbour.example/a/index.html", "https://harbour.example/a/"),
        ("https://harbour.example/index.php?id=3", "https://harbour.example/?id=3"),
        ("https://harbour.example/Default.aspx", "https://harbour.example"),
        ("https://bücher.example/a", "https://xn--bcher-kva.example/a"),
        ("https://harbour.example/%7Euser/%c3%a4", "https://harbour.example/~user/ä"),
        ("https://harbour.example/a/../b/./c", "https://harbour.example/b/c"),
        ("https://harbour.example//a//b", "https://harbour.example/a/b"),
        ("https://harbour.example/a?b=2&a=1", "https://harbour.example/a?a=1&b=2"),
        ("https://harbour.example/a?a=1&amp;b=2", "https://harbour.example/a?a=1&b=2"),
        ("https://harbour.example./a", "https://harbour.example/a"),
        ("https://user:secret@harbour.example/a", "https://harbour.example/a"),
        ("https://harbour.example/a;jsessionid=1F", "https://harbour.example/a"),
        ("https://harbour.example/long-news-slug-here?ref=home", "https://harbour.example/long-news-slug-here"),
        (" https://harbour.example/a\n", "https://harbour.example/a"),
        ("//harbour.example/a", "https://harbour.example/a"),
    ],
)
def test_forms_of_one_article_meet(one: str, other: str) -> None:
    """What leads to the same article has the same canonical URL."""
    assert canonical_url(one) == canonical_url(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://harbour.example/a", "https://harbour.example/b"),
        ("https://harbour.example/A", "https://harbour.example/a"),
        ("https://harbour.example/story?id=1", "https://harbour.example/story?id=2"),
        ("https://harbour.example/story?id=1", "https://harbour.example/story"),
        ("https://harbour.example/?p=1", "https://harbour.example/?p=2"),
        ("https://harbour.example/?ref=1234", "https://harbour.example/?ref=1235"),
        ("https://harbour.example/read?tag=a", "https://harbour.example/read?tag=b"),
        ("https://harbour.example:8080/a", "https://harbour.example/a"),
        ("https://one.harbour.example/a", "https://two.harbour.example/a"),
        ("https://harbour.example/#!/a", "https://harbour.example/#!/b"),
        ("https://harbour.example/a%2Fb", "https://harbour.example/a/b"),
        ("https://harbour.example/a%3Fb=1", "https://harbour.example/a?b=1"),
        ("https://harbour.example/a?b=1%262", "https://harbour.example/a?b=1&2"),
        ("https://harbour.example/index.php/a", "https://harbour.example/index.php/b"),
        ("https://harbour.example/a?x=1&x=2", "https://harbour.example/a?x=2&x=1"),
        ("https://m.co.uk/a", "https://co.uk/a"),
    ],
)
def test_two_articles_never_meet(one: str, other: str) -> None:
    """What may tell two articles apart is kept."""
    assert canonical_url(one) != canonical_url(other)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "harbour",
        "ftp://harbour.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://",
        "http:///a",
        "https://har bour/",
        "http://a:99999/",
    ],
)
def test_what_is_no_article_url_is_refused(url: str) -> None:
    """Only http and https URLs with a host are."""
    with pytest.raises(Refused) as refused:
        canonical_url(url)
    assert refused.value.reason == "url_refused"


def test_a_url_that_is_too_long_is_refused() -> None:
    """The contracts take 2,000 characters."""
    with pytest.raises(Refused) as refused:
        canonical_url("https://harbour.example/" + "ä" * 1_900)
    assert refused.value.reason == "url_too_long"


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the labelled sets are not part of the project")
def test_distinct_urls_of_the_labelled_sets_stay_distinct() -> None:
    """Only AMP, http and trailing-slash forms of the same path may meet."""
    for file in sorted(SHARED_DATA.glob("*.jsonl.gz")):
        with gzip.open(file) as lines:
            found = {json.loads(line).get("url") for line in lines} - {None}
        canonical = {canonical_url(url): url for url in found}
        lost = [url for url in found if url not in canonical.values()]
        assert all("/amp/" in url or "/amp/" in canonical[canonical_url(url)] for url in lost), lost


@pytest.mark.parametrize(
    ("page", "rel", "og", "believed"),
    [
        ("https://www.harbour.example/a?x=1", "https://harbour.example/a", None, "https://harbour.example/a?x=1"),
        ("https://www.harbour.example/b?utm_source=x", "/a", None, "https://harbour.example/a"),
        ("https://m.harbour.example/a", None, "https://www.harbour.example/a-title", "https://harbour.example/a-title"),
        ("https://harbour.example/a", "https://evil.example/a", "https://harbour.example/b", "https://harbour.example/b"),
        ("https://harbour.example/a", "https://harbour.example/", None, "https://harbour.example/a"),
        ("https://harbour.example/a", "javascript:1", "", "https://harbour.example/a"),
        ("https://one.substack.com/p/a", "https://two.substack.com/p/b", None, "https://one.substack.com/p/a"),
        ("http://harbour-ledger.localhost:8123/a", "http://other.localhost:8123/a", None, "http://harbour-ledger.localhost:8123/a"),
    ],
)
def test_a_pages_own_canonical_url_is_believed_on_its_own_domain_only(page: str, rel: str | None, og: str | None, believed: str) -> None:
    """`rel=canonical` first, then `og:url`, each only where it still names an article of the same outlet."""
    assert believed_canonical(page, rel, og) == believed


def test_publishers_are_registrable_domains() -> None:
    """Sub-domains are the same outlet, names for tests and local runs are registrable, an address is itself."""
    assert publisher_of("https://news.bbc.co.uk/a").id == "bbc.co.uk"
    assert publisher_of("http://harbour-ledger.localhost:8123/a", "Harbour Ledger").model_dump() == {
        "id": "harbour-ledger.localhost",
        "name": "Harbour Ledger",
    }
    assert publisher_of("http://127.0.0.1:8123/").id == "127.0.0.1"
    assert publisher_of("https://one.github.io/").id == "one.github.io"
    assert registrable_domain("a.b.test") == "b.test"
    with pytest.raises(Refused):
        publisher_of("not a url")


def test_articles_without_url_are_named_by_source_and_id() -> None:
    """Two pairs of source and id never make the same name."""
    assert unlinked_urn("a:b", "c") != unlinked_urn("a", "b:c")
    assert article_host(unlinked_urn("Wire", "7")) == "wire"
    assert len(unlinked_urn("x" * 900, "y" * 1_900)) < 2_000


@given(st.text(max_size=100), st.one_of(st.none(), st.text(max_size=40)))
def test_links_are_made_absolute_or_given_up(link: str, base: str | None) -> None:
    """Whatever a feed writes into a link, it is an http URL afterwards, or nothing."""
    found = absolute_url(link, base)
    assert found is None or found.lower().startswith(("http://", "https://"))


TEXT = "The ferry ran aground on Monday, 12 people were hurt.\nTugs pulled it free, the “captain” said – at last."


@pytest.mark.parametrize(
    "same",
    [
        'The ferry ran aground on Monday, 12 people were hurt.\n\nTugs  pulled it free, the "captain" said - at last.  ',
        "1,204 views\nThe ferry ran aground on Monday, 12 people were hurt.\nTugs pulled it free, the “captain” said – at last.\n37 comments",
        TEXT + "\nRead next: A storm is coming",
        TEXT + "\nRead next\nA storm is coming\nThe mayor resigns",
        TEXT + "\nLesen Sie auch: Sturm im Norden",
        "Updated 5 minutes ago\n" + TEXT,
        TEXT + "\n5 min read · 12 shares",
        TEXT + "\nSubscribe to our newsletter",
    ],
)
def test_boilerplate_does_not_change_the_hash(same: str) -> None:
    """Counters, pointers elsewhere, white space and typography are no correction."""
    assert content_hash("Ferry “aground”", same) == content_hash('Ferry "aground"', TEXT)


@pytest.mark.parametrize(
    "changed",
    [
        TEXT.replace("12", "13"),
        TEXT.replace("Monday", "Tuesday"),
        TEXT + "\nTwo of the injured have died.",
        TEXT.split("\n", maxsplit=1)[0],
        TEXT.replace("hurt.", "not hurt."),
    ],
)
def test_a_changed_word_or_number_changes_the_hash(changed: str) -> None:
    """A correction is seen."""
    assert content_hash("Ferry", changed) != content_hash("Ferry", TEXT)
    assert content_hash("Ferry sinks", TEXT) != content_hash("Ferry", TEXT)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_has_a_hash(title: str, text: str) -> None:
    """Nothing in a text makes hashing fail, and it is stable."""
    assert content_hash(title, text) == content_hash(title, text)
    assert len(content_hash(title, text)) == 64
