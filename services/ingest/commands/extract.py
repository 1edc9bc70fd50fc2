"""`slugline ingest extract`: what an article page would be published as."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from services.ingest.commands.source import read_source, refusal, shown_time, with_allowed
from services.ingest.config import IngestSettings
from services.ingest.extraction.model import Extracted
from services.ingest.extraction.pool import ExtractorPool
from services.ingest.http import ACCEPT_PAGE
from services.ingest.identity import publisher_of
from shared.errors import Refused
from shared.ids import article_id


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("extract")(extract)


def extract(
    source: Annotated[str, typer.Argument(metavar="FILE-or-URL", help="an article page, or - for standard input")],
    url: Annotated[str, typer.Option(help="where a file's page comes from; else its canonical link is believed")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for programs")] = False,
    content_type: Annotated[str | None, typer.Option(help="the Content-Type a file was served with, for its charset")] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="a host or network that may be fetched although it is not public; repeatable")
    ] = None,
) -> None:
    """Show what an article page would be published as. Nothing is published.

    Exit code 1 where the page is refused.

    Example: slugline ingest extract page.html --url https://outlet.example/news/1 --json
    """
    settings = with_allowed(IngestSettings.load(), allow)
    report = asyncio.run(_report(source, url=url, content_type=content_type, settings=settings))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    else:
        _show(report)
    if "error" in report:
        raise typer.Exit(1)


async def _report(source: str, *, url: str, content_type: str | None, settings: IngestSettings) -> dict[str, Any]:
    try:
        document = await read_source(
            source, url=url, content_type=content_type, accept=ACCEPT_PAGE, max_bytes=settings.page_max_bytes, settings=settings
        )
        async with ExtractorPool(settings.model_copy(update={"extract_workers": 1})) as pool:
            page = await pool.extract(document.body, url=document.url, content_type=document.content_type, now=datetime.now(UTC))
    except Refused as error:
        return refusal(source, error)
    return _described(source, document.url, page)


def _described(source: str, url: str, page: Extracted) -> dict[str, Any]:
    canonical = page.canonical_url or None
    return {
        "source": source,
        "url": url or canonical,
        "title": page.title,
        "text": page.text,
        "authors": list(page.authors),
        "published_at": shown_time(page.published_at),
        "updated_at": shown_time(page.updated_at),
        "language": page.language,
        "image": page.image,
        "section": page.section,
        "summary": page.summary,
        "canonical_url": canonical,
        "article_id": str(article_id(canonical)) if canonical else None,
        "publisher": publisher_of(canonical, page.publisher_name).model_dump() if canonical else None,
        "extraction": page.extraction.value,
        "note": page.note,
        "truncated": page.truncated,
    }


def _show(report: dict[str, Any]) -> None:
    console = Console()
    if "error" in report:
        console.print(f"[red]Refused[/red] {escape(report['error']['reason'])}: {escape(report['error']['detail'])}", soft_wrap=True)
        return
    console.print(f"[bold]{escape(report['title'] or '(no title)')}[/bold]", soft_wrap=True)
    note = f" ({report['note']})" if report["note"] else ""
    facts = (", ".join(report["authors"]), report["published_at"], report["language"], report["section"], f"{report['extraction']}{note}")
    console.print("  ".join(escape(fact) for fact in facts if fact), soft_wrap=True)
    console.print(escape(report["canonical_url"] or ""), soft_wrap=True)
    console.print()
    console.print(escape(report["text"]), soft_wrap=True)
