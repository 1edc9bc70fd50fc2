"""The real broker and database for tests, started when the first test asks for them and shared by the session.

How tests stay apart:
- **Database**: `postgres` gives each test an empty database of its own, `postgres_with_schema` one that is migrated. Nothing to clean.
- **Broker**: topics have fixed names. A test that writes to them takes `clean_topics`, which deletes and re-creates all of them
  (0.2 s), and uses group ids and transactional ids of its own (`unique`), since those outlive the topics. A test that needs a
  topic of its own creates it under a `unique` name.
- **Faults**: `broker_process` and `postgres_process` have `kill()` and `start()`; whoever kills starts again before the test ends.
Tests never use a broker or database that the environment names: they delete what they find.
"""

import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from deploy.local.kafka import Broker
from deploy.local.ports import free_ports
from deploy.local.postgres import ADMIN, ROLE, Server
from deploy.local.supervise import Watchdog
from shared.kafka import admin as kafka_admin


@pytest.fixture(scope="session")
def watchdog() -> Iterator[Watchdog]:
    """End what a killed test session has started."""
    watchdog = Watchdog()
    yield watchdog
    watchdog.close()


@pytest.fixture(scope="session")
def broker_process(tmp_path_factory: pytest.TempPathFactory, watchdog: Watchdog) -> Iterator[Broker]:
    """Give the session's broker, running; its logs stay in pytest's folder."""
    port, controller_port = free_ports(2)
    broker = Broker(tmp_path_factory.mktemp("kafka"), port, controller_port, watchdog)
    broker.prepare()
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
        shutil.rmtree(broker.folder / "data", ignore_errors=True)


@pytest.fixture
def broker(broker_process: Broker) -> str:
    """Give the session's bootstrap servers."""
    return broker_process.bootstrap_servers


@pytest.fixture
async def clean_topics(broker: str) -> str:
    """Delete and re-create every topic of the table; give the bootstrap servers."""
    async with kafka_admin.connected(broker) as admin:
        await kafka_admin.recreate(admin)
    return broker


@pytest.fixture(scope="session")
async def postgres_process(tmp_path_factory: pytest.TempPathFactory, watchdog: Watchdog) -> AsyncIterator[Server]:
    """Give the session's Postgres, running."""
    [port] = free_ports(1)
    server = Server(tmp_path_factory.mktemp("postgres"), port, watchdog, durable=False)
    server.prepare()
    try:
        await server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.data, ignore_errors=True)


@pytest.fixture
async def postgres(postgres_process: Server) -> AsyncIterator[str]:
    """Give the URL of an empty database of the test's own."""
    async with empty_database(postgres_process) as url:
        yield url


@pytest.fixture(scope="session")
async def schema_template(postgres_process: Server) -> AsyncIterator[str]:
    """Give the name of a migrated database to copy from, which is quicker than to migrate each test's."""
    from services.publish import schema  # here, since unit tests do without
    from services.publish.config import PublishSettings

    async with empty_database(postgres_process) as url:
        await schema.migrate(PublishSettings(database_url=url))
        yield url.rpartition("/")[2]


@pytest.fixture
async def postgres_with_schema(postgres_process: Server, schema_template: str) -> AsyncIterator[str]:
    """Give the URL of a migrated database of the test's own."""
    async with empty_database(postgres_process, schema_template) as url:
        yield url


@asynccontextmanager
async def empty_database(server: Server, template: str = "template0") -> AsyncIterator[str]:
    """Give the URL of a new database, which is dropped at the end."""
    name = f"test_{secrets.token_hex(6)}"
    await _execute(server, f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template}")
    try:
        yield server.url(name)
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(server: Server, statement: str) -> None:
    # A connection each time, since the test between may have killed the server.
    connection = await asyncpg.connect(server.url("postgres", ADMIN))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Make a name that no other test uses, for groups, transactional ids and topics."""
    return lambda name: f"{name}-{secrets.token_hex(4)}"
