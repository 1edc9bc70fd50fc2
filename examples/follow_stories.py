"""Follow Slugline's stories: print each change once, resume where it stopped, follow merges, notice a gap in revisions.

pip install aiokafka && python follow_stories.py 127.0.0.1:9092 follow_stories.db
"""

import asyncio
import json
import sqlite3
import sys
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

TOPIC = "story_updates.v1"
TABLES = """
CREATE TABLE IF NOT EXISTS offsets (part INTEGER PRIMARY KEY, next INTEGER);
CREATE TABLE IF NOT EXISTS stories (id TEXT PRIMARY KEY, revision INTEGER);
"""


async def follow(broker: str, path: str) -> None:
    """Follow the log for ever. What was seen and where to go on are committed together in the SQLite file `path`."""
    db = sqlite3.connect(path)
    db.executescript(TABLES)
    consumer: Any = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=broker, group_id=None, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    async with consumer:
        resume = dict(db.execute("SELECT part, next FROM offsets"))
        for tp in consumer.assignment():
            if tp.partition in resume:
                consumer.seek(tp, resume[tp.partition])
        while True:
            batches = await consumer.getmany(timeout_ms=1_000)
            with db:  # one transaction a batch: one for each record would take minutes to read a month's
                for tp, records in batches.items():
                    for record in records:
                        take(db, json.loads(record.value))
                    db.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?)", (tp.partition, records[-1].offset + 1))


def take(db: sqlite3.Connection, event: dict[str, Any]) -> None:
    """Act on an event, unless its revision is one that we have."""
    story, revision = event["story_id"], event["revision"]
    [seen] = db.execute("SELECT coalesce(max(revision), 0) FROM stories WHERE id = ?", (story,)).fetchone()
    if revision <= seen:
        return
    if revision > seen + 1:
        print(f"gap: {story} went from {seen} to {revision}; read its present state in stories.v1", flush=True)
    print(f"{event['reason']:>18}  {event['article_count']:>3} articles  {event['headline']}", flush=True)
    if event["redirect_to"]:
        print(f"{'':>18}  {story} lives on as {event['redirect_to']}", flush=True)
    db.execute("INSERT OR REPLACE INTO stories VALUES (?, ?)", (story, revision))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(follow(*(sys.argv[1:] + ["127.0.0.1:9092", "follow_stories.db"][len(sys.argv) - 1 :])))
        except KafkaConnectionError as error:
            sys.exit(f"{error}; `slugline local status` says where the broker of `make run` is")
