"""What publish's commands have in common: the work on a connection, and how rows are shown."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from services.publish import schema
from services.publish.config import PublishSettings
from services.publish.connect import connect, is_away
from shared.errors import SluglineError, Unreachable

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]


class SchemaDiffers(SluglineError):
    """The database's schema is not the one that this version needs."""


def run_work(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; an absent database is an error with the address and what to do."""
    try:
        return asyncio.run(work)
    except SluglineError:
        raise
    except Exception as error:
        if not is_away(error):
            raise
        raise Unreachable(f"the database does not answer: {error}. Start it, or set SLUGLINE_DATABASE_URL") from error


@asynccontextmanager
async def connected(*, migrated: bool = True) -> AsyncIterator[tuple[Any, Any]]:
    """Give a connection and the settings it was made by."""
    settings = PublishSettings.load()
    connection = await connect(settings, "cli")
    try:
        if migrated:
            found = await schema.state(connection, settings.database_schema)
            if found not in (schema.SchemaState.CURRENT, schema.SchemaState.AHEAD):
                raise SchemaDiffers(f"the database's schema is {found}: slugline db migrate")
        yield connection, settings
    finally:
        await connection.close()


def show_rows(columns: tuple[str, ...], rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print rows as a table, or as a JSON object a line."""
    if as_json:
        for row in rows:
            typer.echo(json.dumps({name: row[name] for name in columns}, default=str, ensure_ascii=False))
        return
    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in columns))
    Console().print(table if rows else "none")
