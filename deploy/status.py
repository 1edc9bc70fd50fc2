"""`slugline status`: one screen for everything, live."""

import asyncio
import json
import shutil
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import aiohttp
import typer
from aiokafka.errors import KafkaError
from pydantic import Field, field_validator
from pydantic_settings import NoDecode
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from deploy.local.lock import holder
from deploy.local.places import default_data_folder
from deploy.local.state import load_state
from services.ingest import registry
from services.ingest.commands.control import read_control
from services.publish.config import PublishSettings
from services.publish.connect import connect, is_away
from shared.errors import SluglineError, Unreachable
from shared.health import running_version
from shared.kafka import letters, offsets
from shared.kafka.letters import Wanted

ANSWER_S: Final = 8.0
"""A part that takes longer to be asked is shown as silent."""
LATE_S: Final = 120.0
OTHER_SCHEMA: Final = ("42P01", "42703")
"""Postgres' words for a table and a column that are not there."""

_ROWS: Final = """
SELECT
    (SELECT count(*) FROM stories WHERE status = 'open') AS open_stories,
    (SELECT count(*) FROM stories WHERE article_count > 0) AS stories,
    (SELECT max(appended_at) FROM articles) AS last_article_at,
    (SELECT count(*) FROM articles WHERE fetched_at > now() - interval '1 hour') AS articles_last_hour,
    (SELECT max(appended_at) FROM stories) AS last_change_at,
    (SELECT count(*) FROM brief_queue) AS briefs_waiting,
    (SELECT coalesce(sum(behind), 0)::bigint FROM pipeline_positions) AS behind,
    (SELECT extract(epoch FROM now() - min(last_appended_at)) FROM pipeline_positions WHERE behind > 0)::float8 AS behind_s,
    pg_database_size(current_database()) AS database_bytes
"""
_LANGUAGES: Final = "SELECT language, age_seconds::float8 AS age_s FROM freshness_by_language ORDER BY age_seconds LIMIT 12"
_WORKERS: Final = (
    "SELECT worker, ready, waits, lag, extract(epoch FROM now() - seen_at)::float8 AS seen_s FROM worker_status ORDER BY worker"
)


class StatusSettings(PublishSettings):
    """Settings of `slugline status`."""

    status_services: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict, description="name=http://host:port of each service's health server, comma-separated; local ones are known"
    )

    @field_validator("status_services", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if any(not name or not url.startswith(("http://", "https://")) for name, _, url in pairs):
            msg = "must be name=http://host:port, comma-separated"
            raise ValueError(msg)
        return {name.strip(): url.strip().rstrip("/") for name, _, url in pairs}


Snapshot = dict[str, Any]


def status(
    once: Annotated[bool, typer.Option("--once", help="print it once and end; so it is where the output is no terminal")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, for programs")] = False,
    interval_s: Annotated[float, typer.Option("--interval", min=1, help="seconds between two looks")] = 3,
) -> None:
    """Show everything on one screen: services, lags, the last article, feeds, stories, dead letters, disk. Ctrl-C ends it.

    With --once or --json the exit code is 1 if something needs a person. SLUGLINE_STATUS_SERVICES names services that run elsewhere.
    """
    settings = StatusSettings.load()
    console = Console()
    if as_json or once or not console.is_terminal:
        found = asyncio.run(look(settings))
        if as_json:
            print(json.dumps(found, ensure_ascii=False, default=str))  # noqa: T201
        else:
            console.print(screen(found))
        raise typer.Exit(1 if found["problems"] else 0)
    try:
        asyncio.run(_show_live(settings, console, interval_s))
    except KeyboardInterrupt:
        return


async def _show_live(settings: StatusSettings, console: Console, interval_s: float) -> None:
    with Live(screen(await look(settings)), console=console, screen=True, auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            live.update(screen(await look(settings)), refresh=True)
            await asyncio.sleep(max(0.2, interval_s - (time.monotonic() - began)))


async def look(settings: StatusSettings) -> Snapshot:
    """Ask every part at the same time. A part that does not answer is an entry `error`, never an exception."""
    names: dict[str, Callable[[StatusSettings], Awaitable[Any]]] = {
        "services": _services,
        "stages": _stages,
        "rows": _rows,
        "feeds": _feeds,
        "dead_letters": _letters,
        "disk": _disk,
    }
    parts = await asyncio.gather(*(_asked(ask, settings) for ask in names.values()))
    found = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "version": running_version(), **dict(zip(names, parts, strict=True))}
    return found | {"problems": problems(found)}


async def _asked(ask: Callable[[StatusSettings], Awaitable[Any]], settings: StatusSettings) -> Any:
    try:
        async with asyncio.timeout(ANSWER_S + 4):
            return await ask(settings)
    except TimeoutError:
        return {"error": "does not answer in time"}
    except (SluglineError, KafkaError, OSError) as error:
        return {"error": str(error) or type(error).__name__}
    except Exception as error:
        if not is_away(error) and not type(error).__module__.startswith("asyncpg"):
            raise
        if getattr(error, "sqlstate", None) in OTHER_SCHEMA:
            return {"error": f"the database's schema is not this version's ({error}): slugline db migrate"}
        return {"error": f"the database: {error}"}


async def _services(settings: StatusSettings) -> dict[str, Any]:
    targets = dict(settings.status_services)
    folder = default_data_folder()
    if holder(folder) is not None and (state := load_state(folder)) is not None:
        targets |= {name: f"http://127.0.0.1:{port}" for name, port in state.ports.items() if name not in targets}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
        answers = await asyncio.gather(*(_service(session, url) for url in targets.values()))
    return dict(zip(targets, answers, strict=True))


async def _service(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    try:
        async with session.get(f"{url}/ready") as answer:
            told = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return {"ready": False, "waits": {"service": "does not answer"}}
    return {"ready": answer.status == 200, "waits": told.get("waits", {}), "version": told.get("version")}


async def _stages(settings: StatusSettings) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(_stage(settings, stage) for stage in offsets.STAGES.values())))


async def _stage(settings: StatusSettings, stage: offsets.Stage) -> dict[str, Any]:
    places = await offsets.show(settings, stage)
    return {
        "stage": stage.name,
        "topic": stage.source.name,
        "lag": sum(max(0, at.lag) for at in places),
        "lag_s": round(max((time.time() - at.oldest_at for at in places if at.oldest_at is not None), default=0.0), 1),
        "begun": any(at.next_offset is not None for at in places),
        "expired": [at.partition for at in places if at.expired],
    }


async def _rows(settings: StatusSettings) -> dict[str, Any]:
    try:
        connection = await connect(settings, "status", timeout_s=ANSWER_S)
    except OSError as error:
        raise Unreachable(f"the database does not answer: {error}. Start it, or set SLUGLINE_DATABASE_URL") from error
    try:
        row = await connection.fetchrow(_ROWS)
        assert row is not None
        languages = {one["language"]: round(one["age_s"]) for one in await connection.fetch(_LANGUAGES)}
        workers = {one["worker"]: dict(one) for one in await connection.fetch(_WORKERS)}
        return {**row, "freshness_s": languages, "workers": workers}
    finally:
        await connection.close()


async def _feeds(settings: StatusSettings) -> dict[str, Any]:
    feeds, control = await asyncio.gather(registry.registered(settings), read_control(settings))
    states = Counter("paused" if one.feed.paused else one.state.status.value if one.state else "new" for one in feeds.values())
    return {"by_state": dict(states), "stopped": control.stopped, "blocked": sorted(control.blocked)}


async def _letters(settings: StatusSettings) -> dict[str, Any]:
    found = await letters.read(settings, Wanted())
    counts = Counter(f"{letter.stage}: {letter.reason}" for letter in found)
    return {"open": len(found), "by_reason": dict(counts.most_common()), "last_at": max((one.failed_at for one in found), default=None)}


async def _disk(_: StatusSettings) -> dict[str, Any]:
    folder = default_data_folder().root
    if not folder.exists():
        return {}
    usage = shutil.disk_usage(folder)
    return {"folder": str(folder), "free_bytes": usage.free, "total_bytes": usage.total}


def problems(found: Snapshot) -> list[str]:
    """Say what needs a person, with what to do. Pure."""
    told = [f"{name}: {part['error']}" for name, part in found.items() if isinstance(part, dict) and "error" in part]
    services = found["services"] if "error" not in found["services"] else {}
    told += [f"{name}: {'; '.join(one['waits'].values()) or 'not ready'}" for name, one in services.items() if not one["ready"]]
    if isinstance(found["stages"], list):
        for one in found["stages"]:
            if one["expired"]:
                told.append(f"{one['stage']}: inputs were deleted before it read them, see: slugline offsets show {one['stage']}")
            elif one["lag_s"] > LATE_S:
                told.append(f"{one['stage']} is {_span(one['lag_s'])} behind in {one['topic']}: is it running?")
    rows = found["rows"]
    if "error" not in rows:
        told += [f"{name} last said something {_span(one['seen_s'])} ago" for name, one in rows["workers"].items() if one["seen_s"] > 60]
    feeds = found["feeds"]
    if "error" not in feeds and feeds["stopped"]:
        told.append("all fetching is stopped: slugline feeds resume-all")
    disk = found["disk"]
    if disk and "error" not in disk and disk["free_bytes"] < 0.05 * disk["total_bytes"]:
        told.append(f"the disk under {disk['folder']} is nearly full: {_size(disk['free_bytes'])} free")
    return told


def screen(found: Snapshot) -> Group:
    """Lay a snapshot out for a terminal. Pure."""
    parts: list[Any] = [f"[bold]Slugline[/] {found['version']}   {found['at']}"]
    if found["problems"]:
        parts += [f"[yellow]![/] {escape(one)}" for one in found["problems"]]
    else:
        parts.append("[green]all is well[/]")
    parts += ["", _services_table(found), "", _stages_table(found), "", _figures_table(found)]
    return Group(*parts)


def _services_table(found: Snapshot) -> Any:
    table = Table("service", "state", box=None, header_style="bold", pad_edge=False)
    if "error" in found["services"]:
        return f"[red]services: {escape(found['services']['error'])}[/]"
    for name, one in found["services"].items():
        table.add_row(name, "[green]ready[/]" if one["ready"] else f"[yellow]{escape('; '.join(one['waits'].values()))}[/]")
    if not found["services"]:
        return "[dim]no service is known by address: set SLUGLINE_STATUS_SERVICES[/]"
    return table


def _stages_table(found: Snapshot) -> Any:
    if not isinstance(found["stages"], list):
        return f"[red]{escape(found['stages']['error'])}[/]"
    table = Table("stage", "reads", "waiting", "oldest waits", box=None, header_style="bold", pad_edge=False)
    for one in found["stages"]:
        waits = "" if not one["lag"] else _span(one["lag_s"])
        table.add_row(one["stage"], one["topic"], f"{one['lag']:,}" if one["begun"] else "not begun", waits)
    rows = found["rows"]
    if "error" not in rows:
        waits = _span(rows["behind_s"]) if rows["behind"] and rows["behind_s"] else ""
        table.add_row("materialise", "six topics", f"{rows['behind']:,}", waits)
        table.add_row("brief", "its queue", f"{rows['briefs_waiting']:,}", "")
    return table


def _figures_table(found: Snapshot) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    rows, feeds, dead, disk = found["rows"], found["feeds"], found["dead_letters"], found["disk"]
    now = datetime.fromisoformat(found["at"])
    if "error" not in rows:
        last = "none yet" if rows["last_article_at"] is None else f"{_span((now - rows['last_article_at']).total_seconds())} ago"
        table.add_row("last article", f"{last}; {rows['articles_last_hour']:,} in the last hour")
        table.add_row("stories", f"{rows['open_stories']:,} open, {rows['stories']:,} in all")
        newest = ", ".join(f"{language} {_span(age_s)}" for language, age_s in rows["freshness_s"].items())
        table.add_row("newest article", newest or "none yet")
    else:
        table.add_row("rows", f"[red]{escape(rows['error'])}[/]")
    if "error" not in feeds:
        states = ", ".join(f"{count:,} {state}" for state, count in sorted(feeds["by_state"].items()))
        table.add_row("feeds", (states or "none") + (f"; {len(feeds['blocked'])} outlets blocked" if feeds["blocked"] else ""))
    if "error" not in dead:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in list(dead["by_reason"].items())[:6])
        table.add_row("dead letters", f"{dead['open']:,}" + (f": {reasons}" if reasons else ""))
    if "error" not in rows:
        table.add_row("database", _size(rows["database_bytes"]))
    if disk and "error" not in disk:
        table.add_row("disk", f"{_size(disk['free_bytes'])} free of {_size(disk['total_bytes'])} under {disk['folder']}")
    return table


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1_000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1_000
    return f"{count:.1f} TB"


app = typer.Typer(add_completion=False)
app.callback(invoke_without_command=True, subcommand_metavar="")(status)
