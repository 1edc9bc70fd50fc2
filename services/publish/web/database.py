"""The database as a web server needs it: there, or away and said so at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from services.publish.config import PublishSettings
from services.publish.connect import Connection, Pool, connect, is_away, is_broken, open_pool
from services.publish.read import Database as Readable
from services.publish.schema import SchemaState, state
from shared.errors import Unreachable

NOT_THERE_YET = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError, asyncpg.InvalidCatalogNameError)
"""What the driver raises where the database or its schema has still to be made: wait for that too."""

ACQUIRE_S = 2.0
"""A request that waits longer for a connection gives up: the reader gets a page that says so, not a blank one."""


def must_wait(error: BaseException) -> bool:
    """Say whether an error means: the database is away, or not made yet."""
    return is_away(error) or isinstance(error, NOT_THERE_YET)


class Connections:
    """A pool that is opened when it is first needed, and again after it was lost."""

    def __init__(self, settings: PublishSettings) -> None:
        """Keep the settings; nothing is opened."""
        self._settings = settings
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()

    async def pool(self) -> Pool:
        """Give the pool. What it raises while the database is away is `must_wait`."""
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    self._pool = await open_pool(self._settings, "web")
        return self._pool

    async def listening(self) -> Connection:
        """Open a connection of its own, outside the pool."""
        return await connect(self._settings, "web stream")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Readable]:
        """Borrow a connection for one request. Raises `Unreachable` while the database is away, also in the middle of it."""
        try:
            pool = await self.pool()
            async with pool.acquire(timeout=ACQUIRE_S) as connection:
                try:
                    yield connection
                except Exception as error:
                    if is_broken(error):
                        connection.terminate()  # or the pool would lend it out again
                    raise
        except Exception as error:
            if not must_wait(error):
                raise
            raise Unreachable(f"the database does not answer: {type(error).__name__}") from error

    async def waits_for(self) -> str | None:
        """Say what is missing of the database; None when it answers and has the schema that this code needs."""
        try:
            pool = await self.pool()
            async with pool.acquire(timeout=ACQUIRE_S) as connection:
                found = await state(_plain(connection), self._settings.database_schema)
        except Exception as error:
            if not must_wait(error):
                raise
            return f"the database does not answer ({type(error).__name__})"
        if found in (SchemaState.CURRENT, SchemaState.AHEAD):
            return None
        return f"the database's schema is {found}: run `slugline db migrate`"

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                async with asyncio.timeout(5):
                    await pool.close()
            except TimeoutError:
                pool.terminate()


def _plain(connection: Any) -> Connection:
    """Take a pool's connection, a proxy that does all that a connection does, as one."""
    plain: Connection = connection
    return plain
