"""Where a stage stands, and setting it anew: not under a running process, not outside the topic, and with its cost said before."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from shared.errors import SluglineError
from shared.kafka import offsets
from shared.kafka.decision import Output
from shared.settings import Settings
from shared.topics import ARTICLES, STORY_INPUTS
from tests.processes import Service, running
from tests.topics import until, write

pytestmark = pytest.mark.stack


async def test_a_stage_is_not_reset_while_a_process_of_it_runs(clean_topics: str, tmp_path: Path, unique: Callable[[str], str]) -> None:
    settings = Settings(kafka_bootstrap_servers=clean_topics)
    stage = offsets.STAGES["assign"]
    await write(clean_topics, [Output(STORY_INPUTS, unique("key"), None, 0) for _ in range(5)])
    assign = Service("assign", tmp_path / "assign.log", kafka_bootstrap_servers=clean_topics, session_timeout_s=6, clock_interval_s=100_000)
    with running(assign):

        async def handled() -> bool:
            return (await offsets.show(settings, stage))[0].next_offset == 5

        await until(handled, "five inputs")
        with pytest.raises(SluglineError, match="a process of assign runs"):
            await offsets.reset(settings, stage, [0], "earliest")
        await asyncio.to_thread(assign.end)
    [standing, *_] = await offsets.show(settings, stage)
    assert (offsets.passed_over(standing, "earliest"), offsets.passed_over(standing, "latest"), offsets.passed_over(standing, "3")) == (
        -5,
        0,
        -2,
    )
    with pytest.raises(SluglineError, match="holds offsets 0 to 5, not 6"):
        await offsets.reset(settings, stage, [0], "6")
    assert await offsets.reset(settings, stage, [0], "3") == [(0, 3)]
    assert (await offsets.show(settings, stage))[0].next_offset == 3
    again = Service("assign", tmp_path / "again.log", kafka_bootstrap_servers=clean_topics, session_timeout_s=6, clock_interval_s=100_000)
    with running(again):

        async def read_on() -> bool:
            return (await offsets.show(settings, stage))[0].next_offset == 5

        await until(read_on, "the inputs behind the new offset")


async def test_a_group_of_plain_consumers_is_guarded_too(clean_topics: str) -> None:
    settings = Settings(kafka_bootstrap_servers=clean_topics)
    stage = offsets.STAGES["enrich"]
    await write(clean_topics, [Output(ARTICLES, "00000000-0000-5000-8000-000000000001", None, 0)])
    async with AIOKafkaConsumer(ARTICLES.name, bootstrap_servers=clean_topics, group_id=stage.group) as consumer:
        await consumer.getmany(timeout_ms=200)
        with pytest.raises(SluglineError, match="enrich run"):
            await offsets.reset(settings, stage, [0], "latest")
    assert await offsets.reset(settings, stage, [0], "latest") == [(0, 1)]
