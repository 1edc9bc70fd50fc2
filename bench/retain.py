"""What the retention of rows costs: `python -m bench.retain [--articles 40000]`.

Starts a durable database of its own, fills it with made-up rows of usual sizes, half of which have had their time, and deletes those as
the materialiser does, while a reader asks for a page of stories again and again. No broker takes part.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.materialise import messages
from deploy.local.ports import free_ports
from deploy.local.postgres import Server
from deploy.local.supervise import Watchdog
from services.publish import schema
from services.publish.config import PublishSettings
from services.publish.connect import Connection, connect
from services.publish.materialise import tables
from services.publish.materialise.decode import decode
from services.publish.retain import retain
from shared.kafka.decision import SourceRecord
from shared.retention import RetentionSettings
from shared.topics import key_partition

PAGE = "SELECT * FROM feed_stories WHERE feed = 'top' ORDER BY rank DESC LIMIT 30"


async def fill(connection: Connection, articles: int) -> None:
    """COPY rows; every second story and its articles are 400 days old."""
    rows: dict[str, list[Any]] = {table.name: [] for table in tables.ALL}
    for number, told in enumerate(messages(articles)):
        for topic, key, message in told:
            record = SourceRecord(topic.name, key_partition(key, topic), number, key.encode(), message.to_bytes(), 0)
            change = decode(record)
            rows[change.table.name].append(change.row)
    for table in tables.ALL:
        made = rows[table.name]
        last = {table.row_key(row): row for row in made}
        for start in range(0, len(last), 5_000):
            values = [list(column) for column in zip(*list(last.values())[start : start + 5_000], strict=True)]
            names = ", ".join(column.name for column in table.columns)
            casts = ", ".join(f"x.{column.name}::{column.type}" for column in table.columns)
            types = ", ".join(f"${place}::{column.parameter}[]" for place, column in enumerate(table.columns, 1))
            columns = ", ".join(column.name for column in table.columns)
            await connection.execute(
                f"INSERT INTO {table.name} ({names}) SELECT {casts} FROM unnest({types}) AS x ({columns})", *values, timeout=600
            )
    for name, at, key in (
        ("articles", "fetched_at", "article_id"),
        ("stories", "appended_at", "story_id"),
        ("story_updates", "appended_at", "story_id"),
    ):
        age = f"CASE WHEN hashtext({key}::text) % 2 = 0 THEN interval '400 days' ELSE interval '1 hour' END"
        await connection.execute(f"UPDATE {name} SET {at} = now() - {age}", timeout=600)
    await connection.execute("UPDATE stories SET status = 'closed'")
    await connection.execute("INSERT INTO feed_entries (feed, story_id, rank) SELECT 'top', story_id, rank FROM stories")
    await connection.execute("VACUUM ANALYZE", timeout=600)


async def read(settings: PublishSettings, waits: list[float]) -> None:
    """Ask for a page until cancelled."""
    connection = await connect(settings, "reader")
    try:
        while True:
            began = time.perf_counter()
            await connection.fetch(PAGE)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def measure(articles: int) -> None:
    """Print the figures."""
    watchdog = Watchdog()
    with tempfile.TemporaryDirectory() as folder:
        [port] = free_ports(1)
        server = Server(Path(folder) / "postgres", port, watchdog)
        server.prepare()
        await server.start()
        try:
            settings = PublishSettings(database_url=server.url("slugline"))
            await schema.migrate(settings)
            connection = await connect(settings, "bench")
            await fill(connection, articles)
            keep = RetentionSettings(keep_texts_days=90, keep_article_rows_days=365, keep_history_days=365, keep_stories_days=365)
            waits: list[float] = []
            reading = asyncio.ensure_future(read(settings, waits))
            await asyncio.sleep(3)
            calm, before = statistics.quantiles(waits, n=100)[98], len(waits)
            began = time.perf_counter()
            done = await retain(connection, keep)
            spent = time.perf_counter() - began
            reading.cancel()
            busy = statistics.quantiles(waits[before:], n=100)[98]
            print(f"{sum(done.values()):,} rows in {spent:.1f} s, {sum(done.values()) / spent:,.0f} a second with the pauses: {done}")
            print(f"a page's 99th percentile: {calm * 1000:.1f} ms before, {busy * 1000:.1f} ms meanwhile")
            began = time.perf_counter()
            await retain(connection, keep)
            print(f"with nothing to do: {(time.perf_counter() - began) * 1000:.0f} ms")
            await connection.close()
        finally:
            server.kill()
            watchdog.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--articles", type=int, default=40_000)
    asyncio.run(measure(parser.parse_args().articles))
