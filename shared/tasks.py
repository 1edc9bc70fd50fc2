"""Ending tasks for sure."""

import asyncio
from collections.abc import Collection
from typing import Any

AGAIN_S = 1.0
"""How long a cancelled task may take to end before it is cancelled again."""


async def end_tasks(tasks: Collection["asyncio.Future[Any]"]) -> None:
    """Cancel tasks and wait until all have ended; those that are added meanwhile too. What they raise is dropped.

    A cancellation can be lost, so it is repeated: aiokafka's `stop` takes one that comes while it waits for its own tasks for theirs,
    and Python 3.11's `wait_for` drops one that comes together with the result.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()
