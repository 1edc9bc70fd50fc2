"""The real broker and database, killed and started again."""

import asyncio

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local.kafka import Broker
from deploy.local.postgres import Server

pytestmark = [pytest.mark.stack, pytest.mark.faults]


async def test_a_killed_broker_comes_back_with_its_records(broker_process: Broker, clean_topics: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=clean_topics)
    await producer.start()
    await producer.send_and_wait("feeds.v1", b"before", key=b"key", partition=0)
    await producer.stop()
    broker_process.kill()
    await broker_process.start_async()
    consumer = AIOKafkaConsumer("feeds.v1", bootstrap_servers=clean_topics, auto_offset_reset="earliest")
    await consumer.start()
    try:
        assert (await asyncio.wait_for(consumer.getone(), 30)).value == b"before"
    finally:
        await consumer.stop()


async def test_a_killed_database_comes_back_with_its_rows(postgres_process: Server, postgres: str) -> None:
    connection = await asyncpg.connect(postgres)
    await connection.execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)")
    postgres_process.kill()
    await postgres_process.start()
    connection = await asyncpg.connect(postgres)
    try:
        assert await connection.fetchval("SELECT id FROM kept") == 7
    finally:
        await connection.close()


async def test_the_database_is_utf8_and_its_role_is_no_superuser(postgres: str) -> None:
    connection = await asyncpg.connect(postgres)
    try:
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SELECT lower('ÄÑЖ')") == "äñж"
        assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    finally:
        await connection.close()


async def test_a_wrong_password_is_refused(postgres: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres, password="guessed")
