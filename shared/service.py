"""Running a service as a process: logs, signals, and an ending that says why."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop

from shared import logs, traces
from shared.errors import SluglineError, meant
from shared.loop import Loop
from shared.refusals import explain
from shared.settings import Settings

EXIT_FAILED = 1
DRAIN_LIMIT_S = 10.0
"""After SIGTERM a service finishes what is in flight; past this it ends anyway, which loses nothing."""

S = TypeVar("S", bound=Settings)


def main(name: str, settings: S, run: Callable[[S, asyncio.Event], Awaitable[None]]) -> None:
    """Run a service until SIGTERM or SIGINT. Exits with 1, and one log line that says why, when it can't go on."""
    logs.configure(settings, service=name)
    traces.configure(settings, service=name)
    code = uvloop.run(_main(name, settings, run), loop_factory=Loop)
    traces.stop()
    sys.exit(code)


async def _main(name: str, settings: S, run: Callable[[S, asyncio.Event], Awaitable[None]]) -> int:
    log = logs.get_logger()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.ensure_future(run(settings, stop))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not work.done():
        log.info("service_drains", limit_s=DRAIN_LIMIT_S)
        await asyncio.wait([work], timeout=DRAIN_LIMIT_S)
        if not work.done():
            log.warning("service_did_not_drain", limit_s=DRAIN_LIMIT_S, then="ends; what was in flight is done again at the next start")
            return EXIT_FAILED
    try:
        await work
    except Exception as error:
        if isinstance(told := explain(error) or meant(error), SluglineError):
            log.error("service_failed", service=name, kind=type(told).__name__, error=str(told))  # noqa: TRY400 - the message says it all
        else:
            log.exception("service_failed", service=name, kind="internal_error")
        return EXIT_FAILED
    log.info("service_stopped")
    return 0
