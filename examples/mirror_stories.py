"""Keep a copy of all stories as they are now, with their briefs: from stories.v1 and story_briefs.v1, in a SQLite file.

pip install aiokafka
python mirror_stories.py 127.0.0.1:9092 mirror.db          keep it current, until Ctrl-C
python mirror_stories.py show mirror.db STORY_ID           print a story; the id of one that was merged leads on
"""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

VERSION_OF = {"stories.v1": "revision", "story_briefs.v1": "story_revision"}
DELETIONS_KEPT_S = 20 * 3600
"""The broker keeps a deletion (a record without a value) for a day; whoever was away longer may have missed one, and reads anew."""
TABLES = """
CREATE TABLE IF NOT EXISTS offsets (topic TEXT, part INTEGER, next INTEGER, at REAL, PRIMARY KEY (topic, part));
CREATE TABLE IF NOT EXISTS rows (topic TEXT, id TEXT, version INTEGER, value TEXT, PRIMARY KEY (topic, id));
"""


async def mirror(broker: str, path: str) -> None:
    """Keep the copy current for ever. Rows and offsets are committed together, so that a crash repeats and loses nothing."""
    db = sqlite3.connect(path)
    db.executescript(TABLES)
    [oldest] = db.execute("SELECT coalesce(min(at), 0) FROM offsets").fetchone()
    if oldest < time.time() - DELETIONS_KEPT_S:
        db.executescript("DELETE FROM rows; DELETE FROM offsets;")
    consumer: Any = AIOKafkaConsumer(
        *VERSION_OF, bootstrap_servers=broker, group_id=None, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    async with consumer:
        for topic, part, offset in db.execute("SELECT topic, part, next FROM offsets"):
            consumer.seek(TopicPartition(topic, part), offset)
        while True:
            batches = await consumer.getmany(timeout_ms=1_000)
            with db:  # one transaction
                for records in batches.values():
                    put(db, records)
                now = time.time()  # partitions in which nothing happens are current, too
                places = [(tp.topic, tp.partition, await consumer.position(tp), now) for tp in consumer.assignment()]
                db.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?, ?)", places)


def put(db: sqlite3.Connection, records: Iterable[Any]) -> None:
    """Take records over; one without a value deletes, and a version below the one that we have is ignored."""
    for record in records:
        key = record.key.decode()
        if record.value is None:
            db.execute("DELETE FROM rows WHERE topic = ? AND id = ?", (record.topic, key))
            continue
        row = (record.topic, key, json.loads(record.value)[VERSION_OF[record.topic]], record.value.decode())
        db.execute(
            "INSERT INTO rows VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value"
            " WHERE excluded.version >= version",
            row,
        )


def show(path: str, story_id: str) -> None:
    """Print a story and its brief."""
    db = sqlite3.connect(path)

    def find(topic: str) -> Any:
        found = db.execute("SELECT value FROM rows WHERE topic = ? AND id = ?", (topic, story_id)).fetchone()
        return json.loads(found[0]) if found else None

    while (story := find("stories.v1")) and story["redirect_to"]:
        story_id = story["redirect_to"]
    if story is None:
        sys.exit(f"there is no story {story_id}")
    print(f"{story['headline']} ({story['article_count']} articles)")
    for section in (find("story_briefs.v1") or {"sections": ()})["sections"]:
        print(f"\n{section['heading']}")
        print(" ".join(f"{line['text']} {line['citations']}" for line in section["sentences"]))


if __name__ == "__main__":
    if len(sys.argv) != 4 and len(sys.argv) != 3:
        sys.exit(__doc__)
    with suppress(KeyboardInterrupt):
        try:
            show(*sys.argv[2:]) if sys.argv[1] == "show" else asyncio.run(mirror(*sys.argv[1:]))
        except KafkaConnectionError as error:
            sys.exit(f"{error}; `slugline local status` says where the broker of `make run` is")
