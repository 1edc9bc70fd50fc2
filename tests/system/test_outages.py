"""The broker and the database may be away for a while: services say so, wait, and go on; nothing is lost."""

import asyncio
from pathlib import Path

import pytest

from deploy.local.kafka import Broker
from deploy.local.postgres import Server
from tests.system import made_up
from tests.system.checks import check_rows, check_topics, explain, read_all
from tests.system.stack import NAMES, Stack, running
from tests.topics import until

pytestmark = [pytest.mark.stack, pytest.mark.faults]

ON_THE_BROKER = ("poll", "fetch", "enrich", "assign", "link", "materialise", "brief")
ON_THE_DATABASE = ("materialise", "brief", "web")
LOG_LINES = 500


async def test_a_database_and_then_a_broker_that_are_away_for_a_while(
    stack: Stack, broker_process: Broker, postgres_process: Server, tmp_path: Path
) -> None:
    """Each service that needs what is away turns unready, says so once, and goes on by itself."""
    lines = made_up.lines(3, 120)
    parts = [made_up.write_lines(tmp_path / f"part-{part}.jsonl", lines[part::4]) for part in range(4)]
    wanted = [[made_up.identity(line) for line in lines[part::4]] for part in range(4)]
    async with running(stack):
        await stack.replay(parts[0])
        await stack.until_settled(wanted[0])

        postgres_process.kill()
        try:
            await stack.replay(parts[1])
            await stack.until_not_ready(*ON_THE_DATABASE)
            for name in set(NAMES) - set(ON_THE_DATABASE):
                assert await stack.waits(name) == {}, f"{name} does not need the database"
            await assigned(stack, len(wanted[0]) + len(wanted[1]))
            async with stack.session.get(f"{stack.url}/") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        finally:
            await postgres_process.start()
        await stack.until_ready()
        await stack.until_settled(wanted[0] + wanted[1])
        assert stack.ended == [], "none ends for a database that is away"
        for name in ON_THE_DATABASE:
            assert len(stack.logged(name, "database_unreachable")) == 1, name
            assert len(stack.logged(name, "database_answers")) == 1, name

        sending = asyncio.create_task(stack.replay(parts[2], "--rate", "20"))
        await under_way(stack, len(wanted[0]) + len(wanted[1]) + 5)
        broker_process.kill()
        try:
            await stack.until_not_ready(*ON_THE_BROKER)
            async with stack.session.get(f"{stack.url}/") as answer:
                assert answer.status == 200, "readers read on"
        finally:
            await broker_process.start_async()
        await stack.until_ready()
        await sending
        await stack.replay(parts[3])
        everything = [article_id for part in wanted for article_id in part]
        await stack.until_quiet(everything)
        for name in ON_THE_BROKER:
            lives = 1 + sum(ended.name == name for ended in stack.ended)
            assert 1 <= len(stack.logged(name, "broker_unreachable")) <= lives, name
            assert stack.logged(name, "broker_answers"), name
        for name in NAMES:
            assert len(stack.services[name].logged().splitlines()) < LOG_LINES, f"{name} fills the log"
        assert "web" not in {ended.name for ended in stack.ended}
        told = await read_all(stack.broker)
        assert explain(told.letters) == []
        check_topics(told, everything)
        async with stack.rows() as rows:
            await check_rows(told, rows)


async def assigned(stack: Stack, articles: int) -> None:
    """Wait until so many articles are members of stories, by the topics alone."""

    async def there() -> bool:
        return len((await read_all(stack.broker)).members) >= articles

    await until(there, f"{articles} members")


async def under_way(stack: Stack, articles: int) -> None:
    """Wait until so many articles have come as far as their topic."""

    async def there() -> bool:
        return len((await read_all(stack.broker)).articles) >= articles

    await until(there, f"{articles} articles")
