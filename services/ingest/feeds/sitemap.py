"""Sitemaps, news sitemaps and sitemap indexes (sitemaps.org 0.9, Google's news and image extensions)."""

from lxml import etree

from services.ingest.feeds.model import ChildFeed, FeedItem, ParsedFeed
from services.ingest.feeds.normalise import Context, language_code
from services.ingest.identity import absolute_url
from services.ingest.text import title_from_html
from shared.errors import Refused

_MAX_CHILDREN = 50_000
"""As the protocol allows."""


def read(markup: str, context: Context, *, max_items: int) -> ParsedFeed:
    """Read a document whose root is `urlset` or `sitemapindex`. Raises `Refused` (malformed)."""
    parser = etree.XMLParser(
        encoding="utf-8",
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(markup.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError) as error:
        raise Refused("malformed", f"no sitemap can be read: {error}") from error
    if root is None:
        raise Refused("malformed", "no sitemap can be read")
    flaw = next((f"line {error.line}: {error.message}"[:200] for error in parser.error_log), None)
    if _local(root) == "sitemapindex":
        return ParsedFeed(format="sitemap_index", link=_site(context.url), flaw=flaw, children=_children(root, context))
    is_news = False
    for position, element in enumerate(child for child in root if _local(child) == "url"):
        if position >= max_items:
            flaw = f"more than {max_items} items; the rest was not read"
            break
        texts = _texts(element)
        is_news = is_news or "news.title" in texts
        item, bad_url = _item(texts, context)
        context.add(position, item, bad_url)
    languages = {item.language for item in context.items}
    return ParsedFeed(
        format="sitemap_news" if is_news else "sitemap",
        title=next((item.publisher_name for item in context.items if item.publisher_name), ""),
        link=_site(context.url),
        language=languages.pop() if len(languages) == 1 else None,
        flaw=flaw,
        items=tuple(context.items),
        refused=tuple(context.refused),
    )


def _item(texts: dict[str, str], context: Context) -> tuple[FeedItem, str | None]:
    location = texts.get("loc", "")
    url = absolute_url(location, context.url or None)
    updated = context.time(texts.get("lastmod"))
    published = context.time(texts.get("news.publication_date"))
    keywords = texts.get("news.keywords", "").split(",")
    item = FeedItem(
        item_id=None,
        url=url,
        canonical_url=None,
        title=title_from_html(texts.get("news.title", "")),
        published_at=published or updated,
        updated_at=updated,
        image=absolute_url(texts.get("image.loc", ""), context.url or None),
        section=title_from_html(keywords[0], 200) or None,
        language=language_code(texts.get("news.language")),
        publisher_name=title_from_html(texts.get("news.name", ""), 200) or None,
    )
    return item, location or None


def _children(root: "etree._Element", context: Context) -> tuple[ChildFeed, ...]:
    children: dict[str, ChildFeed] = {}
    for element in root:
        if _local(element) != "sitemap" or len(children) >= _MAX_CHILDREN:
            continue
        texts = _texts(element)
        url = absolute_url(texts.get("loc", ""), context.url or None)
        if url:
            children.setdefault(url, ChildFeed(url, context.time(texts.get("lastmod"))))
    return tuple(children.values())


def _texts(element: "etree._Element") -> dict[str, str]:
    """Give the first text of each descendant by its local name, with `news.` or `image.` before those of the extensions."""
    texts: dict[str, str] = {}
    for descendant in element.iterdescendants():
        name, text = _local(descendant), (descendant.text or "").strip()
        if not name or not text:
            continue
        namespace = str(descendant.tag).lower()
        prefix = (
            "news."
            if "sitemap-news" in namespace
            else "image."
            if "sitemap-image" in namespace
            else "video."
            if "sitemap-video" in namespace
            else ""
        )
        texts.setdefault(prefix + name, text)
    return texts


def _local(element: "etree._Element") -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _site(url: str) -> str | None:
    return absolute_url("/", url) if url else None
