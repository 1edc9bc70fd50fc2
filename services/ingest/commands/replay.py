"""`slugline ingest replay`: labelled articles into the running system."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from services.ingest.replay import Summary, lines, open_lines, read_line
from shared.errors import Refused, SluglineError
from shared.kafka.decision import Output
from shared.kafka.tables import Sender
from shared.settings import Settings

console = Console()

WINDOW = 500
"""Articles on their way to the broker at once."""
PACED_WINDOW_S = 0.1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay)


def replay(
    file: Annotated[Path, typer.Argument(help="JSON lines, plain or gzipped: id, title, text, published, language, source, url")],
    rate: Annotated[float | None, typer.Option(min=0.001, help="articles a second; as fast as the broker takes them if left out")] = None,
    source: Annotated[str | None, typer.Option(help="names the outlet of lines without url and source; else the file's name")] = None,
) -> None:
    """Send a file's articles into discoveries.v1 as they are: nothing is fetched, event time is the line's own.

    Lines that can't be accepted are counted by reason and named. Sending a file again changes nothing.

    Example: slugline ingest replay articles.jsonl.gz --rate 50
    """
    settings = Settings.load()
    name = source or file.name.split(".", maxsplit=1)[0] or "replay"
    summary = Summary()
    if not file.is_file():
        raise SluglineError(f"{file} is no file")
    try:
        asyncio.run(_replay(settings, file, file.stat().st_size, name, rate, summary))
    finally:
        _print(summary)
    if not summary.accepted:
        raise SluglineError(f"{file} held no article that could be accepted")


async def _replay(settings: Settings, file: Path, size: int, source: str, rate: float | None, summary: Summary) -> None:
    window = WINDOW if rate is None else max(1, min(WINDOW, round(rate * PACED_WINDOW_S)))
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[count]:,} sent"),
        console=console,
    )
    with open_lines(file) as opened, bar:
        task = bar.add_task(file.name, total=size, count=0)
        compressed = getattr(opened, "fileobj", None) or opened
        async with Sender(settings) as sender:
            loop = asyncio.get_running_loop()
            began = loop.time()
            outputs: list[Output] = []
            for number, line in lines(opened):
                try:
                    if isinstance(line, Refused):
                        raise line
                    outputs.append(read_line(line, source, datetime.now(UTC)))
                except Refused as error:
                    summary.refuse(number, error)
                if len(outputs) >= window:
                    await _send(sender, outputs, summary)
                    bar.update(task, completed=compressed.tell(), count=summary.accepted)
                    if rate is not None:
                        await asyncio.sleep(max(0.0, began + summary.accepted / rate - loop.time()))
            await _send(sender, outputs, summary)
            bar.update(task, completed=size, count=summary.accepted)


async def _send(sender: Sender, outputs: list[Output], summary: Summary) -> None:
    await sender.send(outputs)
    summary.accepted += len(outputs)
    outputs.clear()


def _print(summary: Summary) -> None:
    refused = sum(summary.refused.values())
    console.print(f"{summary.accepted:,} articles accepted, {refused:,} lines refused")
    for reason, count in sorted(summary.refused.items(), key=lambda pair: -pair[1]):
        console.print(f"  {reason}: {count:,}")
        for example in summary.examples[reason]:
            console.print(f"    {example}", soft_wrap=True, markup=False, highlight=False)
