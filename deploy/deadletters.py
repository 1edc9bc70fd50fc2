"""`slugline deadletters`: inputs that could not be handled, and what to do about them."""

import asyncio
import getpass
from base64 import b64decode
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.contracts import DeadLetter
from shared.errors import SluglineError
from shared.kafka import letters as dead_letters
from shared.kafka.letters import Wanted
from shared.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List, show, replay and drop inputs that could not be handled.")
console = Console()

StageName = Annotated[str | None, typer.Option(help="poll, fetch, enrich, assign, materialise or brief")]
ReasonName = Annotated[str | None, typer.Option(help="such as invalid_message or story_expired")]
Since = Annotated[float | None, typer.Option("--since-hours", min=0, help="failed within so many hours")]
Until = Annotated[float | None, typer.Option("--until-hours", min=0, help="failed longer ago than so many hours")]
Letter = Annotated[str | None, typer.Argument(help="a letter's id, or its beginning; all that match if left out")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]
SHOWN_BYTES = 4_000


@app.command("list")
def list_letters(
    stage: StageName = None,
    reason: ReasonName = None,
    since: Since = None,
    until: Until = None,
    resolved: Annotated[bool, typer.Option("--all", help="also those that were replayed or dropped")] = False,
) -> None:
    """List letters, oldest first, and count them by stage and reason."""
    found = _read(Wanted(stage, reason, _ago(since), None, resolved, _ago(until)))
    table = Table("id", "failed", "stage", "reason", "origin", "resolution", "error", box=None, header_style="bold")
    for letter in found:
        origin = f"{letter.topic}[{letter.partition}]@{letter.offset}"
        failed = letter.failed_at.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(str(letter.letter_id)[:8], failed, letter.stage, letter.reason, origin, letter.resolution or "", _shown(letter.error))
    if found:
        console.print(table)
    counts = Counter((letter.stage, letter.reason) for letter in found)
    console.print(f"{len(found)} letters" + "".join(f"\n  {stage}: {reason}: {count}" for (stage, reason), count in sorted(counts.items())))


@app.command()
def show(letter: Annotated[str, typer.Argument(help="the letter's id, or its beginning")]) -> None:
    """Show one letter with its input."""
    [found] = _one(letter)
    console.print_json(found.model_copy(update={"value": None, "key": None}).model_dump_json())
    console.print("key:", _text(found.key), markup=False, highlight=False, soft_wrap=True)
    console.print("input:", _text(found.value), markup=False, highlight=False, soft_wrap=True)


@app.command()
def replay(
    letter: Letter = None, stage: StageName = None, reason: ReasonName = None, since: Since = None, until: Until = None, yes: Yes = False
) -> None:
    """Send inputs back to where they came from, once; do it when what refused them is mended.

    Example: slugline deadletters replay --stage fetch --reason fetch_failed
    """
    found = _read(Wanted(stage, reason, _ago(since), letter, until=_ago(until)))
    _confirm(found, "Replay", yes=yes)
    done = asyncio.run(dead_letters.replay(Settings.load(), found, getpass.getuser(), datetime.now(UTC)))
    console.print(", ".join(f"{count} {resolution}" for resolution, count in done.items()) or "nothing to replay")


@app.command()
def drop(
    letter: Letter = None, stage: StageName = None, reason: ReasonName = None, since: Since = None, until: Until = None, yes: Yes = False
) -> None:
    """Note that letters need nothing done. Who did is recorded with them."""
    found = _read(Wanted(stage, reason, _ago(since), letter, until=_ago(until)))
    _confirm(found, "Drop", yes=yes)
    dropped = asyncio.run(dead_letters.drop(Settings.load(), found, getpass.getuser(), datetime.now(UTC)))
    console.print(f"{dropped} dropped")


def _read(wanted: Wanted) -> list[DeadLetter]:
    return asyncio.run(dead_letters.read(Settings.load(), wanted))


def _one(name: str) -> list[DeadLetter]:
    found = _read(Wanted(letter=name, resolved=True))
    if len(found) != 1:
        raise SluglineError(f"{len(found)} letters begin with {name!r}; see: slugline deadletters list --all")
    return found


def _ago(hours: float | None) -> datetime | None:
    return None if hours is None else datetime.now(UTC) - timedelta(hours=hours)


def _confirm(found: list[DeadLetter], verb: str, *, yes: bool) -> None:
    if found and not yes:
        typer.confirm(f"{verb} {len(found)} letters?", abort=True)


def _shown(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:119]}…"


def _text(encoded: str | None) -> str:
    if encoded is None:
        return "(none)"
    raw = b64decode(encoded)
    more = f" … ({len(raw):,} bytes in all)" if len(raw) > SHOWN_BYTES else ""
    return raw[:SHOWN_BYTES].decode(errors="replace") + more
