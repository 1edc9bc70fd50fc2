"""Which feeds a site's page offers (RSS Advisory Board's autodiscovery, `rel=alternate`)."""

from functools import lru_cache

from lxml import etree

from services.ingest.feeds.model import FeedLink
from services.ingest.identity import absolute_url
from services.ingest.text import one_line, scrub

_TYPES = (
    "application/rss+xml",
    "application/atom+xml",
    "application/feed+json",
    "application/json",
    "application/rdf+xml",
    "text/xml",
    "application/xml",
)
_HEAD_CHARS = 300_000
_MAX_LINKS = 50


def discover_feeds(page: str, *, url: str) -> tuple[FeedLink, ...]:
    """Give the feeds a page declares in `<link rel="alternate">`, in its order, once each. Comments' feeds come last."""
    root = _parse(page[:_HEAD_CHARS])
    if root is None:
        return ()
    base = next((href for element in root.iter("base") if (href := absolute_url(element.get("href") or "", url or None))), url)
    found: dict[str, FeedLink] = {}
    for element in root.iter("link"):
        rel = (element.get("rel") or "").lower().split()
        media_type = (element.get("type") or "").split(";")[0].strip().lower()
        if not ("feed" in rel or ("alternate" in rel and media_type in _TYPES)) or "stylesheet" in rel:
            continue
        href = (element.get("href") or "").strip()
        target = absolute_url("https:" + href[5:] if href.startswith("feed://") else href, base or None)
        if target and len(found) < _MAX_LINKS:
            found.setdefault(target, FeedLink(target, one_line(element.get("title") or "", 200), media_type))
    return tuple(sorted(found.values(), key=lambda link: "comment" in (link.url + link.title).lower()))


def _parse(page: str) -> "etree._Element | None":
    try:
        return etree.fromstring(scrub(page).encode("utf-8", "ignore"), _parser())
    except (etree.LxmlError, ValueError):
        return None


@lru_cache(maxsize=1)
def _parser() -> etree.HTMLParser:
    return etree.HTMLParser(encoding="utf-8", recover=True, no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
