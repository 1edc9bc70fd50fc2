"""Connections to Postgres, all alike: the schema on the search path, jsonb as Python values."""

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from pydantic_core import from_json, to_json

from services.publish.config import PublishSettings
from shared.errors import Unauthorised

if TYPE_CHECKING:  # generic for the type checker only
    Connection = asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
)


def is_away(error: BaseException) -> bool:
    """Say whether an error means: the database is away, shutting down, full or failing over, so wait and try again.

    Those are SQLSTATE classes 08, 40, 53 and 57 and 25006, and failures of the connection itself.
    """
    return isinstance(error, _AWAY) or is_broken(error) or (isinstance(error, asyncpg.InterfaceError) and "clos" in str(error))


def is_broken(error: BaseException) -> bool:
    """Say whether the connection, whatever it says of itself, can't be used again.

    A server that ends a session says so and then closes it. A query between the two finds asyncpg reading that last word, and raises
    `InternalClientError` (MagicStack/asyncpg#784, sqlalchemy/sqlalchemy#13241). Two tasks on one connection, which would be an error of
    ours, raise `InterfaceError` instead.
    """
    return isinstance(error, asyncpg.InternalClientError)


async def set_up(connection: Any) -> None:
    """Prepare a connection: jsonb columns are read to, and written from, Python values."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + to_json(value),
        decoder=lambda value: from_json(value[1:]),
    )


def server_settings(settings: PublishSettings, application: str) -> dict[str, str]:
    """Give what each session sets: its name in pg_stat_activity, the search path, UTC."""
    path = settings.database_schema if settings.database_schema == "public" else f"{settings.database_schema}, public"
    return {
        "application_name": f"slugline {application}",
        "search_path": path,
        "timezone": "UTC",
        "jit": "off",
        # A client that vanished without a word frees its locks within half a minute.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "4",
    }


async def connect(settings: PublishSettings, application: str, *, timeout_s: float | None = None) -> Connection:
    """Open one connection, whose statements may take `timeout_s`. What it raises while the database is away is `is_away`."""
    connection = await open_plain(settings, application, command_timeout=timeout_s or settings.database_timeout_s)
    await set_up(connection)
    return connection


async def open_plain(settings: PublishSettings, application: str, **options: Any) -> Connection:
    """Open a connection without our types. Raises `Unauthorised` when the server answers and refuses us: waiting would be in vain."""
    try:
        return await asyncpg.connect(settings.database_url, **place(settings, application), **options)
    except (asyncpg.InvalidAuthorizationSpecificationError, ssl.SSLError, ConnectionError) as error:
        if (refusal := _refusal(error)) is None:
            raise
        raise refusal from error


def place(settings: PublishSettings, application: str) -> dict[str, Any]:
    """Give what a connection needs beside the URL. The password's file is read at each connection, so that it can be renewed."""
    options: dict[str, Any] = {"timeout": 10, "server_settings": server_settings(settings, application)}
    if settings.database_password_file:
        options["password"] = lambda: Path(settings.database_password_file).read_text(encoding="utf-8").rstrip("\r\n")
    return options


def _refusal(error: Exception) -> Unauthorised | None:
    """Give what an operator has to know of a server that answers but does not take us in."""
    match error:
        case asyncpg.InvalidPasswordError():
            return Unauthorised(
                f"the database refuses the password: {error}. Check SLUGLINE_DATABASE_URL, or SLUGLINE_DATABASE_PASSWORD_FILE"
            )
        case asyncpg.InvalidAuthorizationSpecificationError():
            return Unauthorised(
                f"the database does not let us in: {error}. Check the role in SLUGLINE_DATABASE_URL and the server's pg_hba.conf"
            )
        case ssl.SSLCertVerificationError():
            return Unauthorised(
                f"the database's certificate is not trusted: {error.verify_message}. "
                "sslrootcert in SLUGLINE_DATABASE_URL must name the authority that signed it, and the certificate the host in the URL"
            )
        case ssl.SSLError():
            return Unauthorised(f"there is no TLS with the database: {error}. Check sslmode in SLUGLINE_DATABASE_URL and the server's ssl")
        case ConnectionError() if "SSL" in str(error):
            return Unauthorised(f"the database speaks no TLS, but sslmode in SLUGLINE_DATABASE_URL wants it: {error}")
        case _:
            return None


async def _keep(_connection: Any) -> None:
    """Leave a connection as it is when it comes back to the pool."""


async def open_pool(settings: PublishSettings, application: str) -> Pool:
    """Open a pool. It holds one connection from the start; what it raises while the database is away is `is_away`.

    A connection comes back to it as it is: its users only ask and leave no session state, and a reset would be one more round trip.
    """
    try:
        return await asyncpg.create_pool(
            settings.database_url,
            min_size=1,
            max_size=settings.database_pool_size,
            command_timeout=settings.database_timeout_s,
            init=set_up,
            reset=_keep,
            **place(settings, application),
        )
    except (asyncpg.InvalidAuthorizationSpecificationError, ssl.SSLError, ConnectionError) as error:
        if (refusal := _refusal(error)) is None:
            raise
        raise refusal from error
