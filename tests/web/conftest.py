"""A web service on the real database, and a newsroom that writes stories into it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import hypothesis
import pytest

from deploy.local.ports import free_ports
from services.publish.connect import connect
from services.publish.web import app
from services.publish.web.config import WebSettings
from tests.web.newsroom import Newsroom

# A machine that does much else at the time makes an example slow, not wrong.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"


@dataclass
class Web:
    """A running web service."""

    url: str
    settings: WebSettings
    session: aiohttp.ClientSession
    stop: asyncio.Event

    async def get(self, path: str, **more: Any) -> tuple[int, str, Any]:
        """Give status, text and headers, without following redirects."""
        async with self.session.get(self.url + path, allow_redirects=False, **more) as answer:
            return answer.status, await answer.text(), answer.headers

    async def json(self, path: str, **more: Any) -> Any:
        """Give a 200 answer's JSON."""
        async with self.session.get(self.url + path, **more) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


async def until(condition: Callable[[], Awaitable[Any]], limit_s: float = 15) -> Any:
    """Wait until a condition gives something true, and give that."""
    async with asyncio.timeout(limit_s):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found


@pytest.fixture
async def settings(postgres_with_schema: str) -> WebSettings:
    """Give settings of a web service with an empty, migrated database of the test's own."""
    [port] = free_ports(1)
    return WebSettings(database_url=postgres_with_schema, web_port=port, rate_per_client_s=10_000, rate_burst=10_000, stream_poll_s=0.5)


@asynccontextmanager
async def serving(settings: WebSettings, *, wait_for: str = "/ready") -> AsyncIterator[Web]:
    """Run a web service until the block ends."""
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(settings, stop))
    url = f"http://127.0.0.1:{settings.web_port}"
    async with aiohttp.ClientSession() as session:
        web = Web(url, settings, session, stop)

        async def answers() -> bool:
            if running.done():
                running.result()
            try:
                return (await web.get(wait_for))[0] == 200
            except aiohttp.ClientConnectionError:
                return False

        try:
            await until(answers)
            yield web
        finally:
            stop.set()
            async with asyncio.timeout(20):
                await running


@pytest.fixture
async def web(settings: WebSettings) -> AsyncIterator[Web]:
    """Give a running web service."""
    async with serving(settings) as web:
        yield web


@pytest.fixture
async def newsroom(settings: WebSettings) -> AsyncIterator[Newsroom]:
    """Give a newsroom on the same database."""
    connection = await connect(settings, "newsroom")
    yield Newsroom(connection)
    await connection.close()
