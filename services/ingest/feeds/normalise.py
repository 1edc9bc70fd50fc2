"""From a parser's dictionaries to items: texts made plain, links made absolute, times made aware, identity given or refused."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from services.ingest.dates import DEFAULT_TOLERANCE_S, parse_date
from services.ingest.feeds.model import FeedItem, RefusedItem
from services.ingest.feeds.syndication import Syndicated
from services.ingest.identity import absolute_url, canonical_url, publisher_of, unlinked_urn
from services.ingest.text import SUMMARY_LIMIT, cut, from_html, looks_like_html, one_line, paragraphs, shorten, title_from_html
from shared.errors import Refused

FULL_TEXT_CHARS = 2_000
"""A description that is longer is the article itself."""
_MAX_AUTHORS = 50
_MAX_ID_CHARS = 2_000
_IMAGE_TAG = re.compile(r"""<img\b[^<>]{0,2000}?\bsrc\s*=\s*["']?([^"'\s<>]{1,2000})""", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_LANGUAGE = re.compile(r"^\s*([A-Za-z]{2,3})(?:[-_].*)?\s*$")
_BYLINE = re.compile(r"^\s*(?:by|von|por|par|di|door|av)\s*:?\s+(?=\S)", re.IGNORECASE)
_UPDATE_PERIOD_S = {"hourly": 3_600.0, "daily": 86_400.0, "weekly": 604_800.0, "monthly": 2_592_000.0, "yearly": 31_536_000.0}


@dataclass(slots=True)
class Context:
    """What an item is read against."""

    url: str
    now: datetime
    tolerance_s: float = DEFAULT_TOLERANCE_S
    link: str | None = None
    language: str | None = None
    authors: tuple[str, ...] = ()
    items: list[FeedItem] = field(default_factory=list)
    refused: list[RefusedItem] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def time(self, *raw: object) -> datetime | None:
        """Give the first of several written times that can be read."""
        for value in raw:
            read = parse_date(value, now=self.now, tolerance_s=self.tolerance_s)
            if read is not None:
                return read
        return None

    def add(self, position: int, item: FeedItem, bad_url: str | None = None) -> None:
        """Give an item its identity and keep it, or refuse it with the reason."""
        canonical = None
        reason, detail = "no_identity", "has neither a link nor an id"
        if item.url is not None:
            try:
                canonical = canonical_url(item.url)
            except Refused as refusal:
                reason, detail = refusal.reason, refusal.detail
        if canonical is None and bad_url:
            reason, detail = "url_refused", f"{bad_url[:200]!r} is no http or https URL"
        if canonical is None and item.item_id is not None:
            canonical = unlinked_urn(self.source, item.item_id)
            if not (item.title or item.summary or item.text):
                canonical, reason, detail = None, "no_text", "has neither a link nor a text"
        if canonical is None:
            self.refused.append(RefusedItem(position, reason, detail, item))
            return
        item = replace(item, canonical_url=canonical)
        if canonical in self.seen:
            self.refused.append(RefusedItem(position, "repeated", f"an item above has the same canonical URL {canonical}", item))
            return
        self.seen.add(canonical)
        self.items.append(item)

    @property
    def source(self) -> str:
        """Give the registrable domain that stands for the feed where an item has no URL."""
        for url in (self.link, self.url):
            if url:
                try:
                    return publisher_of(url).id
                except Refused:
                    continue
        return "unknown"


def read_entries(syndicated: Syndicated, context: Context) -> None:
    """Read feedparser's entries into the context."""
    # plain dictionaries: feedparser's own look a key up many times
    context.authors = _authors(dict(syndicated.feed)) if syndicated.version.startswith("atom") else ()
    for position, entry in enumerate(syndicated.entries):
        item, bad_url = _item(dict(entry), context)
        context.add(position, item, bad_url)


def interval_hint(feed: Mapping[str, Any]) -> float | None:
    """Give the interval a feed asks for, in seconds: the longest of ttl (minutes) and sy:updatePeriod ÷ updateFrequency."""
    hints: list[float] = []
    ttl = _number(feed.get("ttl"))
    if ttl and 0 < ttl < 1e6:
        hints.append(ttl * 60.0)
    period = _UPDATE_PERIOD_S.get(_string(feed.get("sy_updateperiod")).strip().lower())
    if period:
        hints.append(period / max(_number(feed.get("sy_updatefrequency")) or 1.0, 1.0))
    return max(hints) if hints else None


def language_code(tag: object) -> str | None:
    """Give the ISO 639 code of a language tag (en-GB, de_AT), or None."""
    found = _LANGUAGE.match(tag) if isinstance(tag, str) and len(tag) < 60 else None
    return found.group(1).lower() if found and found.group(1).lower() not in ("und", "mul", "zxx") else None


def plain(detail: Mapping[str, Any] | None, value: object) -> str:
    """Give a feedparser text as plain text: HTML, XHTML and what looks like HTML stripped, declared plain text as it is."""
    text = _string(value)
    if detail is not None and detail.get("type") == "text/plain" and (detail.get("declared") or not looks_like_html(text)):
        return paragraphs(text)
    return from_html(text)


def feed_title(feed: Mapping[str, Any]) -> str:
    """Give a feed's title."""
    return _title(feed)


def feed_link(feed: Mapping[str, Any], url: str) -> str | None:
    """Give the page a feed belongs to."""
    return _link(feed, url)[0]


def _item(entry: Mapping[str, Any], context: Context) -> tuple[FeedItem, str | None]:
    url, bad_url = _link(entry, context.url)
    content = _content(entry)
    summary_markup = _string(entry.get("summary")) or _string(entry.get("media_description"))
    summary = plain(entry.get("summary_detail"), summary_markup)
    text = plain(content, content.get("value")) if content is not None else ""
    if not text and len(summary) > FULL_TEXT_CHARS:
        text = summary
    text, truncated = cut(text)
    published = context.time(entry.get("published"), entry.get("created"))
    updated = context.time(entry.get("updated"))
    item_id = one_line(_string(entry.get("id")), _MAX_ID_CHARS) or None
    source = entry.get("source")
    # Atom: the author of an entry, else of the feed it was taken from, else of this feed
    authors = _authors(entry) or (_authors(source) if isinstance(source, Mapping) else ()) or context.authors
    item = FeedItem(
        item_id=item_id,
        url=url,
        canonical_url=None,
        title=_title(entry),
        summary=shorten(summary or text, SUMMARY_LIMIT),
        text=text,
        truncated=truncated,
        authors=authors,
        published_at=published or updated,
        updated_at=updated,
        image=_image(entry, content, summary_markup, url or context.url),
        section=_section(entry),
        language=language_code(entry.get("language")) or _language_of(entry) or context.language,
        publisher_name=one_line(_string(source.get("title")), 200) or None if isinstance(source, Mapping) else None,
    )
    return item, bad_url


def _language_of(entry: Mapping[str, Any]) -> str | None:
    """Give an item's xml:lang, which feedparser keeps with each of its texts."""
    details = (entry.get(f"{name}_detail") for name in ("title", "summary"))
    return next((code for detail in details if isinstance(detail, Mapping) and (code := language_code(detail.get("language")))), None)


def _title(entry: Mapping[str, Any]) -> str:
    detail = entry.get("title_detail")
    title = _string(entry.get("title"))
    declared = detail is not None and bool(detail.get("declared"))
    if declared and detail is not None and detail.get("type") == "text/plain":
        return one_line(title)
    return title_from_html(title, declared=declared)


def _link(entry: Mapping[str, Any], base: str) -> tuple[str | None, str | None]:
    """Give an item's URL, and the unusable one where there is only such."""
    rejected: str | None = None
    candidates: list[object] = [entry.get("feedburner_origlink"), entry.get("pheedo_origlink"), entry.get("link")]
    links = entry.get("links")
    if isinstance(links, list):
        candidates += [link.get("href") for link in links if isinstance(link, Mapping) and link.get("rel") in ("alternate", None)]
    for candidate in candidates:
        if not isinstance(candidate, str) or not candidate.strip():
            continue
        url = absolute_url(candidate, base or None)
        if url is not None:
            return url, None
        rejected = rejected or candidate
    return None, rejected


def _content(entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
    contents = entry.get("content")
    if not isinstance(contents, list):
        return None
    readable = [
        c
        for c in contents
        if isinstance(c, Mapping) and _is_text_type(_string(c.get("type")), _string(c.get("value"))) and _string(c.get("value")).strip()
    ]
    return max(readable, key=lambda c: len(_string(c.get("value"))), default=None)


def _is_text_type(media_type: str, value: str) -> bool:
    if media_type == "application/octet-stream":  # what Atom calls its base64; feedparser has decoded it
        return value.isprintable() or ("\ufffd" not in value and "\0" not in value)
    return not media_type or media_type.startswith("text/") or media_type.endswith(("xml", "html"))


def _authors(entry: Mapping[str, Any]) -> tuple[str, ...]:
    names: list[str] = []
    listed = entry.get("authors")
    for author in listed if isinstance(listed, list) else ():
        if isinstance(author, Mapping) and len(names) < _MAX_AUTHORS:
            names.append(_string(author.get("name")) or _string(author.get("email")))
    if not any(names):
        names = [_string(entry.get("author"))]
    return tidy_names(names)


def tidy_names(names: Iterable[str]) -> tuple[str, ...]:
    """Give authors' names plain and once each, without "By" and without e-mail addresses, unless there are only those."""
    tidy: dict[str, None] = {}
    addresses: dict[str, None] = {}
    for name in names:
        line = title_from_html(name, 200)
        line = _BYLINE.sub("", line) if len(line) < 120 else line
        if "@" in line:
            without = _EMAIL.sub("", line).strip(" ()<>[],;:-–")
            line = without or line
        line = line.strip(" ,;|")
        if line and len(tidy) < _MAX_AUTHORS:
            (addresses if "@" in line else tidy).setdefault(line)
    return tuple(tidy or addresses)


def _image(entry: Mapping[str, Any], content: Mapping[str, Any] | None, summary_markup: str, base: str) -> str | None:
    candidates: list[object] = [
        media.get("url")
        for media in _list(entry, "media_content")
        if media.get("medium") == "image"
        or _string(media.get("type")).startswith("image/")
        or not (media.get("medium") or media.get("type"))
    ]
    candidates += [thumbnail.get("url") for thumbnail in _list(entry, "media_thumbnail")]
    candidates += [
        link.get("href")
        for link in _list(entry, "links")
        if link.get("rel") == "enclosure" and _string(link.get("type")).startswith("image/")
    ]
    image = entry.get("image")
    if isinstance(image, Mapping):
        candidates.append(image.get("href") or image.get("url"))
    for candidate in candidates:
        if isinstance(candidate, str) and (url := absolute_url(candidate, base or None)):
            return url
    for markup in (_string(content.get("value")) if content is not None else "", summary_markup):
        found = _IMAGE_TAG.search(markup[:20_000]) if "<img" in markup or "<IMG" in markup else None
        if found:
            return absolute_url(found.group(1).replace("&amp;", "&"), base or None)
    return None


def _section(entry: Mapping[str, Any]) -> str | None:
    for tag in _list(entry, "tags"):
        section = title_from_html(_string(tag.get("label")) or _string(tag.get("term")), 200)
        if section and not section.startswith(("http://", "https://")):
            return section
    return None


def _list(entry: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = entry.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    try:
        return float(_string(value).strip()) if isinstance(value, str) else None
    except ValueError:
        return None
