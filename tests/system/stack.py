"""All services as processes on the real broker and database, a supervisor that starts what ends, and how far they are."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.ports import LOOPBACK, free_ports
from services.publish.config import PublishSettings
from services.publish.connect import connect
from tests.processes import Service
from tests.topics import until

NAMES: Final = ("poll", "fetch", "enrich", "assign", "link", "materialise", "brief", "web")
QUICK: Final[Mapping[str, object]] = {
    "session_timeout_s": 6,
    "status_interval_s": 0.5,
    "brief_sweep_interval_s": 3,
    "link_interval_s": 0.5,
    "brief_text_wait_s": 2,
    "rate_per_client_s": 10_000,
    "rate_burst": 10_000,
}
"""Settings that let a test see soon what production sees in minutes."""
WATCH_S: Final = 0.2


@dataclass
class Ended:
    """A service that ended by itself."""

    name: str
    code: int


@dataclass
class Stack:
    """The services of one test."""

    broker: str
    database_url: str
    folder: Path
    names: tuple[str, ...] = NAMES
    services: dict[str, Service] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    session: aiohttp.ClientSession = field(init=False)

    def __post_init__(self) -> None:
        *health, self.web_port = free_ports(len(self.names) + 1)
        self.ports = dict(zip(self.names, health, strict=True))
        self.configure()

    def configure(self, **settings: object) -> None:
        """Set what differs from the settings of a quick stack; before the start."""
        for name in self.names:
            self.services[name] = Service(
                name,
                self.folder / f"{name}.log",
                kafka_bootstrap_servers=self.broker,
                database_url=self.database_url,
                health_port=self.ports[name],
                web_port=self.web_port,
                **{**QUICK, **settings},
            )

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{LOOPBACK}:{self.web_port}"

    # Processes

    async def supervise(self) -> None:
        """Start again what ends by itself, as any supervisor does, until cancelled."""
        while True:
            await asyncio.sleep(WATCH_S)
            for service in self.services.values():
                if service.name not in self.held and (code := service.ended) is not None:
                    self.ended.append(Ended(service.name, code))
                    service.kill()
                    service.start()

    async def hold(self, name: str) -> None:
        """End a service in good order, for as long as it is not released."""
        self.held.add(name)
        await asyncio.to_thread(self.services[name].end)

    def release(self, name: str) -> None:
        """Start a service that is held."""
        if name in self.held:
            self.services[name].start()
            self.held.remove(name)

    async def waits(self, name: str) -> dict[str, str] | None:
        """Give what a service says it waits for (empty: ready); None where it does not answer."""
        with suppress(aiohttp.ClientError, TimeoutError, ValueError):
            async with self.session.get(f"http://{LOOPBACK}:{self.ports[name]}/ready", timeout=aiohttp.ClientTimeout(total=3)) as answer:
                told: dict[str, str] = (await answer.json())["waits"]
                assert (answer.status == 200) == (not told)
                return told
        return None

    async def until_ready(self, *names: str, limit_s: float = 90) -> None:
        """Wait until services are ready."""
        for name in names or self.names:
            told: list[dict[str, str] | None] = [None]

            async def ready(name: str = name, told: list[dict[str, str] | None] = told) -> bool:
                told[0] = await self.waits(name)
                return told[0] == {}

            try:
                await until(ready, f"{name} ready", limit_s)
            except AssertionError as error:
                msg = f"{name} waits for {told[0]}\n{self.services[name].logged()[-3_000:]}"
                raise AssertionError(msg) from error

    async def until_not_ready(self, *names: str, limit_s: float = 40) -> None:
        """Wait until services say that they wait for something."""
        for name in names:

            async def waiting(name: str = name) -> bool:
                return bool(await self.waits(name))

            await until(waiting, f"{name} not ready", limit_s)

    async def run_command(self, *arguments: str | Path) -> tuple[int, str]:
        """Run `slugline ARGUMENTS` to its end; give its exit code and all it said."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "deploy.cli",
            *map(str, arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ
            | {
                "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS": self.broker,
                "SLUGLINE_DATABASE_URL": self.database_url,
                "NO_COLOR": "1",
                "COLUMNS": "200",
            },
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def replay(self, file: Path, *options: str) -> str:
        """Replay a file; give what the command said."""
        code, said = await self.run_command("ingest", "replay", file, *options)
        assert code == 0, said
        return said

    def logged(self, name: str, event: str) -> list[dict[str, Any]]:
        """Give a service's log lines of an event."""
        found = []
        for line in self.services[name].logged().splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and entry.get("event") == event:
                    found.append(entry)
        return found

    # Rows

    @asynccontextmanager
    async def rows(self) -> AsyncIterator[Any]:
        """Give a connection to the database, as services have one."""
        connection = await connect(PublishSettings(database_url=self.database_url), "test")
        try:
            yield connection
        finally:
            await connection.close()

    async def settled(self, article_ids: Iterable[UUID] = ()) -> str | None:
        """Say what is still on its way of these articles and of all that was told about any; None: nothing."""
        wanted = list(article_ids)
        async with self.rows() as rows:
            come = await rows.fetchval("SELECT count(*) FROM articles WHERE article_id = ANY ($1::uuid[])", wanted)
            if come < len(wanted):
                return f"{len(wanted) - come} of {len(wanted)} articles have no row"
            if behind := await rows.fetchval(_WITHOUT_STORY):
                return f"{behind} articles are not in a story in their latest version"
            stored = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in await rows.fetch(_STORED)}
            ends = await _ends(self.broker, stored)
            unread = sum(max(0, ends[tp] - offset) for tp, offset in stored.items())
            if unread or not stored:
                return f"{unread} records have no rows"
            if waiting := await rows.fetchval("SELECT count(*) FROM brief_queue"):
                return f"{waiting} briefs wait"
            if behind := await rows.fetchval(_WITHOUT_BRIEF):
                return f"{behind} stories have no brief of their revision"
        return None

    async def until_quiet(self, article_ids: Iterable[UUID] = (), limit_s: float = 90) -> None:
        """Wait as `until_settled`, then end what finds something new without any input: links between languages."""
        wanted = list(article_ids)
        await self.until_settled(wanted, limit_s)
        await self.hold("link")
        await self.until_settled(wanted, limit_s)

    async def until_settled(self, article_ids: Iterable[UUID] = (), limit_s: float = 90) -> None:
        """Wait until all articles are through the whole pipeline."""
        wanted = list(article_ids)
        told: list[str | None] = ["not looked yet"]

        async def through() -> bool:
            told[0] = await self.settled(wanted)
            return told[0] is None

        try:
            await until(through, "all settled", limit_s, interval_s=0.3)
        except AssertionError as error:
            msg = f"after {limit_s:g} s: {told[0]}; ended by themselves: {self.ended}"
            raise AssertionError(msg) from error


_WITHOUT_STORY: Final = """
SELECT count(*) FROM articles a LEFT JOIN story_members m USING (article_id)
WHERE m.version IS DISTINCT FROM a.version OR m.present IS DISTINCT FROM (a.status = 'published')
"""
_STORED: Final = "SELECT topic, partition, next_offset FROM consumed_offsets"
_WITHOUT_BRIEF: Final = """
SELECT count(*) FROM stories s LEFT JOIN story_briefs b USING (story_id) LEFT JOIN brief_failures f USING (story_id)
WHERE s.article_count > 0 AND f.story_id IS NULL AND b.story_revision IS DISTINCT FROM s.revision
"""


async def _ends(broker: str, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    async with AIOKafkaConsumer(bootstrap_servers=broker, group_id=None, isolation_level="read_committed") as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(list(tps))
        return ends


@asynccontextmanager
async def running(stack: Stack) -> AsyncIterator[Stack]:
    """Start all services with a supervisor, and give them once all are ready; at the end none of them is left."""
    async with aiohttp.ClientSession() as session:
        stack.session = session
        for service in stack.services.values():
            service.start()
        supervising = asyncio.create_task(stack.supervise())
        try:
            await stack.until_ready()
            yield stack
        finally:
            supervising.cancel()
            with suppress(asyncio.CancelledError):
                await supervising
            for service in stack.services.values():
                service.kill()
