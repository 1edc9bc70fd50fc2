"""A recorded web on a clock that the tests move by hand."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from deploy.recorded_web.content import Content, load
from deploy.recorded_web.edition import Edition
from deploy.recorded_web.play import Play
from deploy.recorded_web.serve import Running, running

START = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
PORT = 8081


class LoopbackNames(AbstractResolver):
    """Resolves NAME.localhost as RFC 6761 says, which the machine's resolver need not do."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        assert host.endswith(".localhost"), host
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@dataclass
class Clock:
    """Stands still until moved."""

    time: datetime = START

    def __call__(self) -> datetime:
        return self.time

    def to(self, second: float) -> None:
        self.time = START + timedelta(seconds=second)


@dataclass
class Web:
    """A running recorded web with a reader's client."""

    server: Running
    clock: Clock
    client: aiohttp.ClientSession
    answers: list[Any] = field(default_factory=list)

    @property
    def edition(self) -> Edition:
        return self.server.edition

    async def get(self, url: str, **options: Any) -> tuple[int, Any, bytes]:
        """Give status, headers and body; a path alone is asked of the plain host."""
        async with self.client.get(self.server.url + url if url.startswith("/") else url, **options) as response:
            return response.status, response.headers, await response.read()


Opened = Callable[..., Any]


@pytest.fixture(scope="session")
def content() -> Content:
    return load()


@pytest.fixture(scope="session")
def edition(content: Content) -> Edition:
    return Edition.prepare(content, Play(START), PORT)


@pytest.fixture
def opened(content: Content) -> Opened:
    @asynccontextmanager
    async def open_web(state_file: Path | None = None, **options: Any) -> AsyncIterator[Web]:
        clock = options.pop("clock", None) or Clock()
        async with (
            running(now=clock, content=content, drip_interval_s=0.01, state_file=state_file, **options) as server,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=LoopbackNames())) as client,
        ):
            yield Web(server, clock, client)

    return open_web


@pytest.fixture
async def web(opened: Opened) -> AsyncIterator[Web]:
    async with opened() as served:
        yield served
