"""A machine's clock that is set wrong closes no story for good."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from services.cluster.assign import app
from services.cluster.config import AssignSettings
from shared.clock import WatchedClock
from shared.contracts import StoryInput
from shared.kafka.decision import Decision

YEAR_S = 365 * 86_400


class Clocks:
    """A wall clock that a test sets, and one that only passes."""

    def __init__(self) -> None:
        self.wall_s = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
        self.boot_s = 1_000.0

    def watched(self) -> WatchedClock:
        return WatchedClock(lambda: self.wall_s, lambda: self.boot_s)

    def pass_by(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds


def test_time_that_passes_is_no_jump_even_asleep() -> None:
    clocks = Clocks()
    watched = clocks.watched()
    clocks.pass_by(30 * 86_400)
    assert watched.jumped_s() == pytest.approx(0)
    clocks.wall_s += 90
    assert watched.jumped_s() == pytest.approx(90)
    assert WatchedClock().jumped_s() == pytest.approx(0, abs=1)


async def test_a_clock_put_forward_strikes_no_more_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks, struck, told = Clocks(), [], []
    monkeypatch.setattr(app.log, "error", lambda event, **fields: told.append((event, fields)))
    logic = app.ClockedAssign(0, AssignSettings(clock_interval_s=0.001), clocks.watched())

    async def submit(decide: Callable[[], Decision]) -> None:
        value = decide().outputs[0].value
        assert isinstance(value, StoryInput)
        assert value.clock is not None
        struck.append(value.clock.at.timestamp())

    async def turns(count: int) -> None:
        """Let the loop go round so often, whether it strikes or not."""
        for _ in range(count):
            await asyncio.sleep(0.002)

    acting = asyncio.create_task(logic.act(submit))
    try:
        async with asyncio.timeout(10):
            while not struck:
                await turns(1)
            clocks.wall_s += YEAR_S
            while not told:
                await turns(1)
            before = len(struck)
            await turns(10)
            assert len(struck) == before
            assert max(struck) < clocks.wall_s - YEAR_S + 1
            assert len(told) == 1
            [(event, fields)] = told
            assert (event, fields["seconds"]) == ("clock_jumped", YEAR_S)
            assert "NTP" in fields["then"]
            clocks.wall_s -= YEAR_S
            while len(struck) == before:
                await turns(1)
    finally:
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
