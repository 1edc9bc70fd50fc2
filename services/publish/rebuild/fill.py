"""Filling the second schema: the materialiser's own work, without its dead letters, which the live one has sent."""

import asyncio
from collections.abc import Callable
from typing import Any

from services.publish import schema
from services.publish.config import MaterialiseSettings
from services.publish.connect import Connection, connect
from services.publish.materialise.app import Materialiser
from services.publish.materialise.source import Source
from services.publish.rebuild.swap import Schemas, analyse, behind, clear, prepare, swap
from shared import health
from shared.errors import Refused
from shared.kafka import admin as kafka_admin
from shared.kafka.decision import Output
from shared.tasks import end_tasks

LOOK_S = 0.2
NEAR = 500
"""Records behind the live rows at which filling counts as done; the rest comes while the swap waits for its moment."""


class _Silent(Source):
    async def produce(self, outputs: list[Output]) -> None:
        """Send nothing."""


class _Filler(Materialiser):
    def __init__(self, settings: MaterialiseSettings, stop: asyncio.Event) -> None:
        super().__init__(settings, health.Readiness(), stop)
        self.source = _Silent(settings)


async def rebuild_rows(settings: MaterialiseSettings, swap_limit_s: float, tell: Callable[[str], None]) -> float:
    """Fill all rows anew beside the live ones and swap them; gives for how many seconds readers had to wait.

    Whatever goes wrong, the live rows stay. Raises `Refused` and what the database and the broker raise.
    """
    schemas = Schemas(settings.database_schema)
    async with kafka_admin.connected(settings):
        pass  # a broker that is away is told now; the filler would wait for it
    connection = await connect(settings, "rebuild", timeout_s=settings.materialise_timeout_s)
    try:
        found = await schema.state(connection, settings.database_schema)
        if found is not schema.SchemaState.CURRENT:
            remedy = "rebuild with the version that it belongs to" if found is schema.SchemaState.AHEAD else "slugline db migrate"
            raise Refused("schema_differs", f"the database's schema is {found}: {remedy}")
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", f"slugline rebuild {schemas.spare}"):
            raise Refused("rebuild_runs", "another rebuild of the rows runs")
        await prepare(connection, schemas)
        try:
            return await _fill_and_swap(settings, connection, schemas, swap_limit_s, tell)
        finally:
            await clear(connection, schemas)
    finally:
        await connection.close()


async def _fill_and_swap(
    settings: MaterialiseSettings, connection: Connection, schemas: Schemas, swap_limit_s: float, tell: Callable[[str], None]
) -> float:
    stop = asyncio.Event()
    filler = _Filler(settings.model_copy(update={"database_schema": schemas.spare}), stop)
    filling: asyncio.Future[Any] = asyncio.ensure_future(filler.run())
    try:
        analysed = False
        while True:
            if filling.done():
                filling.result()
            left = await behind(connection, schemas)
            tell(f"{left:,} records to go")
            if left <= NEAR:
                if analysed:
                    break
                await analyse(connection, schemas)
                analysed = True
                continue
            await asyncio.wait([filling], timeout=LOOK_S)
        tell("swaps")
        return await swap(connection, schemas, swap_limit_s, tell)
    finally:
        stop.set()
        await asyncio.wait([filling], timeout=15)
        await end_tasks([filling])
