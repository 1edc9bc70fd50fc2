"""The doctor on real services: each kind of fault is found, said with its remedy, and hides no other."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from deploy.cli import SERVICES
from deploy.doctor import broker as broker_part
from deploy.doctor import configuration, database, machine, transactions
from deploy.doctor.findings import Finding, Level, clocks, disk
from deploy.helm.generate import settings_of
from deploy.local.places import DataFolder
from deploy.local.postgres import ADMIN, Server
from services.publish import schema
from services.publish.config import PublishSettings
from shared.kafka import admin as kafka_admin
from shared.settings import Settings
from shared.topics import ALL, ARTICLES, DEAD_LETTERS, STORIES
from tests.topics import until

stack = pytest.mark.stack


def problems(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.level is Level.PROBLEM]


def only(findings: list[Finding]) -> Finding:
    [one] = problems(findings)
    return one


def seen(findings: list[Finding], words: str) -> Finding:
    found = [one for one in findings if words in one.what]
    assert found, [one.what for one in findings]
    return found[0]


# The broker


@stack
async def test_a_broker_that_is_as_it_should_be_has_no_problem(clean_topics: str) -> None:
    found = await broker_part.examine(Settings.load(kafka_bootstrap_servers=clean_topics))
    assert problems(found) == []
    assert seen(found, "clock").level is Level.WELL
    async with kafka_admin.connected(clean_topics) as admin:
        assert not [name for name in await admin.list_topics() if name.startswith("slugline-doctor-")]


@stack
async def test_a_topic_that_is_missing_or_set_otherwise_is_mended_by_apply(clean_topics: str) -> None:
    async with kafka_admin.connected(clean_topics) as admin:
        await admin.delete_topics([DEAD_LETTERS.name])
        await kafka_admin.apply(admin, [replace(STORIES, config=dict(STORIES.config) | {"cleanup.policy": "delete"})], replication=1)

        async def gone() -> bool:
            return DEAD_LETTERS.name not in await admin.list_topics()

        await until(gone, "the topic deleted")
    found = problems(await broker_part.examine(Settings.load(kafka_bootstrap_servers=clean_topics)))
    assert {(one.what, one.remedy) for one in found} == {
        ("topic dead_letters.v1: topic is missing, not present", "slugline topics apply"),
        ("topic stories.v1: cleanup.policy is delete, not compact", "slugline topics apply"),
    }


@stack
async def test_inputs_that_were_deleted_unread_are_told(clean_topics: str) -> None:
    tp = TopicPartition(ARTICLES.name, 0)
    async with AIOKafkaProducer(bootstrap_servers=clean_topics) as producer:
        for number in range(5):
            await producer.send_and_wait(ARTICLES.name, b"{}", key=str(number).encode(), partition=0)
    await commit(clean_topics, "slugline-enrich", {tp: 1, TopicPartition(ARTICLES.name, 1): 7})
    async with kafka_admin.connected(clean_topics) as admin:
        # Records of a compacted topic are deleted by retention only; a broker takes the request where the policy has delete, too.
        await admin.delete_records({tp: RecordsToDelete(before_offset=4)})
    found = problems(await broker_part.examine(Settings.load(kafka_bootstrap_servers=clean_topics)))
    assert "the next input of articles.v1[0] is 1, the oldest kept is 4" in seen(found, "[0]").what
    assert seen(found, "[0]").remedy.endswith("slugline offsets reset enrich --partition 0")
    assert "up to 7, but the topic ends at 0: it was made anew" in seen(found, "[1]").what


@stack
async def test_a_transaction_without_an_end_is_told(
    clean_topics: str, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds back every reader of its partition, while all else looks well."""
    monkeypatch.setattr(transactions, "OLD_S", 0.0)
    async with AIOKafkaProducer(bootstrap_servers=clean_topics, transactional_id=unique("open")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(ARTICLES.name, b"{}", key=b"1", partition=2)
        found = only(await broker_part.examine(Settings.load(kafka_bootstrap_servers=clean_topics)))
        assert found.what.startswith("articles.v1[2]: a transaction has been open for 0 min: nobody reads what lies behind offset 0.")
        assert "the next transaction of that service there ends it" in found.remedy
        await producer.commit_transaction()


async def commit(bootstrap: str, group: str, offsets: dict[TopicPartition, int]) -> None:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)


@stack
async def test_a_clock_that_is_wrong_is_told(clean_topics: str, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's clock is put back by 30 s for the doctor alone: the others' are then ahead."""
    now = time.time
    monkeypatch.setattr(broker_part.time, "time", lambda: now() - 30)
    one = only(await broker_part.examine(Settings.load(kafka_bootstrap_servers=clean_topics)))
    assert "the broker's clock is 30.0 s ahead of this machine's" in one.what
    assert "NTP" in one.remedy
    await schema.migrate(PublishSettings(database_url=postgres))
    there = only(await database.examine(settings_for(postgres, clean_topics)))
    assert "the database's clock is 30.0 s ahead" in there.what


async def test_a_broker_that_does_not_answer_is_one_finding(unused_tcp_port: int) -> None:
    one = only(await broker_part.examine(Settings.load(kafka_bootstrap_servers=f"127.0.0.1:{unused_tcp_port}")))
    assert one.what == f"no Kafka broker answers at 127.0.0.1:{unused_tcp_port}."
    assert "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS" in one.remedy


# The database


def settings_for(url: str, bootstrap: str = "127.0.0.1:1") -> PublishSettings:
    return PublishSettings.load(database_url=url, kafka_bootstrap_servers=bootstrap)


@pytest.fixture
async def migrated(postgres: str) -> AsyncIterator[tuple[str, asyncpg.Connection]]:
    await schema.migrate(PublishSettings(database_url=postgres))
    connection = await asyncpg.connect(postgres)
    yield postgres, connection
    await connection.close()


@stack
async def test_a_database_without_a_schema_is_told(postgres: str) -> None:
    one = only(await database.examine(settings_for(postgres)))
    assert (one.what, one.remedy) == ("it has no schema of ours", "slugline db migrate")


@stack
async def test_an_older_schema_is_a_problem_and_a_newer_one_a_warning(migrated: tuple[str, asyncpg.Connection]) -> None:
    url, connection = migrated
    assert problems(await database.examine(settings_for(url))) == []
    await connection.execute("UPDATE alembic_version SET version_num = '0001'")
    one = only(await database.examine(settings_for(url)))
    assert one.what == f"its schema is 0001, this version needs {schema.newest_version()}"
    assert one.remedy == "slugline db migrate"
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    found = await database.examine(settings_for(url))
    assert problems(found) == []
    assert seen(found, "9999").level is Level.WARNING


@stack
async def test_rows_that_the_topics_no_longer_lead_to_are_told(migrated: tuple[str, asyncpg.Connection], clean_topics: str) -> None:
    url, connection = migrated
    async with AIOKafkaProducer(bootstrap_servers=clean_topics) as producer:
        for number in range(3):
            await producer.send_and_wait(ARTICLES.name, b"{}", key=str(number).encode(), partition=0)
    async with kafka_admin.connected(clean_topics) as admin:
        await admin.delete_records({TopicPartition(ARTICLES.name, 0): RecordsToDelete(before_offset=2)})
    rows = [(ARTICLES.name, 0, 1, 0, 3), (ARTICLES.name, 1, 9, 0, 9), (ARTICLES.name, 2, 0, 0, 0)]
    await connection.executemany(
        "INSERT INTO consumed_offsets (topic, partition, next_offset, first_offset, end_offset) VALUES ($1, $2, $3, $4, $5)", rows
    )
    found = problems(await database.examine(settings_for(url, clean_topics)))
    assert {one.remedy for one in found} == {
        "go on behind them with: slugline db accept-gap articles.v1",
        "read everything anew with: slugline db resync",
    }


@stack
async def test_a_superuser_and_a_wrong_password_are_told(migrated: tuple[str, asyncpg.Connection], postgres_process: Server) -> None:
    url, _ = migrated
    found = await database.examine(settings_for(postgres_process.url(urlsplit(url).path[1:], ADMIN)))
    assert seen(found, "is a superuser").remedy.endswith("slugline db roles apply")
    password = str(urlsplit(url).password)
    one = only(await database.examine(settings_for(url.replace(password, "hush"))))
    assert one.what.startswith("the database refuses the password")
    assert "hush" not in one.what + one.remedy
    gone = only(await database.examine(settings_for(f"{url}_gone")))
    assert "does not exist" in gone.what


async def test_a_database_that_does_not_answer_is_one_finding(unused_tcp_port: int) -> None:
    one = only(await database.examine(settings_for(f"postgresql://someone:hush@127.0.0.1:{unused_tcp_port}/news")))
    assert one.what.startswith(f"127.0.0.1:{unused_tcp_port}/news does not answer")
    assert "hush" not in one.what


# Settings and the machine


def test_every_wrong_setting_is_told_with_who_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUGLINE_POLL_CONCURRENCY", "many")
    monkeypatch.setenv("SLUGLINE_LOG_LEVEL", "loud")
    found = configuration.examine(
        {name: lambda name=name: settings_of(name) for name in ("poll", "assign")},
        {"SLUGLINE_FETCH_TIRES": "3", "SLUGLINE_LOG_LEVEL": "loud"},
    )
    assert seen(found, "SLUGLINE_POLL_CONCURRENCY is 'many'").remedy.endswith("do not start: poll")
    assert seen(found, "SLUGLINE_LOG_LEVEL is 'loud'").remedy.endswith("do not start: poll, assign")
    misspelt = seen(found, "SLUGLINE_FETCH_TIRES is no setting")
    assert misspelt.level is Level.WARNING


def test_no_service_s_setting_is_taken_for_a_mistake() -> None:
    names = {f"SLUGLINE_{name.upper()}": "" for service in SERVICES for name in settings_of(service).model_fields}
    found = configuration.examine({name: lambda name=name: settings_of(name) for name in SERVICES}, names)
    assert not [one for one in found if one.level is Level.WARNING]


def test_a_clock_is_judged_by_what_is_sure() -> None:
    assert clocks("kafka", "the broker's", 0.4, 0.01).level is Level.WELL
    assert clocks("kafka", "the broker's", 3, 2.5).level is Level.WELL
    assert clocks("kafka", "the broker's", -3, 0.1).level is Level.WARNING
    assert clocks("kafka", "the broker's", 60, 0.1).level is Level.PROBLEM


def test_a_disk_is_judged_by_its_room() -> None:
    assert disk("machine", "/data", 50_000_000_000, 100_000_000_000).level is Level.WELL
    assert disk("machine", "/data", 9_000_000_000, 100_000_000_000).level is Level.WARNING
    full = disk("machine", "/data", 200_000_000, 100_000_000_000)
    assert (full.level, full.what) == (Level.PROBLEM, "/data: 0.2 GB of 100.0 GB are free")


async def test_a_state_file_that_others_may_read_is_told(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.state.write_text("{}")
    folder.state.chmod(0o644)
    assert seen(problems(await machine.examine(folder)), "may be read by others").remedy == f"chmod 600 {folder.state}"
    folder.state.chmod(0o600)
    assert problems(await machine.examine(folder)) == []


async def test_a_machine_without_java_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.java._candidates", lambda: iter(()))
    assert "install the runtime" in seen(await machine.examine(DataFolder(tmp_path)), "make run could not start here").remedy


# The command


@stack
async def test_the_command_tells_people_and_programs_and_exits_by_what_it_found(clean_topics: str, postgres: str, tmp_path: Path) -> None:
    environment = {"SLUGLINE_KAFKA_BOOTSTRAP_SERVERS": clean_topics, "SLUGLINE_DATABASE_URL": postgres, "SLUGLINE_DATA": str(tmp_path)}
    code, told = await doctor(environment, "--json")
    document = json.loads(told)
    assert code == 1
    assert not document["well"]
    assert [one["what"] for one in document["findings"] if one["level"] == "problem"] == ["it has no schema of ours"]
    await schema.migrate(PublishSettings(database_url=postgres))
    code, told = await doctor(environment)
    assert code == 0, told
    assert "0 problems" in told
    assert str(urlsplit(postgres).password) not in told
    assert f"{len(ALL)} topics" in told or "the cluster is one broker" in told


async def doctor(environment: dict[str, str], *options: str) -> tuple[int, str]:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "deploy.cli", "doctor", *options],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout
