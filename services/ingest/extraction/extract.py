"""Read an article page: main text by trafilatura, everything else from what the page says about itself."""

import re
from datetime import datetime
from functools import lru_cache
from urllib.parse import urlsplit

import trafilatura
from lxml import etree, html
from trafilatura.settings import Document, Extractor

from services.ingest.dates import DEFAULT_TOLERANCE_S, has_zone, parse_date
from services.ingest.extraction.asides import named, without_asides
from services.ingest.extraction.blocked import judge, without_wall
from services.ingest.extraction.metadata import PageData, read_metadata
from services.ingest.extraction.model import Extracted
from services.ingest.extraction.page import PageLimits, parse_page
from services.ingest.extraction.title import best_title
from services.ingest.feeds.normalise import language_code, tidy_names
from services.ingest.identity import absolute_url, believed_canonical, registrable_domain
from services.ingest.language import detect_language
from services.ingest.text import SUMMARY_LIMIT, cut, from_html, one_line, scrub, shorten
from shared.contracts import TEXT_LIMIT_BYTES, Extraction

_DATED_LINE = re.compile(
    r"\b(?:\d{1,2}(?:st|nd|rd|th|\.)?\s+(?:de\s+)?[^\W\d_]{3,12}\.?,?\s+(?:de\s+)?\d{4}|[^\W\d_]{3,12}\.?\s+\d{1,2}(?:st"
    r"|nd|rd|th)?,?\s+\d{4}|\d{4}-\d{2}-\d{2})"
    r"(?:[,\s]{1,3}(?:(?:at|um|a las|à)\s+)?\d{1,2}[:.h]\d{2}(?::\d{2})?(?:\s*[ap]\.?m\.?)?(?:\s*(?:Uhr\s*)?\(?(?:[A-Z]{2,5}"
    r"|[+-]\d{2}:?\d{2})\)?)?)?"
)
_URL_DATE = re.compile(r"/(20\d{2})[/-](\d{1,2})[/-](\d{1,2})(?:/|-|$)")
_PIPE_ROW = re.compile(r"^\|?[\s|:-]+\|?$")
_AND = re.compile(r"\s*,?\s+(?:and|und|y|et|e|og|och|en|&)\s+|\s*[;|/•]\s*|,\s+(?=[^\W\d_a-z])")
_FULL_NAME = re.compile(
    r"(?:(?:[^\W\d_a-z][\w'’.-]*|(?:d|l|o)['’][^\W\d_]\w*|de|del|della|der|den|di|da|do|dos|du|la|le|van|von|zu|bin|ibn|al|el|ten|ter|af|av)(?:\s+|$)){2,5}$"
)
_JOB = re.compile(
    r"\s*[,(–—|-]\s*[^,]*\b(?:correspondents?|reporters?|editors?|writers?|journalists?|columnists?|contributors?|producers?|staff|chief|desk|bureau"
    r"|korrespondent(?:in)?|redakteur(?:in)?|redaktion|autor(?:in)?|corresponsal|redactora?|journaliste|correspondante?|rédact\w+)\b.*$",
    re.IGNORECASE,
)
_BYLINE_CHARS = 500
_AGENCY = re.compile(r"[A-Z]{2,5}$|dpa$")
_VISIBLE = etree.XPath(
    "//body//text()[not(parent::script or parent::style or parent::noscript or parent::template or parent::textarea)]", smart_strings=False
)
_DATE_LINES = 120
_LEAD_NAMES = frozenset(
    (
        "lead",
        "lede",
        "article__lead",
        "article-lead",
        "article_lead",
        "articlelead",
        "lead-text",
        "lead-paragraph",
        "article-lede",
        "story-lead",
    )
)
_SPACES = re.compile(" {2,}")
_WORD = re.compile(r"[^\W_]+")
_BODY_SHARE = 0.6
"""A shorter articleBody is a teaser."""
_BODY_FOUND = 0.85
_BODY_LINES = 2_000
_LEAD_LEAST_CHARS = 60
_LEAD_MOST_CHARS = 1_000
_LEAD_BEGINNING = 40
_TOO_SHORT_CHARS = 200
"""With less than that the article itself was dropped with its surroundings."""


def extract(
    body: bytes,
    *,
    url: str,
    content_type: str | None,
    now: datetime,
    limits: PageLimits | None = None,
    future_tolerance_s: float = DEFAULT_TOLERANCE_S,
) -> Extracted:
    """Read an article page. `url` is where it was found, after redirects; empty for a file, which is then believed in what it says.

    Raises `Refused`: too_large, empty, not_html, too_deep, too_many_elements, url_refused. A hostile page may hold the
    parser for long, so a service calls it through `ExtractorPool.extract`.
    """
    tree, source = parse_page(body, content_type=content_type, limits=limits or PageLimits())
    page = read_metadata(tree)
    if not url:
        url = absolute_url(page.rel_canonical or "") or absolute_url(page.og_url or "") or ""
    base = absolute_url(page.base or "", url) or url
    host = urlsplit(url).hostname or ""
    domain = registrable_domain(host)
    site_names = tuple(dict.fromkeys(name for raw in page.site_names if (name := one_line(raw, 200))))
    title = best_title(page.titles, _heading(tree), page.document_title, (*site_names, domain), domain.split(".")[0])
    has_password_field = any((element.get("type") or "").lower() == "password" for element in tree.iter("input"))
    text = _main_text(tree, page, title)
    verdict = judge(
        text=text,
        title=title or page.document_title,
        visible=lambda: " ".join(_visible_lines(tree)),
        source=source,
        page=page,
        host=host,
        has_password_field=has_password_field,
    )
    if verdict.extraction is Extraction.BLOCKED:
        text = ""
    elif verdict.note == "paywall":
        text = without_wall(text)
    text, truncated = cut(text)
    summary = next((description for raw in page.descriptions if (description := from_html(raw))), "")
    hint = next((code for tag in page.languages if (code := language_code(tag))), None)
    rel_canonical, og_url = absolute_url(page.rel_canonical or "", base), absolute_url(page.og_url or "", base)
    return Extracted(
        title=title,
        text=text,
        truncated=truncated,
        summary=shorten(summary, SUMMARY_LIMIT),
        authors=_authors(page, site_names),
        image=next((image for raw in page.images if (image := absolute_url(raw, base))), None),
        section=next((section for raw in page.sections if (section := one_line(from_html(raw), 200))), None),
        published_at=_published(page, tree, url, now, future_tolerance_s),
        updated_at=_time(page.updated, now, future_tolerance_s),
        language=detect_language(f"{title}\n{text or summary}", hint),
        publisher_name=site_names[0] if site_names else None,
        rel_canonical=rel_canonical,
        og_url=og_url,
        canonical_url=believed_canonical(url, rel_canonical, og_url) if url else "",
        extraction=verdict.extraction,
        note=verdict.note,
    )


def _main_text(tree: html.HtmlElement, page: PageData, title: str) -> str:
    elements = named(tree)
    text = _extracted(without_asides(tree, elements))
    if len(text) < _TOO_SHORT_CHARS:
        text = max(text, _extracted(tree), key=len)
    if "|" in text:
        text = "\n".join(
            line.strip("| ").replace(" | ", " ") if line.startswith("|") else line for line in text.split("\n") if not _PIPE_ROW.match(line)
        )
    lines = text.split("\n")
    if title and lines and lines[0].lstrip("# ").casefold() == title.casefold():
        text = "\n".join(lines[1:])
    if page.body and page.is_free is not False and len(text) < 0.5 * len(page.body):
        text = page.body
    elif _BODY_SHARE * len(text) <= len(page.body) <= TEXT_LIMIT_BYTES and text.count("\n") < _BODY_LINES:
        text = _lines_of(page.body, text)
    lead = _lead(elements)
    # some outlets keep the first paragraph beside the body that trafilatura finds
    return f"{lead}\n{text}" if lead and text and lead[:_LEAD_BEGINNING] not in text else text


def _lines_of(body: str, text: str) -> str:
    """Give the lines of a text that the outlet itself counts to the article, if they are nearly all of what it counts."""
    whole = _letters(body)
    kept = [line for line in text.split("\n") if _letters(line) in whole]
    return "\n".join(kept) if sum(len(_letters(line)) for line in kept) >= _BODY_FOUND * len(whole) else text


def _letters(text: str) -> str:
    return "".join(_WORD.findall(text))


def _lead(elements: list[html.HtmlElement]) -> str:
    """Give the paragraph that is called the article's lead, where just one is."""
    leads = [one_line(str(element.text_content())) for element in elements if _is_lead(element)]
    return leads[0] if len(leads) == 1 and _LEAD_LEAST_CHARS <= len(leads[0]) <= _LEAD_MOST_CHARS else ""


def _is_lead(element: html.HtmlElement) -> bool:
    classes = element.get("class")
    if (
        not classes
        or ("ead" not in classes and "ede" not in classes)
        or element.tag not in ("div", "p")
        or _LEAD_NAMES.isdisjoint(classes.lower().split())
    ):
        return False
    return len(element.findall(".//p")) < 2 and next(element.iterancestors("article", "main"), None) is not None


def _extracted(tree: html.HtmlElement) -> str:
    document = trafilatura.bare_extraction(tree, options=_options())
    text = scrub(document.text or "").strip() if isinstance(document, Document) else ""
    return _SPACES.sub(" ", text) if "  " in text else text


@lru_cache(maxsize=1)
def _options() -> Extractor:
    return Extractor(output_format="python", comments=False, formatting=False)


def _heading(tree: html.HtmlElement) -> str:
    headings = [one_line("".join(str(piece) for piece in element.itertext())) for element in tree.iter("h1")]
    named = [heading for heading in headings if heading]
    return named[0] if len(named) == 1 else max(named, key=len, default="")


def _visible_lines(tree: html.HtmlElement) -> list[str]:
    found = _VISIBLE(tree)
    return [line for piece in found if (line := " ".join(str(piece).split()))] if isinstance(found, list) else []


def _authors(page: PageData, site_names: tuple[str, ...]) -> tuple[str, ...]:
    outlets = {name.casefold() for name in site_names}
    for names in page.authors:
        people = tidy_names(part for name in names for part in _split_names(name, outlets))
        people = tuple(name for name in people if name.casefold() not in outlets and len(name) < 100)
        if people:
            return people
    return ()


def _split_names(names: str, outlets: set[str]) -> list[str]:
    """Give the people of a byline: split where each part looks like a full name, without what they do and for whom."""
    if len(names) > _BYLINE_CHARS:
        return [names]
    names = _JOB.sub("", names) or names
    parts = [part.strip(" ,") for part in _AND.split(names)]
    people = [part for part in parts if part and part.casefold() not in outlets and not _AGENCY.match(part)]
    if len(parts) > 1 and people and all(_FULL_NAME.match(part) for part in people):
        return people
    return [names]


def _published(page: PageData, tree: html.HtmlElement, url: str, now: datetime, tolerance_s: float) -> datetime | None:
    stated = [raw.strip() for raw in page.published if raw and len(raw) < 100]
    for raw in stated:
        read = parse_date(raw, now=now, tolerance_s=tolerance_s)
        if read is None:
            continue
        if has_zone(raw):
            return read
        for other in stated:
            # the same moment said elsewhere with its zone, or with its time of day
            zoned = parse_date(other, now=now, tolerance_s=tolerance_s) if has_zone(other) else None
            if zoned is not None and abs((zoned - read).total_seconds()) <= 86_400.0:
                return zoned
        return read
    for line in _visible_lines(tree)[:_DATE_LINES]:
        if len(line) > 200 or not any(character.isdigit() for character in line):
            continue
        found = _DATED_LINE.search(line)
        read = parse_date(found.group(), now=now, tolerance_s=tolerance_s) if found else None
        if read is not None:
            return read
    in_url = _URL_DATE.search(url)
    return parse_date("-".join(in_url.groups()), now=now, tolerance_s=tolerance_s) if in_url else None


def _time(stated: list[str], now: datetime, tolerance_s: float) -> datetime | None:
    return next((read for raw in stated if (read := parse_date(raw.strip(), now=now, tolerance_s=tolerance_s))), None)
