"""Parts of a page that are never the article: readers' comments, consent banners, newsletter forms, share bars, lists of other articles.

trafilatura drops many of them by name, but takes some back where the article is short. What is dropped here is gone for good, so the
names are narrow, and lists of other articles must be made of links.
"""

import copy
import re
from functools import lru_cache

from lxml import etree, html

_SURE = re.compile(
    r"(?:^|[\s_-])(?:comments?|comentarios?|kommentare?|commentaires|commenti)(?:[_-]?(?:list|section|area|container|wrapper|thread|box|text|body"
    r"|form|holder|count|block))?(?=$|\s)"
    r"|(?:^|\s)(?:[a-z]{1,8}[_-])?comment[_-](?:list|section|area|thread|text|body|form|box)(?=$|\s)"
    r"|(?:^|\s)(?:disqus_thread|fb-comments|commentlist|respond|spot-im|viafoura|livefyre)(?=$|[\s_-])"
    r"|(?:^|[\s_-])(?:cookie|consent|gdpr)s?[_-]?(?:notice|banner|msg|bar|consent|popup|law|message|info|overlay|wall)(?=$|[\s_-])"
    r"|(?:^|\s)(?:privacy-notice|onetrust|didomi|usercentrics|qc-cmp|cmplz|sp_message_container|truste)(?=$|[\s_-])"
    r"|(?:^|[\s_-])(?:newsletter|subscribe|subscription)[_-]?(?:sign[_-]?up|form|box|widget|block|banner|promo|inline|success|cta)?(?=$|\s)"
    r"|(?:^|\s)mc_embed_signup|(?:^|\s)mc4wp"
    r"|(?:^|[\s_-])(?:share|sharing|social)[_-]?(?:bar|buttons?|tools?|links?|icons?|media|share|list|widget|menu|block)(?=$|\s)"
    r"|(?:^|\s)(?:sharedaddy|addtoany|addthis|jp-relatedposts|outbrain|taboola|ob-widget|trc_)(?=$|[\s_-])"
    r"|(?:^|\s)(?:screen-reader-text|sr-only|visually-hidden|skip-link)(?=$|\s)",
    re.IGNORECASE,
)
_OF_LINKS = re.compile(
    r"(?:^|[\s_-])(?:related|recommended|recommendations|most[_-]?(?:read|popular|viewed)|more[_-]?(?:stories|news|from|on)|read[_-]?(?:more|next|also)"
    r"|also[_-]?read|trending|popular|relacionad[oa]s?|verwandt|mehr-zum-thema|a-lire-aussi|breadcrumbs?|tags?|tag-?list|topics|pagination)"
    r"(?:[_-]?(?:articles?|posts?|content|stories|links?|news|list|items?|box|widget|block|section|container))?(?=$|\s)",
    re.IGNORECASE,
)
_MOSTLY_LINKS = 0.6
_LISTED_LINKS = 0.5
_LISTED_CHARS = 160
_LISTED_MOST = 30
_HEADINGS = ("h2", "h3", "h4", "h5", "h6", "strong", "b")
_NAMED = etree.XPath("descendant::*[@class or @id]")
_NEVER = frozenset(("article", "main", "h1", "body"))
_KEEPS = etree.XPath("boolean(descendant-or-self::h1 or descendant::article)")
_MAX_NAMES_CHARS = 400


def without_asides(tree: html.HtmlElement, elements: list[html.HtmlElement]) -> html.HtmlElement:
    """Give the tree without such parts: a copy where there are any, else the tree itself. `elements` are its `named` ones."""
    if not any(map(_matches, elements)) and not any(_lists_articles(listing) for listing in tree.iter("ul", "ol")):
        return tree
    tree = copy.deepcopy(tree)
    for element in named(tree):
        if element.getparent() is not None and _matches(element) and not _KEEPS(element):
            element.drop_tree()
    for listing in list(tree.iter("ul", "ol")):
        if listing.getparent() is not None and _lists_articles(listing):
            before = listing.getprevious()
            if before is not None and before.tag in _HEADINGS:
                before.drop_tree()
            listing.drop_tree()
    return tree


def named(tree: html.HtmlElement) -> list[html.HtmlElement]:
    """Give the elements that have an id or a class, in order."""
    found = _NAMED(tree)
    return found if isinstance(found, list) else []


def _matches(element: html.HtmlElement) -> bool:
    names = f"{element.get('id') or ''} {element.get('class') or ''}"
    if len(names) > _MAX_NAMES_CHARS or element.tag in _NEVER:
        return False
    kind = _kind(names)
    return kind == "sure" or (kind == "of links" and _is_of_links(element))


@lru_cache(maxsize=8_192)
def _kind(names: str) -> str:
    return "sure" if _SURE.search(names) else "of links" if _OF_LINKS.search(names) else ""


def _lists_articles(listing: html.HtmlElement) -> bool:
    """Say whether a list has headlines of other articles: short items, a link in each, mostly links. Menus are trafilatura's to drop."""
    if not 2 <= len(listing) <= _LISTED_MOST or next(listing.iterancestors("nav", "header", "footer"), None) is not None:
        return False
    for item in listing:
        if item.tag != "li" or next(item.iter("a"), None) is None or len(item.text_content()) > _LISTED_CHARS:
            return False
    return _is_of_links(listing, _LISTED_LINKS)


def _is_of_links(element: html.HtmlElement, share: float = _MOSTLY_LINKS) -> bool:
    whole = len(element.text_content().strip())
    return whole > 0 and sum(len(link.text_content().strip()) for link in element.iter("a")) >= share * whole
