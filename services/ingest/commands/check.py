"""`slugline feeds check`: what polling a feed would publish, and why not, without publishing anything."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.ingest.commands.source import Document, is_url, read_source, refusal, shown_time, with_allowed
from services.ingest.config import IngestSettings
from services.ingest.extraction.pool import ExtractorPool
from services.ingest.feeds.model import FeedItem, FeedLink, ParsedFeed, RefusedItem
from services.ingest.http import ACCEPT_FEED, Fetcher
from services.ingest.robots import RobotsCache
from shared.errors import Refused
from shared.ids import article_id


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    source: Annotated[
        str, typer.Argument(metavar="URL-or-FILE", help="address of a feed, of a page that offers one, a file, or - for standard input")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for programs")] = False,
    url: Annotated[str, typer.Option(help="where a file's feed comes from: its relative links are resolved against this")] = "",
    content_type: Annotated[str | None, typer.Option(help="the Content-Type a file was served with, for its charset")] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="a host or network that may be fetched although it is not public; repeatable")
    ] = None,
) -> None:
    """Show what polling a feed would publish, and what would be refused and why. Nothing is published.

    Exit code 1 where the document as a whole is refused. In JSON, `feed` has title, link, language and format, and `items` are
    all items in the document's order, each with the feed's own `id`, `article_id`, `canonical_url`, its texts, and `refused` (null,
    or reason and detail).

    Example: slugline feeds check https://outlet.example/rss.xml
    """
    settings = with_allowed(IngestSettings.load(), allow)
    now = datetime.now(UTC)
    report = asyncio.run(_report(source, url=url, content_type=content_type, settings=settings, now=now))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    else:
        _show(report)
    if "error" in report:
        raise typer.Exit(1)


async def _report(source: str, *, url: str, content_type: str | None, settings: IngestSettings, now: datetime) -> dict[str, Any]:
    one = settings.model_copy(update={"extract_workers": 1})
    offered: tuple[FeedLink, ...] = ()
    try:
        document = await read_source(
            source, url=url, content_type=content_type, accept=ACCEPT_FEED, max_bytes=settings.feed_max_bytes, settings=settings
        )
        async with ExtractorPool(one, warm_up=False) as pool:
            try:
                parsed = await pool.parse_feed(document.body, url=document.url, content_type=document.content_type, now=now)
            except Refused as error:
                if error.reason != "html_page":
                    raise
                offered = await pool.discover(document.body, url=document.url, content_type=document.content_type)
                if not (offered and is_url(source)):
                    raise
                document = await read_source(
                    offered[0].url, url="", content_type=None, accept=ACCEPT_FEED, max_bytes=settings.feed_max_bytes, settings=settings
                )
                parsed = await pool.parse_feed(document.body, url=document.url, content_type=document.content_type, now=now)
        warnings = await _warnings(document, parsed, settings)
    except Refused as error:
        return refusal(source, error) | ({"offers": [link.url for link in offered]} if offered else {})
    return _described(source, document, parsed, warnings, offered)


async def _warnings(document: Document, parsed: ParsedFeed, settings: IngestSettings) -> list[str]:
    warnings = [f"malformed: {parsed.flaw}"] if parsed.flaw else []
    if parsed.moved_to:
        warnings.append(f"the feed says that it has moved to {parsed.moved_to}")
    if parsed.complete:
        warnings.append("the feed says that it will get no more items")
    if document.fetched is None:
        return warnings
    if document.fetched.permanent_url:
        warnings.append(f"the feed has moved for good to {document.fetched.permanent_url}")
    async with Fetcher(settings) as fetcher:
        try:
            verdict = await RobotsCache(settings, fetcher).verdict(document.url)
        except Refused as error:
            warnings.append(f"robots.txt: {error}")
        else:
            if not verdict.allowed:
                warnings.append(f"{verdict.reason}: robots.txt does not let us fetch this feed")
    return warnings


def _described(source: str, document: Document, parsed: ParsedFeed, warnings: list[str], offered: tuple[FeedLink, ...]) -> dict[str, Any]:
    refused = {one.position: one for one in parsed.refused}
    published = iter(parsed.items)
    items: list[dict[str, Any]] = []
    for position in range(len(parsed.items) + len(parsed.refused)):
        one = refused.get(position)
        item = one.item if one else next(published)
        items.append(_item(item, one))
    fetched = document.fetched
    return {
        "source": source,
        "url": document.url or None,
        "offers": [link.url for link in offered],
        "http": {
            "status": fetched.status,
            "redirects": list(fetched.redirects),
            "etag": fetched.etag,
            "last_modified": fetched.last_modified,
            "max_age_s": fetched.max_age_s,
        }
        if fetched
        else None,
        "feed": {
            "title": parsed.title,
            "link": parsed.link,
            "language": parsed.language_tag or parsed.language,
            "language_code": parsed.language,
            "format": parsed.format,
            "description": parsed.description,
            "updated_at": shown_time(parsed.updated_at),
            "interval_hint_s": parsed.interval_hint_s,
            "hub": parsed.hub,
        },
        "items": items,
        "sitemaps": [{"url": child.url, "modified_at": shown_time(child.modified_at)} for child in parsed.children],
        "published": len(parsed.items),
        "refused": len(parsed.refused),
        "warnings": warnings,
    }


def _item(item: FeedItem, refused: RefusedItem | None) -> dict[str, Any]:
    return {
        "id": item.item_id,
        "article_id": str(article_id(item.canonical_url)) if item.canonical_url else None,
        "url": item.url,
        "canonical_url": item.canonical_url,
        "title": item.title,
        "published_at": shown_time(item.published_at),
        "updated_at": shown_time(item.updated_at),
        "authors": list(item.authors),
        "summary": item.summary,
        "content_text": item.text,
        "truncated": item.truncated,
        "image": item.image,
        "section": item.section,
        "language": item.language,
        "refused": {"reason": refused.reason, "detail": refused.detail} if refused else None,
    }


def _show(report: dict[str, Any]) -> None:
    console = Console()
    if "error" in report:
        console.print(f"[red]Refused[/red] {escape(report['error']['reason'])}: {escape(report['error']['detail'])}", soft_wrap=True)
        for offer in report.get("offers", ()):
            console.print(f"  it offers {escape(offer)}", soft_wrap=True)
        return
    feed = report["feed"]
    console.print(
        f"[bold]{escape(feed['title'] or '(no title)')}[/bold]  {feed['format']}  {feed['language'] or ''}  {escape(feed['link'] or '')}",
        soft_wrap=True,
    )
    for warning in report["warnings"]:
        console.print(f"[yellow]{escape(warning)}[/yellow]", soft_wrap=True)
    table = Table("published", "title", "canonical URL", "text", "refused", box=None, header_style="bold")
    for item in report["items"]:
        text = "full" if item["content_text"] else "summary" if item["summary"] else ""
        reason = item["refused"]["reason"] if item["refused"] else ""
        table.add_row(
            (item["published_at"] or "")[:16], escape(item["title"][:80]), escape(item["canonical_url"] or item["url"] or ""), text, reason
        )
    console.print(table)
    for child in report["sitemaps"][:20]:
        console.print(f"sitemap {escape(child['url'])}", soft_wrap=True)
    console.print(f"{report['published']} would be published, {report['refused']} refused")
