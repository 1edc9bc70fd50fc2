"""A full disk, for real: a small file system below the database and below a broker. What was taken stays; room brings the rest."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from deploy.local.kafka import Broker
from deploy.local.ports import free_ports
from deploy.local.postgres import Server
from deploy.local.supervise import Watchdog
from services.publish import schema
from services.publish.config import PublishSettings
from shared.contracts import Article
from shared.kafka import admin as kafka_admin
from shared.topics import ARTICLES
from tests.processes import Service, running
from tests.publish.made_up import article
from tests.publish.stack import put
from tests.topics import read_records, until

pytestmark = [pytest.mark.stack, pytest.mark.faults]
MEGABYTE = 1_000_000
BEFORE_IT_IS_FULL = 5


class SmallDisk:
    """A file system of its own in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, but_for: int) -> None:
        free = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
        with self._ballast.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, max(1, free - but_for))

    def make_room(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=190m,mode=755", "slugline-test", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a file system can't be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.asynccontextmanager
async def small_postgres(disk: SmallDisk, watchdog: Watchdog) -> AsyncIterator[Server]:
    [port] = free_ports(1)
    server = Server(disk.folder / "postgres", port, watchdog, durable=False)
    server.prepare()
    try:
        await server.start()
        yield server
    finally:
        server.kill()


async def test_rows_wait_for_room_and_none_is_lost(clean_topics: str, small_disk: SmallDisk, watchdog: Watchdog, tmp_path: Path) -> None:
    async with small_postgres(small_disk, watchdog) as server:
        await schema.migrate(PublishSettings(database_url=server.url()))
        worker = Service("materialise", tmp_path / "log", kafka_bootstrap_servers=clean_topics, database_url=server.url())
        texts = [os.urandom(60_000).hex(" ", 40) for _ in range(120)]  # 15 MB that hardly compress
        with running(worker):
            await put(clean_topics, *(made(number, text) for number, text in enumerate(texts[:10])))
            await until(lambda: holds(server, 10), "the first articles in rows")
            small_disk.fill(but_for=4 * MEGABYTE)
            await put(clean_topics, *(made(number, text) for number, text in enumerate(texts[10:], 10)))

            async def waits() -> bool:
                return "database_unreachable" in worker.logged()

            await until(waits, "the full disk told")
            assert worker.alive, worker.logged()[-2_000:]
            assert "No space left on device" in worker.logged() + server.log.read_text(), worker.logged()[-2_000:]
            small_disk.make_room()

            async def all_are_held() -> bool:
                # Without room for its log the server ends, now or a moment later; a supervisor starts it again.
                if not server_lives(server):
                    await server.start()
                return await holds(server, len(texts))

            await until(all_are_held, "all articles in rows")


def made(number: int, text: str) -> Article:
    return article(f"article {number}", text=text)


def server_lives(server: Server) -> bool:
    return server.child is not None and server.child.returncode() is None


async def holds(server: Server, count: int) -> bool:
    try:
        connection = await asyncpg.connect(server.url(), timeout=3)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    try:
        return await connection.fetchval("SELECT count(*) FROM articles") == count
    finally:
        await connection.close()


async def test_a_broker_without_room_loses_nothing_that_it_took(small_disk: SmallDisk, watchdog: Watchdog) -> None:
    port, controller_port = free_ports(2)
    broker = Broker(small_disk.folder / "kafka", port, controller_port, watchdog)
    broker.prepare()
    try:
        await broker.start_async()
        async with kafka_admin.connected(broker.bootstrap_servers) as admin:
            await kafka_admin.apply(admin, [ARTICLES], replication=1)
        taken = await send_until_refused(broker, small_disk)
        broker.kill()  # it has ended by itself, or soon will
        small_disk.make_room()
        await broker.start_async()
        kept = {record.value[:36] for record in await read_records(broker.bootstrap_servers, ARTICLES)}
        assert len(taken) >= BEFORE_IT_IS_FULL
        assert set(taken) <= kept
    finally:
        broker.kill()


async def send_until_refused(broker: Broker, disk: SmallDisk) -> list[bytes]:
    """Send large records, fill the disk, and go on until the broker takes no more; gives the ids of those that it acknowledged."""
    taken: list[bytes] = []
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all", request_timeout_ms=5_000)
    await producer.start()
    try:
        async with asyncio.timeout(60):
            while True:
                name = str(uuid4()).encode()
                await producer.send_and_wait(ARTICLES.name, name + os.urandom(200_000), key=name, partition=0)
                taken.append(name)
                if len(taken) == BEFORE_IT_IS_FULL:
                    disk.fill(but_for=MEGABYTE)
    except (KafkaError, OSError):
        return taken
    finally:
        with contextlib.suppress(KafkaError, TimeoutError, OSError):
            await asyncio.wait_for(producer.stop(), timeout=5)
