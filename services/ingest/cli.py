"""The commands of ingest: `slugline feeds …` and `slugline ingest …`. Each command's work is in a module of its own."""

import typer

from services.ingest.commands import check, control, extract, feeds, imports, replay

feeds_app = typer.Typer(no_args_is_help=True, help="Add, list, check and remove the feeds that are polled.")
ingest_app = typer.Typer(no_args_is_help=True, help="Bring articles in by other ways than feeds, and see what would be published.")

feeds.register(feeds_app)
imports.register(feeds_app)
check.register(feeds_app)
control.register(feeds_app)
replay.register(ingest_app)
extract.register(ingest_app)
