"""What a connection raises while the database ends it, at every point of that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from struct import pack
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from deploy.local.ports import LOOPBACK
from services.publish.config import PublishSettings
from services.publish.connect import connect, is_away
from services.publish.web.database import Connections
from shared.errors import Unreachable

ENDED = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
LAST_WORD = b"E" + pack("!I", 4 + len(ENDED)) + ENDED
"""What Postgres says to a session that it ends, just before it closes the socket."""


@asynccontextmanager
async def front(server_port: int) -> AsyncIterator[tuple[int, Callable[[], Awaitable[None]]]]:
    """Give the port of a front of Postgres, and what says `LAST_WORD` to all who are connected and nothing more, without closing."""
    clients: list[tuple[asyncio.StreamWriter, asyncio.Task[None]]] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(LOOPBACK, server_port)
        answering = asyncio.ensure_future(_hand_on(there_reader, writer))
        tasks.update((asyncio.ensure_future(_hand_on(reader, there_writer)), answering))
        clients.append((writer, answering))

    async def say() -> None:
        for writer, answering in clients:
            answering.cancel()
            writer.write(LAST_WORD)
        clients.clear()
        for _ in range(100):
            await asyncio.sleep(0)  # the loop hands the words, which are on this machine already, to the driver

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1], say
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()


def _through(port: int, settings: PublishSettings) -> PublishSettings:
    """Give the settings of the same database by another port."""
    url = urlsplit(settings.database_url)
    name, _, _ = url.netloc.rpartition(":")
    return settings.model_copy(update={"database_url": urlunsplit(url._replace(netloc=f"{name}:{port}"))})


async def test_a_server_that_ends_a_session_is_away_before_the_socket_closes(settings: PublishSettings) -> None:
    """A query between the server's last word and the end of the connection is an error to wait out, not one to die of."""
    async with front(urlsplit(settings.database_url).port or 5432) as (port, say):
        connection = await connect(_through(port, settings), "test")
        try:
            assert await connection.fetchval("SELECT 1") == 1
            await say()
            with pytest.raises(asyncpg.InternalClientError, match="another operation") as raised:
                await connection.fetchval("SELECT 1")
            assert is_away(raised.value)
        finally:
            connection.terminate()


async def test_a_broken_connection_is_not_lent_out_again(settings: PublishSettings) -> None:
    """The reader who meets it is told to wait; the next has a new connection, though the broken one's socket is open."""
    async with front(urlsplit(settings.database_url).port or 5432) as (port, say):
        connections = Connections(_through(port, settings))
        try:
            async with connections.read() as one:
                assert await one.fetchval("SELECT 1") == 1
            await say()
            with pytest.raises(Unreachable):
                async with connections.read() as one:
                    await one.fetchval("SELECT 1")
            async with connections.read() as one:
                assert await one.fetchval("SELECT 1") == 1
        finally:
            await connections.close()
