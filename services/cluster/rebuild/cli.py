"""`slugline rebuild start|status|diff|apply|drop`: the kept history clustered again, beside the live system."""

import asyncio
import getpass
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from shared.errors import Refused

rebuild_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Cluster the kept history again, see what would change, and apply it."
)
console = Console()

FolderName = Annotated[Path | None, typer.Option("--folder", help="where the rebuild is kept; else SLUGLINE_REBUILD_FOLDER")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object, for programs")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


def _settings(folder: Path | None) -> Any:
    from services.cluster.rebuild.folder import RebuildSettings

    return RebuildSettings.load(**({} if folder is None else {"rebuild_folder": folder}))


@rebuild_app.command()
def start(
    folder: FolderName = None,
    re_enrich: Annotated[bool, typer.Option("--re-enrich", help="make all features anew from the texts; slower")] = False,
    days: Annotated[
        float | None, typer.Option(min=0.01, help="only stories that began within so many days; older ones stay as they are")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="drop the rebuild that is there first")] = False,
) -> None:
    """Cluster the kept history with this version's code and settings. Nothing live is touched.

    Example: SLUGLINE_CLOSE_AFTER_H=48 slugline rebuild start
    """
    from services.cluster.rebuild.folder import Folder
    from services.cluster.rebuild.start import rebuild

    settings = _settings(folder)
    kept = Folder(settings.rebuild_folder)
    try:
        present = kept.progress().standing
    except Refused:
        present = None
    if present is not None:
        if not again:
            raise Refused(
                "rebuild_there", f"a rebuild is in {settings.rebuild_folder} ({present}); drop it, or: slugline rebuild start --again"
            )
        kept.drop()
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[int, TaskID] = {}

        def tell(partition: int, progress: Any) -> None:
            if partition not in tasks:
                tasks[partition] = bars.add_task("", total=None)
            done = progress.encoded if progress.state == "encodes" else progress.clustered
            bars.update(tasks[partition], description=f"partition {partition} {progress.state}", completed=done, total=progress.articles)

        since = None if days is None else datetime.now(UTC) - timedelta(days=days)
        asyncio.run(rebuild(settings, re_enrich=re_enrich, tell=tell, since=since))
    status(folder)
    console.print("See what would change: slugline rebuild diff", markup=False)


@rebuild_app.command()
def status(folder: FolderName = None, as_json: AsJson = False) -> None:
    """Show how far the rebuild is."""
    from services.cluster.rebuild.folder import Folder

    progress = Folder(_settings(folder).rebuild_folder).progress()
    if as_json:
        print(json.dumps({**asdict(progress), "state": progress.standing}))
        return
    table = Table(
        "partition", "state", "articles", "features kept", "encoded", "missing", "clustered", "a second", box=None, header_style="bold"
    )
    for number, one in progress.partitions.items():
        rate = f"{one.clustered / one.cluster_s:,.0f}" if one.cluster_s else ""
        counts = (one.articles, one.reused, one.encoded, one.missing, one.clustered)
        table.add_row(str(number), one.state, *(f"{count:,}" for count in counts), rate)
    told = f"rebuild {progress.rebuild_id[:8]} is {progress.standing}; version {progress.version}, begun {progress.started_at}"
    console.print(told + (f": {progress.error}" if progress.error else ""), markup=False, highlight=False, soft_wrap=True)
    console.print(table)


@rebuild_app.command()
def diff(
    folder: FolderName = None,
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="write a page to browse")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="changes shown, the largest first; 10, or 500 in a page or in JSON")] = None,
) -> None:
    """Show what applying would change now: figures, agreement, and the largest changes."""
    from services.cluster.rebuild.apply import difference
    from services.cluster.rebuild.page import figures_of, page_of

    settings = _settings(folder)
    report = asyncio.run(difference(settings)).to_json(limit if limit is not None else 500 if as_json or html else 10)
    if html is not None:
        html.write_text(page_of(report, f"Compared with what stands now; the rebuild is in {settings.rebuild_folder}."))
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
        return
    for name, value in figures_of(report):
        console.print(f"{name:<10} {value}", markup=False, highlight=False, soft_wrap=True)
    if html is not None:
        console.print(f"page       {html}", markup=False, highlight=False, soft_wrap=True)
        return
    for change in report["changes"]:
        console.print(f"\n{change['kind']}: {change['articles']} articles", style="bold", highlight=False)
        for part in change["parts"]:
            goes = "stays" if part["into"] == part["story_id"] else f"→ {part['into'][:8]}" if part["into"] else "→ a new story"
            line = f"  {part['story_id'][:8]} {goes}, {part['articles']} articles: {part['headline']}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
            for article in part["listed"][:3]:
                console.print(
                    f"      {article['title']} ({article['publisher']})", markup=False, highlight=False, style="dim", soft_wrap=True
                )
    if report["changes"]:
        console.print("\nApply it: slugline rebuild apply --why …", markup=False)


@rebuild_app.command()
def apply(
    folder: FolderName = None,
    why: Annotated[str, typer.Option(help="the reason, kept with the revisions")] = "",
    by: Annotated[str, typer.Option("--by", help="who decides; else your user name")] = "",
    yes: Yes = False,
) -> None:
    """Send the difference as commands. Editors' ties stand; killed, it goes on when called again.

    Deploy the version that the rebuild was made by first: an older assign would undo some of it again.
    """
    from services.cluster.rebuild.apply import apply as send
    from services.cluster.rebuild.apply import difference

    settings = _settings(folder)
    now = asyncio.run(difference(settings))
    if not now.changes:
        console.print("the stories are as the rebuild says")
        return
    console.print(f"{now.merged:,} stories will redirect, {now.split:,} be new, {now.moved:,} articles move", highlight=False)
    if not yes:
        typer.confirm("Apply this?", abort=True)

    def tell(partition: int, sent: int) -> None:
        console.print(f"partition {partition}: {sent:,} commands done", highlight=False)

    actor = by or getpass.getuser()
    applied = asyncio.run(send(settings, actor, why or "rebuild", tell))
    console.print(f"{applied.sent:,} commands in {applied.rounds} rounds", highlight=False)
    if applied.left:
        console.print(
            f"{applied.left:,} were not carried out, such as those that an editor's word forbids: slugline deadletters list --stage assign",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


@rebuild_app.command()
def drop(folder: FolderName = None) -> None:
    """Delete the rebuild's files. What was applied stays."""
    from services.cluster.rebuild.folder import Folder

    Folder(_settings(folder).rebuild_folder).drop()
    console.print("dropped")
