"""What an operator does to the rows: read everything anew, accept a hole, prune history, let others read."""

from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.publish.connect import Connection
from services.publish.materialise import tables
from services.publish.materialise.entries import ENTRIES_LOCK
from services.publish.materialise.write import BRIEFS_CHANNEL
from shared.errors import Refused, Unauthorised
from shared.kafka.client import client_options, start_client
from shared.settings import Settings
from shared.topics import Topic

VIEWS: Final = (
    "top_headlines",
    "feed_stories",
    "story_sources",
    "story_sentences",
    "story_history",
    "article_index",
    "freshness_by_language",
    "freshness_by_feed",
    "pipeline_positions",
)
"""The interface for readers by SQL; tables are not."""

_DERIVED: Final = ("consumed_offsets", "feed_entries", "brief_queue", "brief_failures", "search_words", "doubted_words")
_GAP: Final = """
UPDATE consumed_offsets c SET next_offset = n.begin, first_offset = n.begin
FROM unnest($1::integer[], $2::bigint[]) AS n (partition, begin)
WHERE c.topic = $3 AND c.partition = n.partition AND c.next_offset < n.begin
RETURNING c.partition
"""
_PRUNE: Final = "DELETE FROM story_updates WHERE appended_at < now() - make_interval(days => $1)"
RAISE_FLOOR: Final = """
UPDATE consumed_offsets c
SET first_offset = greatest(c.first_offset, coalesce(
    (SELECT u.source_offset FROM story_updates u WHERE u.source_partition = c.partition ORDER BY u.source_offset LIMIT 1), c.next_offset))
WHERE c.topic = 'story_updates.v1'
"""


async def resync(connection: Connection) -> None:
    """Delete all rows that come from topics, so that the materialiser reads everything anew; what readers and operators wrote stays.

    A materialiser that runs meanwhile notices and begins anew.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", ENTRIES_LOCK)
        await connection.execute(f"TRUNCATE {', '.join([*(table.name for table in tables.ALL), *_DERIVED])}")


async def accept_gap(connection: Connection, settings: Settings, topic: Topic) -> list[int]:
    """Go on behind records that were deleted before they were read, and give the partitions concerned."""
    if topic.name not in tables.BY_TOPIC:
        raise Refused("topic_not_materialised", f"{topic.name} fills no rows; those that do are {', '.join(tables.BY_TOPIC)}")
    consumer = await start_client(
        lambda: AIOKafkaConsumer(**client_options(settings), group_id=None, enable_auto_commit=False), give_up_s=10
    )
    try:
        begins = await consumer.beginning_offsets([TopicPartition(topic.name, partition) for partition in range(topic.partitions)])
    finally:
        await consumer.stop()
    rows = await connection.fetch(_GAP, [tp.partition for tp in begins], list(begins.values()), topic.name)
    return sorted(row["partition"] for row in rows)


async def prune_history(connection: Connection, days: int) -> int:
    """Delete history older than so many days, and give how many revisions; streams that reach behind it get a reset."""
    async with connection.transaction():
        status = await connection.execute(_PRUNE, days)
        await connection.execute(RAISE_FLOOR)
    return int(status.rpartition(" ")[2])


async def retry_briefs(connection: Connection) -> int:
    """Put the stories whose briefs could not be made on the queue again, and give how many."""
    async with connection.transaction():
        status = await connection.execute(
            "WITH failed AS (DELETE FROM brief_failures RETURNING story_id) INSERT INTO brief_queue (story_id) SELECT story_id FROM failed"
        )
        await connection.execute("SELECT pg_notify($1, '')", BRIEFS_CHANNEL)
    return int(status.rpartition(" ")[2])


async def grant_reader(connection: Connection, role: str, schema: str) -> None:
    """Let a role read the views and nothing else, making it (without a password) where there is none. Raises `Unauthorised`."""
    quoted = await connection.fetchval("SELECT quote_ident($1)", role)
    home = await connection.fetchval("SELECT quote_ident($1)", schema)
    try:
        async with connection.transaction():
            if not await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"CREATE ROLE {quoted} LOGIN")
            await connection.execute(f"ALTER ROLE {quoted} SET default_transaction_read_only = on")
            await connection.execute(f"ALTER ROLE {quoted} SET statement_timeout = '60s'")
            await connection.execute(f"ALTER ROLE {quoted} SET search_path = {home}, public")
            await connection.execute(f"GRANT USAGE ON SCHEMA {home} TO {quoted}")
            await connection.execute(f"GRANT SELECT ON {', '.join(f'{home}.{view}' for view in VIEWS)} TO {quoted}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise Unauthorised(
            f"this database user may not make roles and let them read: {error.args[0]}. Give this command with SLUGLINE_DATABASE_URL "
            "of a superuser (for the database of `make run`: docs/sql.md), or of the tables' owner with CREATEROLE"
        ) from error
