"""`slugline tokens add|list|revoke`: who may post articles over HTTP."""

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.ingest.post.tokens import NAME, Token, TokensRefused, hashed, make_token, read_tokens, write_tokens

app = typer.Typer(no_args_is_help=True, help="Give senders their tokens for POST /articles, and take them away.")

File = Annotated[Path | None, typer.Option("--file", help="The file of tokens' hashes; else SLUGLINE_POST_TOKENS_FILE.")]
Name = Annotated[str, typer.Argument(help="The sender's name, as logs tell it.")]


@app.command()
def add(
    name: Name,
    days: Annotated[int, typer.Option(min=0, help="It is taken for so many days; 0: until it is revoked.")] = 365,
    file: File = None,
) -> None:
    """Make a token for a sender and print it, once: only its hash is kept. A running post takes it at the next request.

    A sender may have several, so that a new one is in use before the old one is revoked. Example: slugline tokens add wire-desk
    """
    if not NAME.fullmatch(name):
        raise TokensRefused(f"{name!r} is no sender's name: letters, digits, `.`, `_` and `-`, 60 at most")
    path = _path(file)
    kept = read_tokens(path) if path.exists() else []
    token, today = make_token(), _today()
    added = Token(hashed(token), name, today, today + timedelta(days=days) if days else None)
    write_tokens(path, [*kept, added])
    typer.echo(token)
    Console(stderr=True).print(
        f"for {name}, until {added.expires_on or 'it is revoked'}; it is not shown again. Its hash is in {path}",
        highlight=False,
        soft_wrap=True,
    )


@app.command("list")
def list_tokens(file: File = None, as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """List tokens by sender: when they were made, until when they are taken, and the beginning of their hashes."""
    today = _today()
    tokens = read_tokens(_path(file))
    if as_json:
        for one in tokens:
            told = {"name": one.name, "sha256": one.sha256, "created_on": one.created_on, "expires_on": one.expires_on}
            typer.echo(json.dumps(told | {"is_taken": one.is_taken(today)}, default=str))
        return
    table = Table("sender", "hash", "made", "expires", "", box=None, header_style="bold")
    for one in tokens:
        state = "" if one.is_taken(today) else "expired"
        table.add_row(one.name, one.sha256[:8], str(one.created_on), str(one.expires_on or "never"), state)
    Console().print(table if tokens else "none")


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(help="A sender's name, for all its tokens, or the beginning of one token's hash (8 at least).")],
    file: File = None,
) -> None:
    """Take tokens away. A running post refuses them from the next request on."""
    path = _path(file)
    tokens = read_tokens(path)
    gone = [one for one in tokens if one.name == which] or [one for one in tokens if len(which) >= 8 and one.sha256.startswith(which)]
    if not gone:
        senders = ", ".join(sorted({one.name for one in tokens})) or "none"
        raise TokensRefused(f"no token belongs to {which!r}, and no hash begins so; senders are: {senders}")
    write_tokens(path, [one for one in tokens if one not in gone])
    typer.echo(f"revoked {len(gone)} of {gone[0].name}: {', '.join(one.sha256[:8] for one in gone)}")


def _path(file: Path | None) -> Path:
    # Not from the settings as a whole, which want what a command does not: a file that is there already, for one.
    named = file or os.environ.get("SLUGLINE_POST_TOKENS_FILE")
    if not named:
        raise TokensRefused("where are the tokens? Give --file FILE, or set SLUGLINE_POST_TOKENS_FILE as post has it")
    return Path(named)


def _today() -> date:
    return datetime.now(UTC).date()
