"""Any service may be killed -9 at any moment: nothing is lost, nothing doubled, and rows say what topics say."""

import asyncio
import os
import random
from contextlib import suppress
from pathlib import Path

import pytest

from tests.system import made_up
from tests.system.checks import check_rows, check_topics, explain, read_all
from tests.system.recorded import FETCHING, recorded_web
from tests.system.stack import NAMES, Stack, running

pytestmark = [pytest.mark.stack, pytest.mark.faults]

SEED = 11
ARTICLES = 220
RATE = 8
PLAYED_TO_S = {0: 0, 3: 30, 6: 80, 10: 140}
"""How far the recorded web is when a turn begins: before an outlet withdraws an article that may not have been seen."""
VICTIMS = NAMES


def plan(chance: random.Random, turns: int) -> list[tuple[str, float, float, bool]]:
    """Choose who is killed, how long after the one before, how long it stays away, and whether its children are left to notice."""
    victims = [name for _ in range(turns) for name in chance.sample(VICTIMS, len(VICTIMS))]
    return [(name, chance.uniform(0.5, 2.2), chance.choice((0.0, 0.0, 1.5)), chance.random() < 0.5) for name in victims]


async def test_killing_any_service_at_any_moment_loses_and_doubles_nothing(stack: Stack, tmp_path: Path) -> None:
    """Sixteen kills while feeds, pages and replayed articles flow, each service twice; what a kill leaves behind ends by itself."""
    lines = made_up.lines(SEED, ARTICLES)
    file = made_up.write_lines(tmp_path / "news.jsonl", lines)
    groups: list[int] = []
    stack.configure(**FETCHING)
    async with recorded_web(stack.broker, tmp_path) as web, running(stack):
        replaying = asyncio.create_task(stack.replay(file, "--rate", str(RATE)))
        for turn, (name, after_s, away_s, alone) in enumerate(plan(random.Random(SEED), 2)):
            if turn in PLAYED_TO_S:
                await web.play_to(PLAYED_TO_S[turn])
            await asyncio.sleep(after_s)
            service = stack.services[name]
            groups.append(service.pid)
            service.kill(alone=alone)
            await asyncio.sleep(away_s)
            service.start()
        assert f"{ARTICLES} articles accepted" in await replaying
        wanted = [*(made_up.identity(line) for line in lines), *web.ids(web.clock.position_s)]
        await stack.until_ready()
        await stack.until_quiet(wanted)
        told = await read_all(stack.broker)
        assert explain(told.letters) == []
        check_topics(told, wanted)
        async with stack.rows() as rows:
            await check_rows(told, rows)
        assert [pid for pid in groups if _lives(pid)] == [], "children of killed services have ended by themselves"


def _lives(group: int) -> bool:
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False
