"""Read a feed of any kind from its bytes."""

import re
from dataclasses import replace
from datetime import datetime

from services.ingest.dates import DEFAULT_TOLERANCE_S
from services.ingest.feeds import json_feed, sitemap
from services.ingest.feeds.decode import decode, gunzipped
from services.ingest.feeds.discover import discover_feeds
from services.ingest.feeds.markup import feed_within, prologue_and_rest, root_name, without_forbidden
from services.ingest.feeds.model import ParsedFeed
from services.ingest.feeds.normalise import Context, feed_link, feed_title, interval_hint, language_code, plain, read_entries
from services.ingest.feeds.syndication import Syndicated, read_syndicated
from services.ingest.identity import absolute_url
from services.ingest.sizes import MIB
from services.ingest.text import shorten
from shared.errors import Refused

_FEED_ROOTS = ("rss", "rdf", "feed", "channel")
_NETSCAPE = re.compile(r"<!DOCTYPE[^>]{0,300}netscape", re.IGNORECASE)


def parse_feed(
    body: bytes,
    *,
    url: str,
    content_type: str | None,
    now: datetime,
    max_items: int = 100_000,
    max_bytes: int = 16 * MIB,
    future_tolerance_s: float = DEFAULT_TOLERANCE_S,
) -> ParsedFeed:
    """Read RSS 0.9x to 2.0, RDF, Atom 0.3 and 1.0, CDF, JSON Feed 1.0 and 1.1, sitemaps, news sitemaps and sitemap indexes.

    `url` is where the document came from (after redirects): relative links are resolved against it; it may be empty for a
    file. What the bytes are counts, not `content_type`, of which only the charset is used. Takes time in proportion to a
    well-formed document; a hostile one may take longer, so a service calls it through `ExtractorPool.parse_feed`.

    Raises `Refused`: empty, too_large, damaged, html_page, not_a_feed, malformed, too_deep, doctype.
    """
    if len(body) > max_bytes:
        raise Refused("too_large", f"{len(body)} bytes; {max_bytes} are allowed")
    body = gunzipped(body, max_bytes)
    decoded = decode(body, content_type)
    text = decoded.text.lstrip("\ufeff\u200b \t\r\n\0")
    if not text:
        raise Refused("empty", "the document is empty")
    context = Context(url=url, now=now, tolerance_s=future_tolerance_s)
    if text[0] in "{[":
        return _with_flaw(json_feed.read(text, context, max_items=max_items), decoded.flaw)
    prologue, rest = prologue_and_rest(without_forbidden(text))
    root = root_name(rest)
    flaw = decoded.flaw
    if root not in (*_FEED_ROOTS, "urlset", "sitemapindex"):
        within = feed_within(rest)
        if within is not None and (inner := prologue_and_rest(within)[1]) and root_name(inner) in (*_FEED_ROOTS, "urlset", "sitemapindex"):
            flaw = flaw or f"the feed stands behind a <{root}>"
            rest, root = inner, root_name(inner)
    elif prologue and not prologue.lstrip().startswith("<"):
        flaw = flaw or "text stands before the feed"
    if root in ("html", "head", "body") or (root and text[:15].lower().startswith("<!doctype html")):
        raise Refused("html_page", _html_detail(text, url))
    if root in ("urlset", "sitemapindex"):
        return _with_flaw(sitemap.read(rest, context, max_items=max_items), flaw)
    syndicated = read_syndicated(rest, base_url=url, max_items=max_items)
    if not syndicated.entries and root not in _FEED_ROOTS:
        raise Refused("not_a_feed", f"the document is a <{root}>, no feed" if root else "the document is no feed: it has no markup")
    if root == "rss" and syndicated.version == "rss091u" and _NETSCAPE.search(text[:2_000]):
        syndicated = replace(syndicated, version="rss091n")
    return _with_flaw(_read(syndicated, context), flaw)


def _read(syndicated: Syndicated, context: Context) -> ParsedFeed:
    feed = dict(syndicated.feed)
    context.link = feed_link(feed, context.url)
    links = [link for link in feed.get("links", ()) if isinstance(link, dict)]
    if not context.url:
        own = next((url for link in links if link.get("rel") == "self" and (url := absolute_url(str(link.get("href"))))), None)
        context.url = own or context.link or ""
    tag = feed.get("language")
    context.language = language_code(tag)
    read_entries(syndicated, context)
    moved = feed.get("newlocation") or feed.get("itunes_new-feed-url")
    return ParsedFeed(
        format=syndicated.version or "unknown",
        title=feed_title(feed),
        link=context.link,
        language=context.language,
        language_tag=tag.strip()[:60] if isinstance(tag, str) and tag.strip() else None,
        description=shorten(plain(feed.get("subtitle_detail"), feed.get("subtitle"))),
        updated_at=context.time(feed.get("updated"), feed.get("published")),
        interval_hint_s=interval_hint(feed),
        hub=next((url for link in links if link.get("rel") == "hub" and (url := absolute_url(str(link.get("href")), context.url))), None),
        moved_to=absolute_url(moved, context.url) if isinstance(moved, str) else None,
        complete=str(feed.get("itunes_complete", "")).strip().lower() == "yes" or "fh_complete" in feed,
        flaw=syndicated.flaw,
        items=tuple(context.items),
        refused=tuple(context.refused),
    )


def _with_flaw(parsed: ParsedFeed, flaw: str | None) -> ParsedFeed:
    if flaw is None:
        return parsed
    return replace(parsed, flaw=f"{flaw}; {parsed.flaw}" if parsed.flaw else flaw)


def _html_detail(text: str, url: str) -> str:
    offered = discover_feeds(text, url=url)
    if not offered:
        return "the document is an HTML page and offers no feed"
    return "the document is an HTML page; it offers " + ", ".join(link.url for link in offered[:5])
