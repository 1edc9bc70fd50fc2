"""The recorded web's command line."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import SluglineError

app = typer.Typer(add_completion=False, help="Outlets made up for Slugline, served on this machine and played on a clock.")


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: that of the earlier play, or a free one.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    state: Annotated[Path | None, typer.Option(help="File that keeps when the play began, so that a second start goes on.")] = None,
    speed: Annotated[float | None, typer.Option(min=0.001, max=10_000, help="Seconds of the play in one of the clock's; 1 if new.")] = None,
) -> None:
    """Serve all outlets until interrupted."""
    if context.invoked_subcommand is not None:
        return
    from deploy.recorded_web import serve as server
    from shared.logs import configure
    from shared.settings import Settings

    async def until_told() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await server.serve(host=host, port=port, state_file=state, speed=speed, stop=stop)

    try:
        configure(Settings.load(), service="recorded-web")
        asyncio.run(until_told())
    except SluglineError as error:
        typer.echo(f"recorded web: {error}", err=True)
        raise typer.Exit(2) from error


@app.command()
def check() -> None:
    """Check the content's files and say what they hold."""
    from collections import Counter
    from datetime import UTC, datetime

    from deploy.recorded_web.content import load
    from deploy.recorded_web.edition import Edition
    from deploy.recorded_web.expected import expected
    from deploy.recorded_web.play import Play

    try:
        edition = Edition.prepare(load(), Play(datetime.now(UTC)), 80)
    except SluglineError as error:
        typer.echo(f"recorded web: {error}", err=True)
        raise typer.Exit(2) from error
    truth = expected(edition)
    sizes = Counter(len(story["articles"]) for story in truth["stories"].values())
    summary = {
        "outlets": len(edition.content.outlets),
        "events": len(edition.content.stories),
        "stories": len(truth["stories"]),
        "articles": sum(1 for _ in edition.content.articles()),
        "stories_by_size": dict(sorted(sizes.items())),
        **{name: len(truth[name]) for name in ("near_copies", "corrected", "withdrawn", "refused")},
    }
    typer.echo(json.dumps(summary, indent=1))
