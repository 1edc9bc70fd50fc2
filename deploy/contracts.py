"""`slugline contracts`: the messages' JSON Schemas and the AsyncAPI document, written and checked."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shared.contracts import export as contracts

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Write the messages' JSON Schemas and AsyncAPI document, and check them."
)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to write; the project's own folder if left out.")] = contracts.SCHEMAS,
) -> None:
    """Write the files that the models say, and name those that changed.

    Example: slugline contracts export /tmp/schemas
    """
    for path in contracts.write(folder):
        typer.echo(f"wrote {path}")


@app.command()
def check() -> None:
    """Check that the committed files are current, and compatible with the last release's. Exit code 1 if they aren't."""
    faults = [f"{name} is not what the models say: run `slugline contracts export` and commit it" for name in contracts.stale()]
    faults += contracts.breaks()
    console = Console(stderr=True)
    for fault in faults:
        console.print(fault, style="red", markup=False, highlight=False, soft_wrap=True)
    if faults:
        raise typer.Exit(1)
    typer.echo(f"{len(contracts.contracts())} contracts are current and compatible with the last release")
