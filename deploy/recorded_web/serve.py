"""The server: one aiohttp process for all outlets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from deploy.recorded_web.content import Content, load
from deploy.recorded_web.edition import Edition
from deploy.recorded_web.play import PlayState, begin_or_go_on
from deploy.recorded_web.routes import application
from shared.errors import InvalidSetting
from shared.logs import get_logger

SHUTDOWN_TIMEOUT_S = 1.0
"""How long open answers may take to end when the server stops; the page that never ends needs a limit."""


def utc_now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    edition: Edition
    host: str
    port: int

    @property
    def url(self) -> str:
        """Give the address of the index page."""
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def running(
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    state_file: Path | None = None,
    speed: float | None = None,
    now: Callable[[], datetime] = utc_now,
    content: Content | None = None,
    drip_interval_s: float = 1.0,
) -> AsyncIterator[Running]:
    """Serve while the context is open.

    `port` None is the earlier play's port, or a free one; so is 0. Without a `state_file` the play is forgotten at the end.
    `now` is the clock. Raises `InvalidContent`, and `InvalidSetting` for a state, port or speed that can't be used.
    """
    earlier = PlayState.load(state_file) if state_file is not None else None
    wanted = port or (earlier.port if earlier is not None else 0)
    checked = content if content is not None else load()
    listener = _listen(host, wanted)
    bound: int = listener.getsockname()[1]
    state = begin_or_go_on(earlier, now=now(), port=bound, speed=speed)
    edition = Edition.prepare(checked, state.play, bound)
    if state_file is not None and state != earlier:
        state.save(state_file)
    runner = web.AppRunner(application(edition, now, drip_interval_s=drip_interval_s), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield Running(edition, host, bound)
    finally:
        await runner.cleanup()


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        msg = f"port: the recorded web can't listen on {host}:{port}: {error.strerror}; choose another by --port"
        raise InvalidSetting(msg) from error
    return listener


async def serve(
    *, host: str, port: int | None, state_file: Path | None, speed: float | None, stop: asyncio.Event, now: Callable[[], datetime] = utc_now
) -> None:
    """Serve until `stop` is set. Raises as `running` does."""
    async with running(host=host, port=port, state_file=state_file, speed=speed, now=now) as server:
        get_logger().info(
            "recorded_web_serving",
            url=server.url,
            began_at=server.edition.play.epoch.isoformat(),
            speed=server.edition.play.speed,
            outlets=len(server.edition.content.outlets),
        )
        await stop.wait()
