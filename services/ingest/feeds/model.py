"""What a feed's document says, once read. All texts are plain: no HTML, no control characters, no lone surrogates."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One item. Times are aware and UTC; a missing or absurd one is None."""

    item_id: str | None
    """The feed's own id: guid, atom:id, rdf:about, JSON Feed's id."""
    url: str | None
    """Absolute http(s) URL; None where the item has none that can be used."""
    canonical_url: str | None
    """The article's identity: of the URL, or of the feed's site and the item's id where there is no URL; None only for refused items."""
    title: str = ""
    summary: str = ""
    text: str = ""
    """The full text where the feed gives one, at most TEXT_LIMIT_BYTES."""
    truncated: bool = False
    authors: tuple[str, ...] = ()
    published_at: datetime | None = None
    updated_at: datetime | None = None
    image: str | None = None
    section: str | None = None
    language: str | None = None
    """ISO 639 code, where the item or the feed declares one."""
    publisher_name: str | None = None
    """Where the item names its outlet (news sitemaps, RSS `source`)."""


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An item that can't become a discovery, and why."""

    position: int
    """Its place in the document, from 0."""
    reason: str
    """Stable: no_identity, no_text, url_refused, repeated."""
    detail: str
    item: FeedItem


@dataclass(frozen=True, slots=True)
class ChildFeed:
    """A sitemap that a sitemap index names."""

    url: str
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FeedLink:
    """A feed that a page offers."""

    url: str
    title: str
    media_type: str


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A whole document. `items` are in its order, refused ones apart."""

    format: str
    """rss090, rss091n, rss091u, rss092, rss093, rss094, rss20, rss10, rss, atom03, atom10, atom, cdf, json1, json11,
    sitemap, sitemap_news, sitemap_index, or unknown."""
    title: str = ""
    link: str | None = None
    """The site's page."""
    language: str | None = None
    """ISO 639 code."""
    language_tag: str | None = None
    """As declared, such as en-GB."""
    description: str = ""
    updated_at: datetime | None = None
    interval_hint_s: float | None = None
    """The shortest interval the publisher asks for: the longest of ttl and sy:updatePeriod ÷ sy:updateFrequency."""
    hub: str | None = None
    """A WebSub hub."""
    moved_to: str | None = None
    """Where the feed itself says that it has moved (itunes:new-feed-url)."""
    complete: bool = False
    """The feed says that it will get no more items (itunes:complete, fh:complete, JSON Feed's `expired`)."""
    flaw: str | None = None
    """What was malformed, although it could be read."""
    items: tuple[FeedItem, ...] = ()
    refused: tuple[RefusedItem, ...] = ()
    children: tuple[ChildFeed, ...] = field(default=())
