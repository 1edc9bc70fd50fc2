"""An upgrade while articles flow: the next release's schema under this one's services, then each service ended and started anew."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest

from services.publish import schema
from services.publish.config import PublishSettings
from services.publish.connect import connect
from shared.contracts import Discovery
from shared.health import running_version
from shared.topics import DISCOVERIES
from tests.system import made_up
from tests.system.checks import check_rows, check_topics, explain, read_all
from tests.system.stack import Stack, running
from tests.topics import read_records

pytestmark = [pytest.mark.stack, pytest.mark.faults]

SEED: Final = 23
ARTICLES: Final = 160
RATE: Final = 4
ORDER: Final = ("web", "brief", "materialise", "link", "assign", "enrich", "fetch", "poll")
"""As docs/operations.md tells to upgrade: who reads before who writes."""
DRAIN_S: Final = 10.0
LATE_S: Final = 30.0
"""On a busy machine a start alone takes several seconds; the figures of a free one are in docs/operations.md."""
WATCH_S: Final = 0.05


async def test_an_upgrade_under_load_loses_and_doubles_nothing(stack: Stack, tmp_path: Path) -> None:
    """The schema goes ahead first, then each service ends by SIGTERM, within its time, and starts anew."""
    lines = made_up.lines(SEED, ARTICLES)
    file = made_up.write_lines(tmp_path / "news.jsonl", lines)
    wanted = [made_up.identity(line) for line in lines]
    stack.configure(session_timeout_s=30)
    async with running(stack):
        replaying = asyncio.create_task(stack.replay(file, "--rate", str(RATE)))
        seen: dict[UUID, float] = {}
        watching = asyncio.create_task(_watch(stack, seen))
        await _widen(stack.database_url)
        restarts: dict[str, tuple[float, float]] = {}
        for name in ORDER:
            restarts[name] = await _restart(stack, name)
            assert await _version(stack, name) == running_version()
        assert f"{ARTICLES} articles accepted" in await replaying
        await stack.until_quiet(wanted)
        watching.cancel()
        told = await read_all(stack.broker)
        assert explain(told.letters) == []
        assert [ended.name for ended in stack.ended] == []
        check_topics(told, wanted)
        async with stack.rows() as rows:
            await check_rows(told, rows)
        late = _late(await read_records(stack.broker, DISCOVERIES), lines, seen, restarts)
        figures = {
            name: {"ready_after_s": round(ready - began, 2), "late_s": round(late[name], 2)} for name, (began, ready) in restarts.items()
        }
        (tmp_path / "restarts.json").write_text(json.dumps(figures, indent=1))
        assert max(late.values()) < LATE_S, figures


async def _widen(database_url: str) -> None:
    """Do to every table what a later release's migration may do to it."""
    connection = await connect(PublishSettings(database_url=database_url), "test")
    try:
        async with connection.transaction():
            for row in await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            ):
                await connection.execute(
                    f'ALTER TABLE "{row["tablename"]}" ADD COLUMN later_text text, ADD COLUMN later_count integer NOT NULL DEFAULT 0'
                )
            await connection.execute("CREATE TABLE later_table (id integer PRIMARY KEY)")
            await connection.execute("UPDATE alembic_version SET version_num = '9999'")
        assert await schema.state(connection, "public") is schema.SchemaState.AHEAD
    finally:
        await connection.close()


async def _restart(stack: Stack, name: str) -> tuple[float, float]:
    """End a service in good order and start it; give when that began and when it was ready again."""
    stack.held.add(name)
    began = time.time()
    code = await asyncio.to_thread(stack.services[name].end)
    assert code == 0, f"{name} ended with {code}: {stack.services[name].logged()[-2_000:]}"
    assert time.time() - began < DRAIN_S, name
    stack.release(name)
    await stack.until_ready(name)
    return began, time.time()


async def _version(stack: Stack, name: str) -> Any:
    async with stack.session.get(f"http://127.0.0.1:{stack.ports[name]}/live") as answer:
        return (await answer.json())["version"]


async def _watch(stack: Stack, seen: dict[UUID, float]) -> None:
    """Note when each article's row is there, until cancelled. The migration may end the question: it locks tables in another order."""
    async with stack.rows() as rows:
        while True:
            with suppress(asyncpg.DeadlockDetectedError):
                for row in await rows.fetch("SELECT article_id FROM story_members JOIN articles USING (article_id)"):
                    seen.setdefault(row["article_id"], time.time())
            await asyncio.sleep(WATCH_S)


def _late(
    discoveries: Iterable[Any], lines: Iterable[Mapping[str, Any]], seen: Mapping[UUID, float], restarts: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """Give the longest way from append to row of the articles that were on it while a service was restarted."""
    ids = {line["url"]: made_up.identity(line) for line in lines}
    appended = {ids[str(message.url)]: record.timestamp / 1000 for record in discoveries if (message := Discovery.from_bytes(record.value))}
    return {
        name: max((seen[article] - at for article, at in appended.items() if at < ready and seen[article] > began), default=0.0)
        for name, (began, ready) in restarts.items()
    }
