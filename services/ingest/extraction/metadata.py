"""What a page says about itself: JSON-LD (schema.org), OpenGraph and other meta tags, microdata, links."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree, html

from services.ingest.text import from_html, one_line, title_from_html

_ARTICLE_TYPES = frozenset((
    "article", "newsarticle", "reportagenewsarticle", "analysisnewsarticle", "opinionnewsarticle", "backgroundnewsarticle",
    "reviewnewsarticle", "askpublicnewsarticle", "advertisercontentarticle", "satiricalarticle", "scholarlyarticle",
    "techarticle", "blogposting", "liveblogposting", "socialmediaposting", "report", "podcastepisode", "videoobject",
))  # fmt: skip
_WEAK_TYPES = frozenset(("podcastepisode", "videoobject", "socialmediaposting", "webpage"))
_MAX_JSON_CHARS = 1_000_000
_MAX_NODES = 5_000
_CLEAN_JSON = re.compile(r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|//\s*\]\]>|\]\]>)\s*$")
_TRAILING_COMMA = re.compile(r",\s*([}\]])")
_Json = dict[str, Any]


@dataclass(slots=True)
class PageData:
    """A page's own statements, raw, best first."""

    titles: list[str] = field(default_factory=list)
    document_title: str = ""
    descriptions: list[str] = field(default_factory=list)
    authors: list[list[str]] = field(default_factory=list)
    """One list a source of knowledge; the first that is not empty counts."""
    images: list[str] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    site_names: list[str] = field(default_factory=list)
    rel_canonical: str | None = None
    og_url: str | None = None
    base: str | None = None
    body: str = ""
    """schema.org articleBody."""
    is_free: bool | None = None
    """schema.org isAccessibleForFree and article:content_tier."""
    is_article: bool = False
    """Something says that this is an article."""
    meta: dict[str, list[str]] = field(default_factory=dict)


def read_metadata(tree: html.HtmlElement) -> PageData:
    """Collect what the page says. Nothing is believed or made absolute yet."""
    page = PageData()
    _read_json_ld(tree, page)
    _read_meta(tree, page)
    _read_microdata(tree, page)
    _read_links(tree, page)
    return page


def _read_json_ld(tree: html.HtmlElement, page: PageData) -> None:
    nodes: list[_Json] = []
    by_id: dict[str, _Json] = {}
    for script in tree.iter("script"):
        if "ld+json" not in (script.get("type") or "").lower():
            continue
        for node in _walk(_load(script.text or "")):
            nodes.append(node)
            identity = node.get("@id")
            if isinstance(identity, str) and len(node) > 1:
                by_id.setdefault(identity, node)
    articles = [node for node in nodes if _types(node) & _ARTICLE_TYPES]
    articles.sort(key=lambda node: (not (_types(node) - _WEAK_TYPES), not _strings(node.get("headline"))))
    for node in nodes:
        if "isAccessibleForFree" in node and (node in articles or "webpage" in _types(node)):
            page.is_free = page.is_free is not False and not str(node["isAccessibleForFree"]).strip().lower().endswith(("false", "0", "no"))
    if not articles:
        for node in nodes:
            if "webpage" in _types(node):
                page.published += _strings(node.get("datePublished"))
                page.updated += _strings(node.get("dateModified"))
                page.languages += _strings(node.get("inLanguage"))
        return
    page.is_article = True
    for node in articles[:3]:
        page.titles += [title_from_html(title) for title in _strings(node.get("headline"))]
        page.published += _strings(node.get("datePublished")) or _strings(node.get("dateCreated")) or _strings(node.get("uploadDate"))
        page.updated += _strings(node.get("dateModified"))
        page.sections += _strings(node.get("articleSection"))
        page.languages += _strings(node.get("inLanguage"))
        page.descriptions += _strings(node.get("description"))
        page.images += _urls(node.get("image"), by_id) or _urls(node.get("thumbnailUrl"), by_id)
        page.authors.append(_names(node.get("author"), by_id) or _names(node.get("creator"), by_id))
        page.site_names += _names(node.get("publisher"), by_id)
        bodies = _strings(node.get("articleBody"))
        if bodies and len(bodies[0]) > len(page.body):
            page.body = from_html(bodies[0])
    if not page.titles:
        page.titles += [title_from_html(name) for name in _strings(articles[0].get("name"))]


def _load(text: str) -> object:
    text = _CLEAN_JSON.sub("", text.strip()).strip()
    if not text or len(text) > _MAX_JSON_CHARS:
        return None
    for candidate in (text, _TRAILING_COMMA.sub(r"\1", text)):
        try:
            loaded: object = json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
        return loaded
    return None


def _walk(document: object) -> Iterator[_Json]:
    """Give all objects of a JSON-LD document that have a type, outermost first."""
    waiting: list[object] = [document]
    seen = 0
    while waiting and seen < _MAX_NODES:
        node = waiting.pop(0)
        seen += 1
        if isinstance(node, list):
            waiting[:0] = node
        elif isinstance(node, dict):
            if "@type" in node or "@id" in node:
                yield node
            waiting += [
                value
                for key, value in node.items()
                if isinstance(value, (dict, list)) and key not in ("comment", "hasPart", "review", "itemListElement")
            ]


def _types(node: _Json) -> set[str]:
    return {str(name).rpartition("/")[2].lower() for name in _strings(node.get("@type"))}


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [str(value)]
    if isinstance(value, list):
        return [text for item in value[:50] for text in _strings(item)]
    if isinstance(value, dict):
        return _strings(value.get("@value") or value.get("name"))
    return []


def _names(value: object, by_id: dict[str, _Json]) -> list[str]:
    if isinstance(value, list):
        return [name for item in value[:50] for name in _names(item, by_id)]
    if isinstance(value, dict):
        identity = value.get("@id")
        if "name" not in value and isinstance(identity, str):
            value = by_id.get(identity, value)
        return _strings(value.get("name"))
    return [name for name in _strings(value) if not name.startswith(("http://", "https://", "@"))]


def _urls(value: object, by_id: dict[str, _Json]) -> list[str]:
    if isinstance(value, list):
        return [url for item in value[:20] for url in _urls(item, by_id)]
    if isinstance(value, dict):
        identity = value.get("@id")
        if "url" not in value and "contentUrl" not in value and isinstance(identity, str):
            value = by_id.get(identity, value)
        return _strings(value.get("contentUrl")) or _strings(value.get("url"))
    return _strings(value)


_PUBLISHED_META = (
    "article:published_time", "og:article:published_time", "og:published_time", "datepublished", "parsely-pub-date",
    "sailthru.date", "article.published", "article:published", "published-date", "publish-date", "publishdate", "publish_date",
    "pubdate", "publication_date", "dc.date.issued", "dcterms.issued", "dc.date", "dcterms.date", "dcterms.created",
    "dc.date.created", "citation_publication_date", "cxenseparse:recs:publishtime", "cxenseparse:publishtime",
    "rnews:datepublished", "article_date_original", "date", "iso-8601-publish-date", "originalpublicationdate",
    "prism.publicationdate", "datecreated",
)  # fmt: skip
_UPDATED_META = (
    "article:modified_time", "og:updated_time", "datemodified", "dcterms.modified", "dc.date.modified", "last-modified",
    "lastmod", "article.updated", "rnews:datemodified",
)  # fmt: skip


def _read_meta(tree: html.HtmlElement, page: PageData) -> None:
    meta = page.meta
    for element in tree.iter("meta"):
        content = (element.get("content") or "").strip()
        if not content or len(content) > 20_000:
            continue
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            for name in (element.get(attribute) or "").lower().split():
                meta.setdefault(name, []).append(content)
    page.titles += [
        title_from_html(title)
        for key in ("og:title", "twitter:title", "parsely-title", "headline", "sailthru.title", "dc.title")
        for title in meta.get(key, ())
    ]
    page.descriptions += _first(meta, "og:description", "description", "twitter:description", "dc.description", "sailthru.description")
    page.images += _first(
        meta, "og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src", "thumbnail", "parsely-image-url"
    )
    page.sections += _first(meta, "article:section", "parsely-section", "section", "cxenseparse:section", "dc.subject", "category")
    page.published += _first(meta, *_PUBLISHED_META)
    page.updated += _first(meta, *_UPDATED_META)
    page.site_names += _first(
        meta, "og:site_name", "application-name", "apple-mobile-web-app-title", "dc.publisher", "publisher", "copyright-holder"
    )
    page.languages += _first(meta, "og:locale", "content-language", "language", "dc.language")
    for key in (
        "author",
        "article:author",
        "parsely-author",
        "dc.creator",
        "sailthru.author",
        "byl",
        "citation_author",
        "article:author_name",
        "cxenseparse:author",
        "twitter:data1",
    ):
        names = [name for name in meta.get(key, ()) if not name.startswith(("http://", "https://", "@", "/"))]
        if key != "twitter:data1" or [label.lower() for label in meta.get("twitter:label1", ())] in (
            ["written by"],
            ["verfasst von"],
            ["escrito por"],
        ):
            page.authors.append(names)
    page.og_url = next(iter(meta.get("og:url", ())), None)
    page.is_article = page.is_article or "article" in [kind.lower() for kind in meta.get("og:type", ())] or "article:published_time" in meta
    tier = next(iter(meta.get("article:content_tier", ())), "").lower()
    if page.is_free is None and tier:
        page.is_free = tier == "free"


def _first(meta: dict[str, list[str]], *keys: str) -> list[str]:
    return [content for key in keys for content in meta.get(key, ())]


def _read_microdata(tree: html.HtmlElement, page: PageData) -> None:
    authors: list[str] = []
    for element in _elements(_STATING(tree)):
        properties = (element.get("itemprop") or "").lower().split()
        value = element.get("datetime") or element.get("content") or element.get("title") or ""
        if "datepublished" in properties or "datecreated" in properties:
            page.published.append(value or _text(element))
        elif "datemodified" in properties:
            page.updated.append(value or _text(element))
        elif "headline" in properties:
            page.titles.append(one_line(element.get("content") or _text(element)))
        elif "author" in properties or "creator" in properties:
            named = element.find(".//*[@itemprop='name']")
            authors.append(element.get("content") or _text(element if named is None else named))
        elif "articlesection" in properties:
            page.sections.append(element.get("content") or _text(element))
        elif "author" in (element.get("rel") or "").lower().split():
            authors.append(_text(element))
    page.authors.append([author for author in authors if len(author) < 200])
    if not any(page.authors):
        lines = (_text(element) for element in _elements(_BYLINE_CLASS(tree)))
        byline = next((line for line in lines if 3 <= len(line) <= 120 and not any(map(str.isdigit, line))), None)
        page.authors.append([byline] if byline else [])
    for element in tree.iter("time"):
        stamp = element.get("datetime")
        if stamp:
            page.published.append(stamp)


_LOWER_CLASS = "concat(' ', normalize-space(translate(@class, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')), ' ')"
_BYLINE_CLASSES = ("byline", "author", "author-name", "byline-name", "autor")
_BYLINE_CLASS = etree.XPath(
    "//*[self::span or self::div or self::p or self::a or self::address or self::li][@class]["
    + " or ".join(f"contains({_LOWER_CLASS}, ' {name} ')" for name in _BYLINE_CLASSES)
    + "]"
)


_STATING = etree.XPath(
    "//*[@itemprop or @rel]"
    "[self::time or self::span or self::div or self::p or self::a or self::h1 or self::h2 or self::address or self::abbr]"
)


def _elements(found: object) -> "list[etree._Element]":
    if not isinstance(found, list):
        return []
    return [element for element in found if isinstance(element, etree._Element)]  # noqa: SLF001 — lxml's only name for it


def _read_links(tree: html.HtmlElement, page: PageData) -> None:
    for element in tree.iter("link"):
        rel = (element.get("rel") or "").lower().split()
        if "canonical" in rel and page.rel_canonical is None:
            page.rel_canonical = (element.get("href") or "").strip() or None
    base = next(tree.iter("base"), None)
    page.base = base.get("href") if base is not None else None
    title = next((element for element in tree.iter("title") if not _in_svg(element)), None)
    page.document_title = one_line(_text(title)) if title is not None else ""
    page.languages += [language for language in (tree.get("lang"), tree.get("{http://www.w3.org/XML/1998/namespace}lang")) if language]
    body = next(tree.iter("body"), None)
    if body is not None and body.get("lang"):
        page.languages.append(body.get("lang") or "")


def _in_svg(element: "etree._Element") -> bool:
    return any(ancestor.tag == "svg" for ancestor in element.iterancestors())


def _text(element: "etree._Element") -> str:
    return one_line("".join(str(piece) for piece in element.itertext()), 500)
