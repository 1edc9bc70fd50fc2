"""From a page's bytes to a tree, within limits of size, depth and number."""

import re
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree, html

from services.ingest.feeds.decode import decode
from services.ingest.feeds.markup import without_forbidden
from services.ingest.sizes import MIB
from shared.errors import Refused

_NOT_HTML = re.compile(rb"^(?:%PDF-|\x89PNG|GIF8|\xff\xd8\xff|PK\x03\x04|\x1f\x8b|RIFF|\x00\x00\x00.ftyp|OggS|ID3|MZ|\x7fELF)", re.DOTALL)
_HTML_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "application/xml", "text/xml", "application/octet-stream", "")
_LONG_TAG = re.compile(r"<[a-zA-Z][^<>]{20000,}")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_MAX_ATTRIBUTES_OF_ONE = 1_000
"""libxml2 compares each attribute of an element with all before it: 100,000 hold it for 40 seconds."""
_CONTROLS = bytes((*range(9), 11, 12, *range(14, 32)))
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f]")
_LOOKED_AT = 4_096
_CONTROLS_MOST = 0.05
"""Of the first characters: a page damaged on its way has fewer, compressed data three times as many."""
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,300}\?>")


@dataclass(frozen=True, slots=True)
class PageLimits:
    """What a page may be at most."""

    max_bytes: int = 4 * MIB
    max_depth: int = 250
    max_elements: int = 100_000
    """Elements and attributes together."""


def parse_page(body: bytes, *, content_type: str | None, limits: PageLimits) -> tuple[html.HtmlElement, str]:
    """Give a page's tree and its decoded source. Raises `Refused`: too_large, empty, not_html, too_deep, too_many_elements."""
    if len(body) > limits.max_bytes:
        raise Refused("too_large", f"{len(body)} bytes; {limits.max_bytes} are allowed")
    media_type = (content_type or "").split(";")[0].strip().lower()
    if media_type not in _HTML_TYPES or _NOT_HTML.match(body):
        raise Refused("not_html", f"the document is {media_type or 'binary'}, no HTML page")
    text = decode(body, content_type).text
    if len(_CONTROL.findall(text, 0, _LOOKED_AT)) > _CONTROLS_MOST * min(len(text), _LOOKED_AT):
        raise Refused("not_html", "the document is binary, whatever its type says")
    source = _XML_DECLARATION.sub("", _allowed(body, text), count=1)
    if not source.strip():
        raise Refused("empty", "the page is empty")
    if "<" not in source:
        raise Refused("not_html", "the document holds no markup")
    for found in _LONG_TAG.finditer(source):
        attributes = len(_QUOTED.sub("", found.group()).split())
        if attributes > _MAX_ATTRIBUTES_OF_ONE:
            raise Refused("too_many_elements", f"one element has {attributes} attributes; {_MAX_ATTRIBUTES_OF_ONE} are allowed")
    if "<pre" not in source and "<PRE" not in source:
        # line breaks of the source are no paragraphs, and trafilatura keeps some
        source = source.replace("\n", " ").replace("\r", " ").replace("\t", " ")
    parser = _new_parser()
    try:
        tree = html.fromstring(source.encode("utf-8", "ignore"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise Refused("not_html", f"no HTML can be read: {error}") from error
    if any("depth" in error.message.lower() for error in parser.error_log.filter_from_fatals()):
        raise Refused("too_deep", f"elements are nested deeper than {limits.max_depth}")
    _measure(tree, source, limits)
    return tree, source


def _allowed(body: bytes, text: str) -> str:
    """Drop what XML allows nowhere: trafilatura gives a page up whose text holds it. Most hold none, which the bytes tell faster."""
    if "&#" in text or "\uffff" in text or "\ufffe" in text or len(body.translate(None, delete=_CONTROLS)) != len(body):
        return without_forbidden(text)
    return text


def _measure(tree: html.HtmlElement, source: str, limits: PageLimits) -> None:
    if _deeper_than(limits.max_depth)(tree):
        raise Refused("too_deep", f"elements are nested deeper than {limits.max_depth}")
    if source.count("<") + source.count("=") <= limits.max_elements:
        return  # there can't be more elements and attributes than that
    number = int(float(str(_count()(tree))))
    if number > limits.max_elements:
        raise Refused("too_many_elements", f"{number} elements and attributes; {limits.max_elements} are allowed")


@lru_cache(maxsize=1)
def _count() -> etree.XPath:
    return etree.XPath("count(//*) + count(//@*)")


@lru_cache(maxsize=4)
def _deeper_than(depth: int) -> etree.XPath:
    return etree.XPath("boolean(/" + "/*" * (depth + 1) + ")", smart_strings=False)


def _new_parser() -> html.HTMLParser:
    # one a page: a parser keeps the errors of its last document
    return html.HTMLParser(
        encoding="utf-8",
        recover=True,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
        huge_tree=False,
    )
