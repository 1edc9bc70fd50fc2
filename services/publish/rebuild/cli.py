"""`slugline rebuild views`: the rows filled again from the topics, and swapped in while pages go on answering."""

from typing import Annotated

import typer
from rich.console import Console

rebuild_app = typer.Typer(add_completion=False)


@rebuild_app.command()
def views(
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    wait_s: Annotated[float, typer.Option("--wait", min=1, help="seconds to try for a moment to swap in")] = 300,
) -> None:
    """Fill all rows anew in a second schema and swap it in. Pages go on answering from the old rows until then.

    It needs room for the rows twice. History older than its topic keeps is not in the new rows.
    """
    from services.publish.command import run_work
    from services.publish.config import MaterialiseSettings
    from services.publish.rebuild.fill import rebuild_rows

    if not yes:
        typer.confirm("Fill all rows anew and swap them in? The database needs room for them twice", abort=True)
    notes = Console(stderr=True)
    with notes.status("prepares") as line:

        def tell(what: str) -> None:
            line.update(what)

        waited_s = run_work(rebuild_rows(MaterialiseSettings.load(), wait_s, tell))
    typer.echo(f"the new rows are in place; readers had to wait for {waited_s * 1000:.0f} ms")
