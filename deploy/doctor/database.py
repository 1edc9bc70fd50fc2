"""The database: whether it answers, its schema, this user's rights, how far the rows are, its clock."""

import time
from typing import Final
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.doctor.broker import is_here
from deploy.doctor.findings import Finding, clocks, problem, told, warning, well
from services.publish import schema
from services.publish.config import PublishSettings
from services.publish.connect import Connection, connect, is_away
from services.publish.materialise import tables
from services.publish.schema import SchemaState
from shared.errors import SluglineError
from shared.kafka.client import client_options, start_client

AREA: Final = "database"
BUSY_SHARE: Final = 0.8
_ABOUT: Final = """
SELECT current_user AS role, rolsuper AS is_superuser, current_setting('server_version') AS version,
    (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS over_tls,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS most,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS open
FROM pg_roles WHERE rolname = current_user
"""
_RIGHTS: Final = """
SELECT t.name FROM unnest($1::text[]) AS t (name)
WHERE to_regclass(t.name) IS NOT NULL AND NOT has_table_privilege(t.name, 'INSERT, UPDATE, DELETE')
"""


async def examine(settings: PublishSettings) -> list[Finding]:
    """Look at all of it; a database that does not answer is one finding."""
    try:
        connection = await connect(settings, "doctor")
    except SluglineError as error:
        return [told(AREA, error)]
    except asyncpg.InvalidCatalogNameError as error:
        return [problem(AREA, str(error), "create it, or correct the name in SLUGLINE_DATABASE_URL")]
    except Exception as error:
        if not is_away(error):
            raise
        return [problem(AREA, f"{_where(settings)} does not answer: {error}", "start it, or correct SLUGLINE_DATABASE_URL")]
    try:
        return await _look(connection, settings)
    except asyncpg.InsufficientPrivilegeError as error:
        return [problem(AREA, f"this user may not look: {error}", "run it as the writer or the owner: slugline db roles show")]
    finally:
        await connection.close()


async def _look(connection: Connection, settings: PublishSettings) -> list[Finding]:
    findings = [*await _about(connection, settings), await _clock(connection)]
    state = await schema.state(connection, settings.database_schema)
    findings.append(_schema(state, await schema.stored_version(connection, settings.database_schema)))
    if state in (SchemaState.CURRENT, SchemaState.AHEAD):
        findings += [*await _rights(connection), *await _rows(connection, settings)]
    return findings


async def _about(connection: Connection, settings: PublishSettings) -> list[Finding]:
    row = await connection.fetchrow(_ABOUT)
    assert row is not None
    findings = [well(AREA, f"{_where(settings)} answers: Postgres {row['version']}, as {row['role']}")]
    if not row["over_tls"] and not is_here(urlsplit(settings.database_url).hostname or "localhost"):
        findings.append(
            warning(
                AREA,
                "the connection has no TLS: rows and the password's exchange can be seen on the way",
                "fine within a closed network (compose); else add ?sslmode=verify-full&sslrootcert=… to SLUGLINE_DATABASE_URL",
            )
        )
    if row["is_superuser"]:
        findings.append(
            warning(AREA, f"{row['role']} is a superuser", "let services connect with the rights they need: slugline db roles apply")
        )
    if row["open"] > row["most"] * BUSY_SHARE:
        findings.append(
            warning(
                AREA,
                f"{row['open']} of {row['most']} connections are open",
                "raise the server's max_connections, or lower SLUGLINE_DATABASE_POOL_SIZE",
            )
        )
    return findings


async def _clock(connection: Connection) -> Finding:
    await connection.fetchval("SELECT 1")
    before = time.time()
    there = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    after = time.time()
    return clocks(AREA, "the database's", there - (before + after) / 2, (after - before) / 2)


def _schema(state: SchemaState, version: str | None) -> Finding:
    match state:
        case SchemaState.CURRENT:
            return well(AREA, f"its schema is {version}, as this version needs")
        case SchemaState.AHEAD:
            return warning(
                AREA,
                f"its schema is {version}, of a later version than this one, which knows {schema.newest_version()}",
                "this version works with it; finish the upgrade",
            )
        case SchemaState.BEHIND:
            return problem(AREA, f"its schema is {version}, this version needs {schema.newest_version()}", "slugline db migrate")
        case SchemaState.ABSENT:
            return problem(AREA, "it has no schema of ours", "slugline db migrate")


async def _rights(connection: Connection) -> list[Finding]:
    missing = [row["name"] for row in await connection.fetch(_RIGHTS, [table.name for table in tables.ALL])]
    if missing:
        return [
            warning(
                AREA,
                f"this user may not write {', '.join(missing)}",
                "right for the web's role and for readers; for materialise and brief use the writer: slugline db roles show",
            )
        ]
    return [well(AREA, "this user may read and write the rows")]


async def _rows(connection: Connection, settings: PublishSettings) -> list[Finding]:
    """Compare where the rows stand with what the topics still hold."""
    stored = {
        TopicPartition(row["topic"], row["partition"]): row["next_offset"]
        for row in await connection.fetch("SELECT topic, partition, next_offset FROM consumed_offsets")
    }
    if not stored:
        return [well(AREA, "no rows come from the topics yet")]
    try:
        consumer = await start_client(
            lambda: AIOKafkaConsumer(**client_options(settings), group_id=None, enable_auto_commit=False), give_up_s=5
        )
    except SluglineError:
        return []  # told by the broker's part
    try:
        begins, ends = await consumer.beginning_offsets(list(stored)), await consumer.end_offsets(list(stored))
    finally:
        await consumer.stop()
    findings = [
        problem(
            AREA,
            f"materialise comes next to {tp.topic}[{tp.partition}] at {at}, the oldest kept is {begins[tp]}: records are gone",
            f"go on behind them with: slugline db accept-gap {tp.topic}",
        )
        for tp, at in stored.items()
        if at < begins[tp]
    ] + [
        problem(
            AREA,
            f"the rows hold {tp.topic}[{tp.partition}] up to {at}, but the topic ends at {ends[tp]}: it was made anew",
            "read everything anew with: slugline db resync",
        )
        for tp, at in stored.items()
        if at > ends[tp]
    ]
    behind = sum(max(0, ends[tp] - at) for tp, at in stored.items())
    return findings or [well(AREA, f"the rows are {behind:,} records behind the topics")]


def _where(settings: PublishSettings) -> str:
    parts = urlsplit(settings.database_url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
