"""`slugline db roles`: the database's roles, their rights and their passwords."""

import getpass
import sys
from typing import Annotated

import typer

from services.publish import roles
from services.publish.command import AsJson, connected, run_work, show_rows
from services.publish.connect import Connection
from shared.errors import InvalidSetting

db_app = typer.Typer()
roles_app = typer.Typer(no_args_is_help=True, help="Make the database's roles, and say what each may do.")
db_app.add_typer(roles_app, name="roles")

Prefix = Annotated[str, typer.Option(help="How the roles' names begin; another one for a second Slugline on the same server.")]
SHORTEST_PASSWORD = 12


@roles_app.command()
def apply(prefix: Prefix = "slugline") -> None:
    """Make the roles migrator, writer, web and reader, and give each the rights it needs and no others.

    Run it as a superuser, or as the database's owner with CREATEROLE. Roles have no password at first, so nobody gets in as one:
    slugline db roles password slugline_writer. Afterwards services connect as them, and migrations as the migrator.
    """

    async def work() -> dict[str, str]:
        async with connected(migrated=False) as (connection, settings):
            return await roles.apply(connection, settings.database_schema, prefix)

    for role, name in run_work(work()).items():
        typer.echo(f"{name}: {roles.ROLES[role]}")


@roles_app.command()
def show(prefix: Prefix = "slugline", as_json: AsJson = False) -> None:
    """Show the roles, whether they have passwords, and what they may do with each table."""

    async def work() -> list[roles.Standing]:
        async with connected(migrated=False) as (connection, settings):
            return await roles.show(connection, settings.database_schema, prefix)

    rows = []
    for one in run_work(work()):
        password = "unknown" if one.has_password is None else "set" if one.has_password else "none"
        rows.append({"role": one.role, "password": password if one.exists else "role is missing", "on": "", "may": one.does})
        rows += [{"role": one.role, "password": "", "on": name, "may": privileges} for name, privileges in one.privileges.items()]
    show_rows(("role", "password", "on", "may"), rows, as_json=as_json)


@roles_app.command()
def password(role: Annotated[str, typer.Argument(help="Such as slugline_writer.")]) -> None:
    """Give a role a password, asked for at the terminal or read from standard input. The server gets its verifier only.

    Example: slugline db roles password slugline_writer < /run/secrets/writer
    """
    given = getpass.getpass(f"Password of {role}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if len(given) < SHORTEST_PASSWORD or not given.isascii():
        raise InvalidSetting(f"a password has at least {SHORTEST_PASSWORD} characters, of ASCII; make one with: openssl rand -base64 24")

    async def work() -> None:
        async with connected(migrated=False) as (connection, _):
            await _existing(connection, role)
            await roles.set_password(connection, role, given)

    run_work(work())
    typer.echo(f"{role} has a new password; connections that are open stay")


async def _existing(connection: Connection, role: str) -> None:
    if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
        raise InvalidSetting(f"no role is called {role!r}; make ours with: slugline db roles apply")
