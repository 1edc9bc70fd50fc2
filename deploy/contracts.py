"""`slugline contracts`: the schemas of messages as files, and whether they are current and compatible."""

import typer
from rich.console import Console

from shared.contracts import export as contracts_export

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Export the schemas of messages, and check them.")
console = Console()


@app.command()
def export() -> None:
    """Write the JSON Schemas and the AsyncAPI document as the models say now."""
    changed = contracts_export.write()
    for path in changed:
        console.print(f"wrote {path.name}", highlight=False)
    if not changed:
        console.print("all schemas are current")


@app.command()
def examples() -> None:
    """Write recorded messages of every kind, for consumers' own tests, as the code makes them now."""
    from deploy import recorded_messages  # noqa: PLC0415 - all stages' code

    changed = recorded_messages.write()
    for path in changed:
        console.print(f"wrote {path.name}", highlight=False)
    if not changed:
        console.print("all recorded messages are current")


@app.command()
def check() -> None:
    """Say which files are stale and which changes break readers or writers; exit code 1 if any do."""
    stale = contracts_export.stale()
    for name in stale:
        console.print(f"stale: {name}. Run: slugline contracts export", highlight=False)
    breaks = contracts_export.breaks()
    for fault in breaks:
        console.print(f"incompatible: {fault}", soft_wrap=True, highlight=False)
    if stale or breaks:
        raise typer.Exit(1)
    console.print("the schemas are current, and compatible with the last release")


@app.command()
def release() -> None:
    """Take the schemas as those of a release, with which every later change must be compatible."""
    for path in contracts_export.release():
        console.print(f"released {path.name}", highlight=False)
