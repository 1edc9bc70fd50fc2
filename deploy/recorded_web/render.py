"""Pages and feeds as bytes. Pure but for the templates, which are read once."""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from deploy.recorded_web.content import FeedFormat, FeedPlan, Outlet, Variant
from deploy.recorded_web.dates import date_line
from deploy.recorded_web.edition import Edition, Page

MEDIA_TYPES = {
    FeedFormat.RSS: "application/rss+xml",
    FeedFormat.ATOM: "application/atom+xml",
    FeedFormat.JSON: "application/feed+json",
}
MAX_AGE_S = 5
"""How long a feed may be kept: short, so that a visitor sees stories grow. RSS's own ttl can't say less than a minute."""
RELATED = 4
"""Links below an article to others of its outlet."""


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["rfc822"] = format_datetime
    return environment


@cache
def phrases() -> dict[str, dict[str, str]]:
    """Give, by language, the words that stand around an article."""
    tables: dict[str, dict[str, str]] = tomllib.loads((files(__package__) / "templates" / "phrases.toml").read_text(encoding="utf-8"))
    return tables


def _rendered(template: str, **values: Any) -> bytes:
    return _templates().get_template(template).render(**values).encode()


def article(edition: Edition, page: Page, others: Sequence[Page], variant: Variant, *, padding: int = 0) -> bytes:
    """Render an article's page as its outlet lays it out, with the AMP layout for that variant.

    `padding` adds about so many bytes of reader comments, as pages have that grow too large.
    """
    outlet = page.outlet
    body = _rendered(
        "amp.html" if variant is Variant.AMP else f"{outlet.template}.html",
        page=page,
        outlet=outlet,
        phrases=phrases()[outlet.language],
        image=image_url(edition, page),
        json_ld=_json_ld(edition, page),
        linked={
            **_linked(edition, outlet),
            "amp": edition.url(page.plan, Variant.AMP),
            "mobile": edition.url(page.plan, Variant.MOBILE),
        },
        sections=sections(edition, outlet),
        others=[other for other in others if other.plan is not page.plan][:RELATED],
        when=date_line(page.published_at, outlet.language),
        updated=date_line(page.modified_at, outlet.language),
    )
    return body.replace(b"</body>", _comments(padding) + b"</body>") if padding else body


def front(edition: Edition, outlet: Outlet, pages: Sequence[Page], heading: str | None = None) -> bytes:
    """Render an outlet's front page, or one of its sections."""
    words = phrases()[outlet.language]
    return _rendered(
        "front.html",
        outlet=outlet,
        phrases=words,
        pages=pages,
        heading=heading or words["front"],
        linked=_linked(edition, outlet),
        sections=sections(edition, outlet),
    )


def message(outlet: Outlet, phrase: str, detail: str = "") -> bytes:
    """Render a page that says only why there is no article."""
    return _rendered("message.html", outlet=outlet, title=phrases()[outlet.language][phrase], detail=detail)


def feed(edition: Edition, outlet: Outlet, plan: FeedPlan, pages: Sequence[Page], changed_at: datetime) -> bytes:
    """Render a feed in its format."""
    items = [
        {
            "page": page,
            "link": edition.feed_link(plan, page.plan),
            "image": image_url(edition, page),
            "html": str(_html(page)),
        }
        for page in pages
    ]
    if plan.format is FeedFormat.JSON:
        return _json_feed(edition, outlet, plan, items)
    template = "feed.broken.xml" if plan.broken else f"feed.{plan.format}.xml"
    return _rendered(
        template,
        feed=plan,
        outlet=outlet,
        items=items,
        origin=edition.origin(outlet.name),
        self_url=edition.feed_url(outlet, plan),
        changed_at=changed_at,
        updates_an_hour=3600 // MAX_AGE_S,
    )


def sitemap(outlet: Outlet, pages: Sequence[Page]) -> bytes:
    """Render an outlet's news sitemap."""
    return _rendered("sitemap.xml", outlet=outlet, pages=pages)


def robots(edition: Edition, outlet: Outlet) -> bytes:
    """Render an outlet's robots.txt (RFC 9309)."""
    rules = [f"Disallow: {path}" for path in outlet.disallowed] or ["Disallow:"]
    lines = ["User-agent: *", *rules, "", f"Sitemap: {edition.origin(outlet.name)}/sitemap-news.xml", ""]
    return "\n".join(lines).encode()


def opml(edition: Edition) -> bytes:
    """Render the list of all outlets' feeds (OPML 2.0)."""
    return _rendered("feeds.opml", rows=[_row(edition, outlet) for outlet in edition.content.outlets])


def index(edition: Edition, now: datetime) -> bytes:
    """Render the page that tells a person what is served here."""
    position = edition.play.position(now)
    rows = [
        {**_row(edition, outlet), "online": len(edition.online(outlet, position))}
        for outlet in sorted(edition.content.outlets, key=lambda outlet: outlet.title)
    ]
    return _rendered(
        "index.html",
        outlets=edition.content.outlets,
        articles=sum(1 for _ in edition.content.articles()),
        stories=len(edition.content.stories),
        online=sum(row["online"] for row in rows),
        began=date_line(edition.play.epoch, "en") + " UTC",
        second=int(position.total_seconds()),
        rows=rows,
    )


def image(name: str, colour: str) -> bytes:
    """Draw an article's picture: an SVG of hills under a sun, always the same for the same name."""
    random = iter(hashlib.sha256(name.encode()).digest())
    x, y, radius = 80 + 640 * next(random) // 255, 60 + 120 * next(random) // 255, 24 + next(random) // 6
    sun = f'<circle cx="{x}" cy="{y}" r="{radius}" fill="#fff" opacity=".75"/>'
    hills = []
    for level in range(3):
        heights = [220 + 70 * level - next(random) // 3 for _ in range(5)]
        line = " ".join(f"{200 * step},{height}" for step, height in enumerate(heights))
        hills.append(f'<polygon points="0,450 {line} 800,450" fill="{colour}" opacity=".{4 + 2 * level}"/>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 450" width="800" height="450">'
        f'<rect width="800" height="450" fill="{colour}" opacity=".3"/>{sun}{"".join(hills)}</svg>'
    ).encode()


def image_url(edition: Edition, page: Page) -> str:
    """Give the address of an article's picture."""
    return f"{edition.origin(page.outlet.name)}/images/{page.plan.slug}.svg"


def sections(edition: Edition, outlet: Outlet) -> list[str]:
    """Give an outlet's sections by name."""
    return sorted({plan.section for _, plan in edition.content.articles() if plan.outlet == outlet.name})


def _row(edition: Edition, outlet: Outlet) -> dict[str, Any]:
    feeds = [
        {
            "title": plan.title,
            "url": edition.feed_url(outlet, plan),
            "label": plan.section or {"rss": "RSS", "atom": "Atom", "json": "JSON Feed"}[plan.format],
        }
        for plan in outlet.feeds
    ]
    return {"outlet": outlet, "url": edition.origin(outlet.name) + "/", "feeds": feeds}


def _linked(edition: Edition, outlet: Outlet) -> dict[str, Any]:
    return {
        "origin": edition.origin(outlet.name),
        "feeds": [{"type": MEDIA_TYPES[plan.format], "title": plan.title, "url": plan.path} for plan in outlet.feeds],
    }


def _html(page: Page) -> Markup:
    """Give the body as a feed with full text carries it."""
    return Markup("\n").join(
        Markup("<h2>{}</h2>").format(text[3:]) if text.startswith("## ") else Markup("<p>{}</p>").format(text)
        for text in (*page.paragraphs, *page.notes)
    )


def _json_ld(edition: Edition, page: Page) -> dict[str, Any]:
    return {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "mainEntityOfPage": page.url,
        "headline": page.title,
        "description": page.summary,
        "datePublished": page.published_at.isoformat(),
        "dateModified": page.modified_at.isoformat(),
        "inLanguage": page.outlet.language,
        "articleSection": page.plan.section.capitalize(),
        "image": [image_url(edition, page)],
        "author": [{"@type": "Person", "name": author} for author in page.plan.authors],
        "publisher": {"@type": "NewsMediaOrganization", "name": page.outlet.title, "url": edition.origin(page.outlet.name)},
    }


def _json_feed(edition: Edition, outlet: Outlet, plan: FeedPlan, items: Sequence[dict[str, Any]]) -> bytes:
    """Write JSON Feed 1.1."""
    entries = []
    for item in items:
        page: Page = item["page"]
        entry = {
            "id": f"{outlet.name}:{page.plan.slug}",
            "url": item["link"],
            "title": page.title,
            "summary": page.summary,
            "image": item["image"],
            "date_published": page.published_at.isoformat(),
            "authors": [{"name": author} for author in page.plan.authors],
            "tags": [page.plan.section],
            "language": outlet.language,
            **({"content_html": item["html"]} if plan.full_text else {"content_text": page.summary}),
            **({"date_modified": page.modified_at.isoformat()} if page.notes else {}),
        }
        entries.append(entry)
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": plan.title,
        "home_page_url": edition.origin(outlet.name) + "/",
        "feed_url": edition.feed_url(outlet, plan),
        "description": outlet.tagline,
        "language": outlet.language,
        "items": entries,
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


@cache
def _comments(size: int) -> bytes:
    """Make about so many bytes of readers' comments. Each differs, so that they don't compress to nothing."""
    comments = [b'<section id="comments">']
    total = 0
    number = 0
    while total < size:
        number += 1
        token = hashlib.sha256(str(number).encode()).hexdigest()
        text = escape(f"Reader {token[:10]} waved at comment {number}. ") + token * 4
        comment = f'<div class="comment" id="comment-{number}"><b>{token[:10]}</b> <span>{text}</span></div>\n'.encode()
        comments.append(comment)
        total += len(comment)
    comments.append(b"</section>")
    return b"".join(comments)
