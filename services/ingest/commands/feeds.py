"""`slugline feeds add|list|status|remove|pause|resume|import|export`."""

import asyncio
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.ingest import opml, registry
from services.ingest.commands.control import read_control
from services.ingest.commands.source import shown_time
from services.ingest.control import Control
from services.ingest.poll.figures import silent_s
from services.ingest.registry import Registered
from shared.settings import Settings, masked

console = Console()

_ATTENTION = {"failing": 0, "silent": 1, "gone": 2}

FeedName = Annotated[str, typer.Argument(help="the feed's URL, its id, or the beginning of its id")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("add")(add)
    app.command("list")(list_feeds)
    app.command("status")(status)
    app.command("remove")(remove)
    app.command("pause")(pause)
    app.command("resume")(resume)
    app.command("export")(export_opml)


def add(
    url: Annotated[str, typer.Argument(help="address of an RSS, Atom or JSON feed")],
    title: Annotated[str, typer.Option(help="what to call it; else the feed's own title")] = "",
    publisher: Annotated[str | None, typer.Option(help="the outlet's name, where the feed's is wrong")] = None,
    language: Annotated[str | None, typer.Option(help="ISO 639-1, where detection is unsure")] = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166-1 alpha-2")] = None,
    section: Annotated[str | None, typer.Option(help="such as World or Sport")] = None,
    min_interval: Annotated[float | None, typer.Option(help="seconds; it is never polled more often")] = None,
) -> None:
    """Register a feed; it is polled within seconds.

    Example: slugline feeds add https://outlet.example/rss.xml --section World
    """
    settings = Settings.load()
    feed = registry.new_feed(
        url,
        now=datetime.now(UTC),
        title=title,
        publisher_name=publisher,
        language=language,
        country=country,
        section=section,
        min_interval_s=min_interval,
    )
    known = feed.feed_id in asyncio.run(registry.registered(settings))
    asyncio.run(registry.register(settings, [feed]))
    console.print(f"{'Changed' if known else 'Added'} {masked(feed.url)} ({feed.feed_id})", soft_wrap=True)


def list_feeds() -> None:
    """List the feeds by title."""
    feeds = asyncio.run(registry.registered(Settings.load()))
    table = Table("id", "title", "url", "section", "state", box=None, header_style="bold")
    for one in _sorted(feeds.values()):
        table.add_row(str(one.feed.feed_id)[:8], _title(one), masked(one.feed.url), one.feed.section or "", _state(one))
    console.print(table)
    console.print(f"{len(feeds)} feeds")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for programs")] = False,
) -> None:
    """Show how polling each feed goes: the failing ones first, then the silent ones.

    `gaps` counts polls at which the feed's window had moved past all that was seen: items may have been missed then. A feed is
    `silent` where it answers and has shown nothing new for far longer than is its habit.
    """
    settings = Settings.load()
    feeds = asyncio.run(registry.registered(settings))
    control = asyncio.run(read_control(settings))
    now = datetime.now(UTC)
    shown = sorted((_described(one, control, now) for one in _sorted(feeds.values())), key=lambda one: _ATTENTION.get(one["state"], 9))
    if as_json:
        document = {"at": shown_time(now), "stopped": control.stopped, "blocked": sorted(control.blocked), "feeds": shown}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        return
    if control.stopped:
        console.print("All fetching is stopped. It goes on with: slugline feeds resume-all", style="yellow")
    table = Table(
        "id",
        "title",
        "state",
        "last success",
        "next poll",
        "interval",
        "items",
        "a day",
        "gaps",
        "last error",
        box=None,
        header_style="bold",
    )
    for one in shown:
        table.add_row(
            one["feed_id"][:8],
            escape(one["title"]),
            one["state"],
            _ago(now, one["last_success_at"]) if one["polled"] else "",
            _in(now, one["next_poll_at"]),
            "" if one["interval_s"] is None else _span(one["interval_s"]),
            str(one["items_found"]),
            "" if one["items_a_day"] is None else f"{one['items_a_day']:.1f}",
            str(one["gaps"]),
            escape(one["last_error"] or ""),
        )
    console.print(table)


def remove(name: FeedName) -> None:
    """Stop polling a feed for good. Its articles and stories stay."""
    settings = Settings.load()
    one = registry.find(asyncio.run(registry.registered(settings)), name)
    asyncio.run(registry.remove(settings, [one.feed]))
    console.print(f"Removed {masked(one.feed.url)}", soft_wrap=True)


def pause(name: FeedName) -> None:
    """Hold a feed back until it is resumed."""
    _set_paused(name, paused=True)


def resume(name: FeedName) -> None:
    """Poll a paused feed again."""
    _set_paused(name, paused=False)


def export_opml(file: Annotated[Path | None, typer.Argument(help="where to write; standard output if left out")] = None) -> None:
    """Write all feeds as an OPML file. Passwords in feeds' addresses are in it, so that it can be imported; you are told of them."""
    feeds = [one.feed for one in asyncio.run(registry.registered(Settings.load())).values()]
    document = opml.write(feeds)
    if secret := sum(masked(feed.url) != feed.url for feed in feeds):
        Console(stderr=True).print(
            f"Feeds whose addresses hold a password: {secret}. The passwords are in what was written: keep it where you keep secrets",
            style="yellow",
            soft_wrap=True,
        )
    if file is None:
        typer.get_binary_stream("stdout").write(document)
    else:
        file.write_bytes(document)


def _set_paused(name: str, *, paused: bool) -> None:
    settings = Settings.load()
    one = registry.find(asyncio.run(registry.registered(settings)), name)
    asyncio.run(registry.register(settings, [one.feed.model_copy(update={"paused": paused})]))
    console.print(f"{'Paused' if paused else 'Resumed'} {masked(one.feed.url)}", soft_wrap=True)


def _sorted(feeds: Iterable[Registered]) -> list[Registered]:
    return sorted(feeds, key=lambda one: (_title(one).casefold(), one.feed.url))


def _title(one: Registered) -> str:
    return one.feed.title or (one.state.title if one.state else "") or masked(one.feed.url)


def _state(one: Registered) -> str:
    if one.feed.paused:
        return "paused"
    return one.state.status.value if one.state else "new"


def _described(one: Registered, control: Control, now: datetime) -> dict[str, Any]:
    """Describe a feed as `--json` has it."""
    state = one.state
    silent = silent_s(state, now) if state else None
    held = control.blocks(state.url if state else one.feed.url)
    return {
        "feed_id": str(one.feed.feed_id),
        "url": masked(one.feed.url),
        "polled_at": None if state is None or state.url == one.feed.url else masked(state.url),
        "title": _title(one),
        "section": one.feed.section,
        "state": "blocked" if held else "silent" if silent is not None else _state(one),
        "polled": state is not None and state.last_poll_at is not None,
        "last_poll_at": shown_time(state.last_poll_at) if state else None,
        "last_success_at": shown_time(state.last_success_at) if state else None,
        "last_item_at": shown_time(state.last_item_at) if state else None,
        "next_poll_at": shown_time(state.due_at) if state and not held and not control.stopped else None,
        "interval_s": round(state.interval_s, 1) if state else None,
        "items_found": state.items_found if state else 0,
        "items_a_day": round(state.items_a_day, 2) if state and state.items_a_day is not None else None,
        "gaps": state.gaps if state else 0,
        "failures": state.failures if state else 0,
        "last_error": state.last_error if state else None,
    }


def _ago(now: datetime, then: str | None) -> str:
    return "never" if then is None else f"{_span((now - datetime.fromisoformat(then)).total_seconds())} ago"


def _in(now: datetime, then: str | None) -> str:
    if then is None:
        return ""
    seconds = (datetime.fromisoformat(then) - now).total_seconds()
    return "now" if seconds <= 0 else f"in {_span(seconds)}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
