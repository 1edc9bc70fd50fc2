"""`slugline offsets`: where each stage stands in its source, and setting it anew."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.errors import SluglineError
from shared.kafka import offsets
from shared.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Show where each stage stands in its source, and set it anew.")
console = Console()

StageName = Annotated[str, typer.Argument(help=f"one of: {', '.join(offsets.STAGES)}")]


@app.command()
def show(stage: Annotated[str | None, typer.Argument(help=f"one of: {', '.join(offsets.STAGES)}; all if left out")] = None) -> None:
    """Show each partition's oldest, next and end offset, and how many inputs wait (lag). After the last one lies a transaction's marker."""
    table = Table("stage", "topic", "partition", "oldest", "next", "end", "lag", "", box=None, header_style="bold")
    for one in [_stage(stage)] if stage else offsets.STAGES.values():
        for at in asyncio.run(offsets.show(Settings.load(), one)):
            note = "expired" if at.expired else "not begun" if at.next_offset is None else ""
            table.add_row(
                one.name,
                one.source.name,
                str(at.partition),
                str(at.begin),
                "" if at.next_offset is None else str(at.next_offset),
                str(at.end),
                str(at.lag),
                note,
            )
    console.print(table)


@app.command()
def reset(
    stage: StageName,
    partition: Annotated[int | None, typer.Option(min=0, help="one partition; all if left out")] = None,
    to: Annotated[str, typer.Option(help="earliest, latest or an offset")] = "earliest",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Set where a stage reads on. Refused while a process of it runs.

    Inputs passed over are never handled; inputs read again are ignored where their version is known. State stays.

    Example: slugline offsets reset assign --partition 0 --to earliest
    """
    one = _stage(stage)
    if to not in ("earliest", "latest") and not to.isdigit():
        raise SluglineError(f"--to takes earliest, latest or an offset, not {to!r}")
    partitions = [partition] if partition is not None else list(range(one.source.partitions))
    if partition is not None and partition >= one.source.partitions:
        raise SluglineError(f"{one.source.name} has partitions 0 to {one.source.partitions - 1}, not {partition}")
    if not yes:
        asyncio.run(offsets.refuse_while_running(Settings.load(), one))
        _say_cost(one, partitions, to)
        typer.confirm(f"Set {one.name} to {to} in {one.source.name} {partitions}?", abort=True)
    for number, offset in asyncio.run(offsets.reset(Settings.load(), one, partitions, to)):
        console.print(f"{one.name}: {one.source.name}[{number}] reads on at {offset}", highlight=False)


def _say_cost(stage: offsets.Stage, partitions: list[int], to: str) -> None:
    """Say what would be passed over or read again."""
    for at in asyncio.run(offsets.show(Settings.load(), stage)):
        if at.partition not in partitions:
            continue
        offset = offsets.passed_over(at, to)
        what = f"{offset:,} inputs are passed over" if offset > 0 else f"{-offset:,} inputs are read again" if offset else "nothing changes"
        console.print(f"{stage.source.name}[{at.partition}]: {what}", highlight=False)


def _stage(name: str) -> offsets.Stage:
    if name not in offsets.STAGES:
        raise SluglineError(f"no stage is called {name!r}; there are {', '.join(offsets.STAGES)}")
    return offsets.STAGES[name]
