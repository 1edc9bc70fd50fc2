"""Serve the web: `python -m services.publish.web`. SIGTERM and Ctrl-C drain and end it."""

import asyncio
import signal

import uvloop

from services.publish.web.app import run
from services.publish.web.config import WebSettings
from shared import logs


async def main() -> None:
    """Run until a signal."""
    settings = WebSettings.load()
    logs.configure(settings, service="web")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


if __name__ == "__main__":
    uvloop.run(main())
