"""What a worker on Postgres waits for before its first row: the schema, and its turn where one works at a time."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from services.publish import schema
from services.publish.connect import Connection
from shared.logs import get_logger

log = get_logger()

RETRY_S: Final = 1.0
"""Between two looks at what is waited for."""


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until `stop` is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout=seconds)


async def await_schema(connection: Connection, name: str, stop: asyncio.Event, waits: Callable[[str], None]) -> bool:
    """Wait until the schema `name` is this version's or a later one; False when `stop` came first. `waits` is told what for."""
    told = False
    while not stop.is_set():
        state = await schema.state(connection, name)
        if state in (schema.SchemaState.CURRENT, schema.SchemaState.AHEAD):
            return True
        waits(f"the database's schema is {state}: slugline db migrate")
        if not told:
            log.warning("schema_not_ready", state=state, then="waiting for: slugline db migrate")
            told = True
        await pause(stop, RETRY_S)
    return False


async def await_turn(
    connection: Connection, lock: int, name: str, stop: asyncio.Event, waits: Callable[[str], None], *, who: str, does: str
) -> bool:
    """Wait for the advisory lock `lock` of the schema `name`; False when `stop` came first. It is held until the connection ends.

    `who` holds it else, and `does` what: "another materialiser", "writes".
    """
    told = False
    while not stop.is_set():
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", lock, name):
            return True
        waits(f"stands by: {who} {does}")
        if not told:
            log.info("stands_by", then=f"takes over when the one that {does} ends")
            told = True
        await pause(stop, RETRY_S)
    return False
