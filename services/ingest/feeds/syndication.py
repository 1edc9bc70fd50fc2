"""RSS 0.9x to 2.0, RDF, Atom and CDF by feedparser's two parsers, the strict and the loose one, hardened.

feedparser's public `parse` also sanitises and resolves the embedded HTML, which we turn into plain text anyway and which
is most of its time. Beyond that the subclasses here keep an item's id as it stands, read dates later, keep media
descriptions apart from the item's own, and bound what is quadratic (kurtmckee/feedparser#562), deep or endless.
"""

import io
import re
import xml.sax
import xml.sax.handler
import xml.sax.xmlreader
from dataclasses import dataclass
from typing import Any
from xml.sax.xmlreader import AttributesNSImpl

import feedparser.api

from services.ingest.feeds.markup import with_entities_resolved, with_leaves_closed
from shared.errors import Refused

_MAX_DEPTH = 400
"""Nesting of elements; real feeds with XHTML content stay below 60."""
_MAX_AUTHOR_CHARS = 300
_MAX_ATTRIBUTES = 500
"""SAX looks each attribute up among all: 100,000 on one element take ten minutes. An element with more is read as having none."""
_NO_ATTRIBUTES = AttributesNSImpl({}, {})
_ABSOLUTE = re.compile(r"https?://[^\s<>\"]+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Syndicated:
    """feedparser's view of a document: its dictionaries, the version's code, and what was wrong."""

    feed: dict[str, Any]
    entries: list[dict[str, Any]]
    version: str
    flaw: str | None


_GAVE_UP = (ValueError, IndexError, KeyError, TypeError, AssertionError, RecursionError, OverflowError)
"""What feedparser's readers raise over some rubbish."""


class _Enough(Exception):
    """As many items as are wanted have been read."""


class _Reader:
    """What both parsers do differently from feedparser's. Mixed in before them."""

    max_items: int
    entries: list[dict[str, Any]]
    depth: int
    guidislink: Any

    def unknown_starttag(self, tag: str, attrs: list[tuple[str, str]]) -> Any:
        if self.depth > _MAX_DEPTH:
            raise Refused("too_deep", f"elements are nested deeper than {_MAX_DEPTH}")
        return super().unknown_starttag(tag, attrs)  # type: ignore[misc]

    def _start_item(self, attrs: dict[str, str]) -> None:
        if len(self.entries) >= self.max_items:
            raise _Enough
        super()._start_item(attrs)  # type: ignore[misc]

    _start_entry = _start_item

    def _start_guid(self, attrs: dict[str, str]) -> None:
        super()._start_guid(attrs)  # type: ignore[misc]
        self._says_permalink = "ispermalink" in attrs

    _start_id = _start_guid

    def _end_guid(self) -> None:
        is_link, self.guidislink = self.guidislink, 0
        value = self.pop("id")  # type: ignore[attr-defined]
        self.guidislink = is_link
        if is_link and isinstance(value, str):
            if _ABSOLUTE.match(value):
                self._save("link", value)  # type: ignore[attr-defined]
            elif getattr(self, "_says_permalink", False) and value:
                self._save("link", self.resolve_uri(value))  # type: ignore[attr-defined]

    _end_id = _end_guid

    def _end_published(self) -> None:
        self.pop("published")  # type: ignore[attr-defined]

    _end_issued = _end_pubdate = _end_dcterms_issued = _end_published

    def _end_updated(self) -> None:
        self.pop("updated")  # type: ignore[attr-defined]

    _end_modified = _end_lastbuilddate = _end_dc_date = _end_dcterms_modified = _end_updated

    def _end_created(self) -> None:
        self.pop("created")  # type: ignore[attr-defined]

    _end_dcterms_created = _end_created

    def _end_content(self) -> None:
        self.pop_content("content")  # type: ignore[attr-defined]

    _end_body = _end_xhtml_body = _end_content_encoded = _end_fullitem = _end_content

    def _start_media_description(self, _attrs: dict[str, str]) -> None:
        self.push("media_description", 1)  # type: ignore[attr-defined]

    def _end_media_description(self) -> None:
        self.pop("media_description")  # type: ignore[attr-defined]

    def push_content(self, tag: str, attrs: dict[str, str], default_content_type: str, expecting_text: Any) -> None:
        super().push_content(tag, attrs, default_content_type, expecting_text)  # type: ignore[misc]
        if "type" in attrs:
            self.contentparams["declared"] = True  # type: ignore[attr-defined]

    def _sync_author_detail(self, key: str = "author") -> None:
        # feedparser looks for an e-mail address here, in quadratic time and among top-level domains of up to four letters
        context = self._get_context()  # type: ignore[attr-defined]
        details, written = context.get(f"{key}s"), context.get(key)
        if isinstance(details, list) and details and not details[-1] and isinstance(written, str):
            details[-1]["name"] = written[:_MAX_AUTHOR_CHARS]


class _Strict(_Reader, feedparser.api.StrictFeedParser):  # type: ignore[misc]
    """The SAX parser, for well-formed documents."""

    def startElementNS(self, name: Any, qname: Any, attrs: AttributesNSImpl) -> None:  # noqa: N802 — SAX names it
        if len(attrs) > _MAX_ATTRIBUTES:
            attrs = _NO_ATTRIBUTES
        super().startElementNS(_pair(name), qname, attrs)

    def endElementNS(self, name: Any, qname: Any) -> None:  # noqa: N802 — SAX names it
        super().endElementNS(_pair(name), qname)


def _pair(name: tuple[str | None, ...]) -> tuple[str | None, str | None]:
    """Give namespace and local name: SAX splits at spaces, and a namespace may hold some."""
    return (name[0], name[1]) if len(name) == 2 else (" ".join(part or "" for part in name[:-1]), name[-1])


class _Loose(_Reader, feedparser.api.LooseFeedParser):  # type: ignore[misc]
    """The SGML parser, for everything else."""


class _NoDoctype(xml.sax.handler.LexicalHandler):
    """A DOCTYPE was dropped before; one that is met now was hidden."""

    def startDTD(self, _name: str, _public_id: str | None, _system_id: str | None) -> None:  # noqa: N802 — SAX names it
        raise Refused("doctype", "holds a document type declaration inside")


def read_syndicated(markup: str, *, base_url: str, max_items: int) -> Syndicated:
    """Read a document without prologue. Raises `Refused` (too_deep, doctype); never for malformed markup."""
    if "base=" not in markup:
        base_url = ""  # links are resolved later; feedparser would resolve the base itself at every element
    try:
        return _read_strictly(markup, base_url, max_items, None)
    except xml.sax.SAXException as error:
        flaw = _describe(error)
    closed = with_leaves_closed(markup)
    repaired = with_entities_resolved(closed) if "&" in markup else closed
    if repaired != markup:
        try:
            return _read_strictly(repaired, base_url, max_items, flaw)
        except xml.sax.SAXException:
            pass
    return _read_loosely(repaired, base_url, max_items, flaw)


def _read_strictly(markup: str, base_url: str, max_items: int, flaw: str | None) -> Syndicated:
    reader = _Strict(base_url, None, "utf-8")
    reader.max_items = max_items
    reader.resolve_relative_uris = False
    reader.sanitize_html = False
    parser = xml.sax.make_parser()  # noqa: S317 — the DOCTYPE is gone, external entities are off, nesting is bounded
    parser.setFeature(xml.sax.handler.feature_namespaces, True)
    parser.setFeature(xml.sax.handler.feature_external_ges, False)
    parser.setFeature(xml.sax.handler.feature_external_pes, False)
    parser.setProperty(xml.sax.handler.property_lexical_handler, _NoDoctype())
    parser.setContentHandler(reader)
    parser.setErrorHandler(reader)
    source = xml.sax.xmlreader.InputSource()
    source.setEncoding("utf-8")
    source.setByteStream(io.BytesIO(markup.encode("utf-8", "replace")))
    try:
        parser.parse(source)
    except _Enough:
        flaw = f"more than {max_items} items; the rest was not read"
    except _GAVE_UP as error:
        # feedparser stumbles over what a namespace or a nesting should not be; its other parser reads on
        raise xml.sax.SAXException(f"{type(error).__name__} in the strict parser") from error
    return Syndicated(reader.feeddata, reader.entries, reader.version, flaw)


def _read_loosely(markup: str, base_url: str, max_items: int, flaw: str) -> Syndicated:
    reader = _Loose(base_url, None, "utf-8", {})
    reader.max_items = max_items
    reader.resolve_relative_uris = False
    reader.sanitize_html = False
    try:
        reader.feed(markup)
    except _Enough:
        flaw = f"more than {max_items} items; the rest was not read"
    except _GAVE_UP as error:
        # sgmllib gives up on some rubbish; what it has read stands
        flaw = f"{flaw}; broken off: {type(error).__name__}"
    return Syndicated(reader.feeddata, reader.entries, reader.version, flaw)


def _describe(error: xml.sax.SAXException) -> str:
    if isinstance(error, xml.sax.SAXParseException):
        return f"line {error.getLineNumber()}: {error.getMessage()}"[:200]
    return str(error)[:200]
