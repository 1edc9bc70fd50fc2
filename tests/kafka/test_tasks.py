"""Tasks end, even those that lose a cancellation."""

import asyncio
import contextlib

import pytest

from shared import tasks


async def test_a_task_that_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does that is cancelled while aiokafka's `stop` waits for a task of its own. What it starts meanwhile ends too."""
    monkeypatch.setattr(tasks, "AGAIN_S", 0.01)
    running: list[asyncio.Future[None]] = []
    begun = asyncio.Event()

    async def live() -> None:
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        running.append(asyncio.ensure_future(asyncio.sleep(3_600)))
        await asyncio.Event().wait()

    async def fail() -> None:
        msg = "dropped"
        raise RuntimeError(msg)

    running += [asyncio.ensure_future(live()), asyncio.ensure_future(fail())]
    await begun.wait()
    async with asyncio.timeout(10):
        await tasks.end_tasks(running)
    assert len(running) == 3
    assert all(task.done() for task in running)
