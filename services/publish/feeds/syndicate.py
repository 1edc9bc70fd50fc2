"""Write feeds in RSS 2.0, Atom (RFC 4287) and JSON Feed 1.1. Pure; addresses are given whole."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from html import escape
from typing import Final
from xml.etree import ElementTree as ET

from shared.errors import SluglineError

ATOM: Final = "http://www.w3.org/2005/Atom"
CONTENT: Final = "http://purl.org/rss/1.0/modules/content/"
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold in any form."""

ET.register_namespace("atom", ATOM)
ET.register_namespace("content", CONTENT)


class UnknownFormat(SluglineError):
    """A feed format that is not written here."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a feed."""

    item_id: str
    """A URI that never changes, such as urn:uuid:…"""
    url: str
    title: str
    summary: str
    published_at: datetime
    updated_at: datetime
    language: str = "und"
    author: str = ""
    paragraphs: tuple[str, ...] = ()
    """The content in plain text; empty: the summary is all."""


@dataclass(frozen=True, slots=True)
class Syndicated:
    """A feed: what it is of, where it stands, and its items, newest first."""

    feed_id: str
    title: str
    description: str
    home_url: str
    self_url: str
    updated_at: datetime
    items: tuple[Item, ...]
    language: str = "und"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("", text)


def _add(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, {name: _clean(value) for name, value in attributes.items()})
    if text:
        element.text = _clean(text)
    return element


def _html(paragraphs: Sequence[str]) -> str:
    return "".join(f"<p>{escape(_clean(paragraph))}</p>" for paragraph in paragraphs)


def _bytes(root: ET.Element) -> bytes:
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def rss(feed: Syndicated) -> bytes:
    """Write RSS 2.0."""
    root = ET.Element("rss", {"version": "2.0"})
    channel = _add(root, "channel")
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.home_url)
    _add(channel, "description", feed.description or feed.title)
    if feed.language != "und":
        _add(channel, "language", feed.language)
    _add(channel, "lastBuildDate", format_datetime(feed.updated_at, usegmt=True))
    _add(channel, "generator", "Slugline")
    _add(channel, f"{{{ATOM}}}link", href=feed.self_url, rel="self", type=MEDIA_TYPES["rss"])
    for item in feed.items:
        entry = _add(channel, "item")
        _add(entry, "title", item.title or "Untitled")
        _add(entry, "link", item.url)
        _add(entry, "guid", item.item_id, isPermaLink="false")
        _add(entry, "pubDate", format_datetime(item.updated_at, usegmt=True))
        if item.summary:
            _add(entry, "description", escape(_clean(item.summary)))
        if item.paragraphs:
            _add(entry, f"{{{CONTENT}}}encoded", _html(item.paragraphs))
    return _bytes(root)


def atom(feed: Syndicated) -> bytes:
    """Write Atom."""
    root = ET.Element(f"{{{ATOM}}}feed")
    if feed.language != "und":
        root.set("{http://www.w3.org/XML/1998/namespace}lang", feed.language)

    def add(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
        return _add(parent, f"{{{ATOM}}}{tag}", text, **attributes)

    add(root, "id", feed.feed_id)
    add(root, "title", feed.title)
    if feed.description:
        add(root, "subtitle", feed.description)
    add(root, "updated", feed.updated_at.isoformat())
    add(root, "link", href=feed.self_url, rel="self", type=MEDIA_TYPES["atom"])
    add(root, "link", href=feed.home_url, rel="alternate", type="text/html")
    add(add(root, "author"), "name", "Slugline")
    add(root, "generator", "Slugline")
    for item in feed.items:
        entry = add(root, "entry")
        if item.language != "und":
            entry.set("{http://www.w3.org/XML/1998/namespace}lang", item.language)
        add(entry, "id", item.item_id)
        add(entry, "title", item.title or "Untitled")
        add(entry, "link", href=item.url, rel="alternate")
        add(entry, "published", item.published_at.isoformat())
        add(entry, "updated", item.updated_at.isoformat())
        if item.author:
            add(add(entry, "author"), "name", item.author)
        if item.summary:
            add(entry, "summary", item.summary)
        if item.paragraphs:
            add(entry, "content", _html(item.paragraphs), type="html")
    return _bytes(root)


def json_feed(feed: Syndicated) -> bytes:
    """Write JSON Feed 1.1."""
    told = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home_url,
        "feed_url": feed.self_url,
        **({"description": feed.description} if feed.description else {}),
        **({"language": feed.language} if feed.language != "und" else {}),
        "items": [
            {
                "id": item.item_id,
                "url": item.url,
                "title": item.title or "Untitled",
                **({"summary": item.summary} if item.summary else {}),
                **({"content_html": _html(item.paragraphs)} if item.paragraphs else {"content_text": item.summary or item.title}),
                "date_published": item.published_at.isoformat(),
                "date_modified": item.updated_at.isoformat(),
                **({"language": item.language} if item.language != "und" else {}),
                **({"authors": [{"name": item.author}]} if item.author else {}),
            }
            for item in feed.items
        ],
    }
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")


MEDIA_TYPES: Final = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}
_WRITERS: Final[dict[str, Callable[[Syndicated], bytes]]] = {"rss": rss, "atom": atom, "json": json_feed}


def write(feed: Syndicated, form: str) -> bytes:
    """Write a feed as `rss`, `atom` or `json`. Raises `UnknownFormat`."""
    try:
        writer = _WRITERS[form]
    except KeyError:
        raise UnknownFormat(f"format {form!r}: a feed is written as rss, atom or json") from None
    return writer(feed)
