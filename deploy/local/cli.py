"""`slugline local`: everything on this machine, without Docker or root."""

import asyncio
import os
import shutil
import signal
import sys
import time
from typing import Annotated

import aiohttp
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.failures import AlreadyRunning, CannotStart
from deploy.local.lock import Holder, hold, holder
from deploy.local.places import DataFolder, cache_folder, default_data_folder
from deploy.local.state import State, load_state
from shared.settings import masked

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Run everything on this machine: a real broker, a real database, all services."
)
STOP_LIMIT_S = 60.0
POLL_S = 0.2


@app.command()
def run(
    demo: Annotated[bool, typer.Option(help="Serve and follow the recorded web, a set of made-up outlets.")] = True,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The page's port; a free one is taken when it isn't.")] = 8080,
) -> None:
    """Start everything and stay until Ctrl-C. A second run goes on with the data of the first.

    Data is kept in `.slugline` (or SLUGLINE_DATA). KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL use a broker or database of
    yours, KAFKA_HOME an unpacked Kafka.
    """
    from deploy.local.run import run as run_instance

    def ready(url: str) -> None:
        sys.stdout.write(f"Slugline is at {url}\n")
        sys.stdout.flush()

    code = 0
    try:
        asyncio.run(run_instance(default_data_folder(), Console(stderr=True), demo=demo, web_port=port, ready=ready))
    except (CannotStart, AlreadyRunning) as error:
        Console(stderr=True).print(f"slugline: {error}", style="red", markup=False, highlight=False)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # A download that was given up may still run in its threads, and leaving the usual way would wait for them.
    os._exit(code)


@app.command()
def stop() -> None:
    """Stop the instance that runs on this folder's data, and wait until it has stopped."""
    folder = default_data_folder()
    current = holder(folder)
    if current is None:
        Console(stderr=True).print("no local Slugline runs here")
        return
    if current.alive:
        os.kill(current.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT_S
    while holder(folder) is not None:
        if time.monotonic() > deadline:
            raise CannotStart(
                f"process {current.pid} has not stopped within {STOP_LIMIT_S:g} s; `kill -9 {current.pid}` ends it and its children"
            )
        time.sleep(POLL_S)
    Console(stderr=True).print("stopped")


@app.command()
def status() -> None:
    """Show the running instance, its addresses and what each service waits for. Exit code 3 if none runs."""
    folder = default_data_folder()
    console = Console()
    current, state = holder(folder), load_state(folder)
    if current is None:
        console.print(f"no local Slugline runs on {folder.root}", markup=False, highlight=False)
        raise typer.Exit(3)
    if state is None:
        console.print(f"process {current.pid} is starting on {folder.root}", markup=False, highlight=False)
        return
    _print_status(console, folder, current, state)


def _print_status(console: Console, folder: DataFolder, current: Holder, state: State) -> None:
    from deploy.local.run import readiness

    async def ask() -> dict[str, str | None]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            answers = await asyncio.gather(*(readiness(session, port) for port in state.ports.values()))
            return dict(zip(state.ports, answers, strict=True))

    table = Table(box=None, pad_edge=False)
    for column in ("part", "state", "at"):
        table.add_column(column, overflow="fold")
    table.add_row("page", "", state.url)
    table.add_row("kafka", "", state.bootstrap_servers)
    table.add_row("postgres", "", masked(state.database_url))
    for name, waits in asyncio.run(ask()).items():
        table.add_row(name, "[green]ready[/]" if waits is None else f"[yellow]{waits}[/]", f"http://127.0.0.1:{state.ports[name]}/metrics")
    console.print(f"process {current.pid}, since {current.since}, data in {folder.root}", markup=False, highlight=False)
    console.print(table, highlight=False)


@app.command()
def clean(
    cache: Annotated[bool, typer.Option(help="Remove the broker's downloaded jars too.")] = False,
) -> None:
    """Remove the data of this folder's instance. Refused while one runs."""
    folder = default_data_folder()
    if folder.root.exists():
        descriptor = hold(folder, lambda what: Console(stderr=True).print(what))
        for path in (folder.kafka, folder.postgres, folder.logs, folder.scratch):
            if path.exists():
                shutil.rmtree(path)
        for path in (folder.state, folder.recorded_web, folder.lock):
            path.unlink(missing_ok=True)
        os.close(descriptor)
        # Only what is ours goes: SLUGLINE_DATA may name a folder with other things in it.
        if not any(folder.root.iterdir()):
            folder.root.rmdir()
    if cache and cache_folder().exists():
        shutil.rmtree(cache_folder())
