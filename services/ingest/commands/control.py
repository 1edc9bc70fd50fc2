"""`slugline feeds stop-all|resume-all|block|unblock|held`: what poll and fetch may fetch."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from services.ingest.control import ALL, Control, Held, domain_key, domain_of
from shared.errors import SluglineError
from shared.kafka.decision import Output
from shared.kafka.tables import Sender, read_table
from shared.settings import Settings
from shared.topics import FETCH_CONTROL

console = Console()

Outlet = Annotated[str, typer.Argument(help="the outlet's host or any URL of it; all of its registrable domain is meant")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("stop-all")(stop_all)
    app.command("resume-all")(resume_all)
    app.command("block")(block)
    app.command("unblock")(unblock)
    app.command("held")(held)


def stop_all() -> None:
    """Stop all fetching, of feeds and pages, in all workers, until resume-all. What is under way ends; nothing is lost."""
    _hold(ALL, hold=True)
    console.print("All fetching is stopped. It goes on with: slugline feeds resume-all")


def resume_all() -> None:
    """Let fetching go on. Blocked outlets stay blocked."""
    _hold(ALL, hold=False)
    console.print("Fetching goes on")


def block(outlet: Outlet) -> None:
    """Fetch nothing from an outlet any more: its feeds wait, links to its pages become dead letters with the reason `blocked`.

    What is published stays. Example: slugline feeds block outlet.example
    """
    domain = _domain(outlet)
    _hold(domain_key(domain), hold=True)
    console.print(f"Blocked {domain}. It is freed with: slugline feeds unblock {domain}", soft_wrap=True)


def unblock(outlet: Outlet) -> None:
    """Fetch from a blocked outlet again."""
    domain = _domain(outlet)
    was = _control().blocked
    if domain not in was:
        raise SluglineError(f"{domain} is not blocked; blocked are: {', '.join(sorted(was)) or 'none'}")
    _hold(domain_key(domain), hold=False)
    console.print(f"Freed {domain}", soft_wrap=True)


def held() -> None:
    """Show what is held back: whether all fetching is stopped, and the blocked outlets."""
    control = _control()
    console.print("All fetching is stopped" if control.stopped else "Fetching is not stopped")
    for domain in sorted(control.blocked):
        console.print(f"blocked {domain}", soft_wrap=True)


async def read_control(settings: Settings) -> Control:
    """Read what is held now."""
    control = Control()
    for key, value in (await read_table(settings, FETCH_CONTROL)).items():
        control.take(key, value)
    return control


def _control() -> Control:
    return asyncio.run(read_control(Settings.load()))


def _hold(key: str, *, hold: bool) -> None:
    async def send() -> None:
        async with Sender(Settings.load()) as sender:
            await sender.send([Output(FETCH_CONTROL, key, Held(since=datetime.now(UTC)) if hold else None)])

    asyncio.run(send())


def _domain(outlet: str) -> str:
    domain = domain_of(outlet)
    if not domain:
        raise SluglineError(f"{outlet[:200]!r} names no host")
    return domain
