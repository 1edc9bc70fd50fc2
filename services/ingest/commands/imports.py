"""`slugline feeds import`: many feeds at once, each looked at before it is registered, with a report of duplicates and dead ones."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.ingest import opml, registry
from services.ingest.commands.source import with_allowed
from services.ingest.config import PollSettings
from services.ingest.extraction.pool import ExtractorPool
from services.ingest.http import ACCEPT_FEED, TRANSIENT, Fetcher
from services.ingest.identity import canonical_url, feed_host
from services.ingest.opml import Outline
from services.ingest.politeness import Politeness
from services.ingest.robots import RobotsCache
from shared.contracts import Feed
from shared.errors import Refused, SluglineError
from shared.settings import masked

console = Console()

AT_ONCE = 32
"""Feeds looked at together, each of another host."""
_PASSING_STATUS = frozenset((401, 403, 408, 425, 429))


@dataclass(frozen=True, slots=True)
class Looked:
    """What a first look at a feed shows. `dead` and `failing` say what is wrong: for good, or perhaps only now."""

    feed: Feed
    moved_to: str | None = None
    final_url: str | None = None
    dead: str | None = None
    failing: str | None = None


@dataclass(slots=True)
class Report:
    """What an import comes to."""

    added: list[Feed] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_opml)


def import_opml(
    file: Annotated[Path, typer.Argument(help="an OPML file; - for standard input")],
    check: Annotated[bool, typer.Option(help="look at each feed first; without, all are registered unseen")] = True,
    keep_dead: Annotated[bool, typer.Option(help="register dead ones too")] = False,
    allow: Annotated[
        list[str] | None, typer.Option(help="a host or network that may be fetched although it is not public; repeatable")
    ] = None,
) -> None:
    """Register all feeds of an OPML file, and say which are there already, which are the same feed twice, and which are dead.

    Dead are those that are gone (404, 410), whose host is unknown, that are no feeds, or that robots.txt forbids: they are not
    registered. One that only fails now is. One that has moved for good is registered where it went.

    Example: slugline feeds import subscriptions.opml
    """
    settings = with_allowed(PollSettings.load(), allow)
    try:
        document = typer.get_binary_stream("stdin").read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise SluglineError(f"{file} can't be read: {error}") from error
    outlines = opml.read(document)
    _show(asyncio.run(_imported(settings, outlines, check=check, keep_dead=keep_dead)))


async def _imported(settings: PollSettings, outlines: Iterable[Outline], *, check: bool, keep_dead: bool) -> Report:
    now = datetime.now(UTC)
    known = {one.feed.feed_id: one.feed.url for one in (await registry.registered(settings)).values()}
    report = Report()
    fresh = _sorted_out(outlines, known, report, now)
    if check and fresh:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task("Looking at feeds", total=len(fresh))
            looked = await look_at(settings, fresh, lambda: progress.advance(bar))
    else:
        looked = [Looked(feed) for feed in fresh]
    conclude(looked, known, report, keep_dead=keep_dead)
    await registry.register(settings, report.added)
    return report


def _sorted_out(outlines: Iterable[Outline], known: dict[UUID, str], report: Report, now: datetime) -> list[Feed]:
    fresh: dict[UUID, Feed] = {}
    for outline in outlines:
        try:
            feed = registry.from_outline(outline, now)
        except SluglineError as error:
            report.refused.append(str(error))
            continue
        if feed.feed_id in known:
            report.registered.append(feed.url)
        elif feed.feed_id in fresh:
            report.repeated.append(f"{masked(feed.url)} stands in the file twice")
        else:
            fresh[feed.feed_id] = feed
    return list(fresh.values())


async def look_at(settings: PollSettings, feeds: Iterable[Feed], done: Callable[[], None]) -> list[Looked]:
    """Fetch and parse each feed once, a host's one after the other. Never raises for what an outlet does."""
    places = asyncio.Semaphore(AT_ONCE)
    hosts: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
    async with Fetcher(settings) as fetcher, ExtractorPool(settings, warm_up=False) as pool:
        politeness = Politeness(RobotsCache(settings, fetcher) if settings.poll_obey_robots else None, 0.0)

        async def look(feed: Feed) -> Looked:
            async with hosts[feed_host(feed.url)], places:
                looked = await _look(feed, fetcher, pool, politeness)
            done()
            return looked

        return await asyncio.gather(*(look(feed) for feed in feeds))


async def _look(feed: Feed, fetcher: Fetcher, pool: ExtractorPool, politeness: Politeness) -> Looked:
    looked = Looked(feed)
    try:
        await politeness.check(feed.url, feed_host(feed.url))
        answer = await fetcher.get(feed.url, accept=ACCEPT_FEED)
        looked = replace(looked, moved_to=answer.permanent_url, final_url=answer.final_url)
        if answer.status in _PASSING_STATUS or answer.status >= 500:
            return replace(looked, failing=f"it answers with status {answer.status}")
        if answer.status != 200:
            return replace(looked, dead=f"it answers with status {answer.status}")
        parsed = await pool.parse_feed(answer.body, url=answer.final_url, content_type=answer.content_type)
    except Refused as error:
        passes = (error.reason in TRANSIENT and error.reason != "dns_failed") or error.reason == "robots_unreachable"
        return replace(looked, failing=str(error)) if passes else replace(looked, dead=str(error))
    if parsed.complete:
        return replace(looked, dead="it says itself that it gets no more items")
    return replace(looked, moved_to=looked.moved_to or parsed.moved_to)


def conclude(looked: Iterable[Looked], known: dict[UUID, str], report: Report, *, keep_dead: bool) -> None:
    """Decide which feeds are registered beside the `known` ones' URLs. Pure; the report is filled."""
    taken: dict[UUID, str] = {}
    places: dict[str, str] = {}
    known_places = {canonical_url(url) for url in known.values()}
    for one in looked:
        feed = one.feed
        if one.dead is not None:
            report.dead.append(f"{masked(feed.url)}: {one.dead}")
            if not keep_dead:
                continue
        if one.moved_to and one.dead is None:
            moved = registry.new_feed(one.moved_to, now=feed.added_at)
            report.moved.append(f"{masked(feed.url)} has moved to {masked(moved.url)}")
            feed = feed.model_copy(update={"feed_id": moved.feed_id, "url": moved.url})
        place = canonical_url(one.final_url or feed.url)
        if feed.feed_id in known or place in known_places:
            report.registered.append(feed.url)
            continue
        if (same := taken.get(feed.feed_id) or places.get(place)) is not None:
            report.repeated.append(f"{masked(one.feed.url)} is the same feed as {masked(same)}")
            continue
        taken[feed.feed_id] = places[place] = one.feed.url
        if one.failing is not None:
            report.failing.append(f"{masked(feed.url)}: {one.failing}")
        report.added.append(feed)


def _show(report: Report) -> None:
    console.print(
        f"{len(report.added)} feeds added, {len(report.registered)} were there already, {len(report.repeated)} are there twice, "
        f"{len(report.dead)} dead, {len(report.refused)} refused",
        soft_wrap=True,
    )
    for title, lines in (
        ("there twice", report.repeated),
        ("dead", report.dead),
        ("added, but fails now", report.failing),
        ("moved", report.moved),
        ("refused", report.refused),
    ):
        for line in lines:
            console.print(f"  {title}: {line}", soft_wrap=True, markup=False)
