"""Lists of feeds as OPML 2.0 (opml.org/spec2.opml). Outside entities are never read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

from shared.contracts import Feed
from shared.errors import SluglineError
from shared.settings import masked

DEPTH_LIMIT = 20
CATEGORY_SEPARATOR = "/"


@dataclass(frozen=True, slots=True)
class Outline:
    """A feed as an OPML file names it. `section` is the folder that it lies in."""

    url: str
    title: str = ""
    section: str | None = None
    language: str | None = None


def read(document: bytes) -> list[Outline]:
    """Read an OPML document. Raises `SluglineError` for what is none."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True, huge_tree=False)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise SluglineError(f"not an OPML file: {error}") from error
    if root is None or root.tag != "opml" or root.find("body") is None:
        raise SluglineError("not an OPML file: it has no <opml><body>")
    return list(_outlines(root.find("body"), None, 0))


def _outlines(parent: etree._Element | None, section: str | None, depth: int) -> Iterator[Outline]:
    if parent is None or depth > DEPTH_LIMIT:
        return
    for outline in parent.iterchildren("outline"):
        url = outline.get("xmlUrl")
        name = outline.get("title") or outline.get("text") or ""
        if url:
            category = (outline.get("category") or "").strip(CATEGORY_SEPARATOR).split(",")[0].split(CATEGORY_SEPARATOR)[-1].strip()
            yield Outline(url=url.strip(), title=name, section=section or category or None, language=outline.get("language"))
        yield from _outlines(outline, section if url else (name or section), depth + 1)


def write(feeds: Iterable[Feed]) -> bytes:
    """Write feeds as OPML, by section and title. Passwords in URLs stay: without them the file couldn't be imported again."""
    root = etree.Element("opml", version="2.0")
    etree.SubElement(etree.SubElement(root, "head"), "title").text = "Slugline's feeds"
    body = etree.SubElement(root, "body")
    sections: dict[str, etree._Element] = {}
    for feed in sorted(feeds, key=lambda feed: (feed.section or "", feed.title.casefold(), feed.url)):
        parent = body
        if feed.section:
            if feed.section not in sections:
                sections[feed.section] = etree.SubElement(body, "outline", text=feed.section, title=feed.section)
            parent = sections[feed.section]
        title = feed.title or masked(feed.url)
        attributes = {"type": "rss", "text": title, "title": title, "xmlUrl": feed.url}
        if feed.language:
            attributes["language"] = feed.language
        etree.SubElement(parent, "outline", attributes)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))
