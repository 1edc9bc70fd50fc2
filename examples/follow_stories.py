"""Follow Slugline's stories: print each change once, resume where it stopped, notice a gap in revisions.

pip install aiokafka && python follow_stories.py 127.0.0.1:9092
"""

import asyncio
import json
import sqlite3
import sys

from aiokafka import AIOKafkaConsumer


async def follow(broker: str, state: str) -> None:
    """Follow `story_updates.v1` for ever. Offsets and revisions are committed together in the SQLite file `state`."""
    db = sqlite3.connect(state)
    db.execute("CREATE TABLE IF NOT EXISTS offsets (part INTEGER PRIMARY KEY, next INTEGER)")
    db.execute("CREATE TABLE IF NOT EXISTS stories (id TEXT PRIMARY KEY, revision INTEGER)")
    options = {"group_id": None, "isolation_level": "read_committed", "auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer("story_updates.v1", bootstrap_servers=broker, **options) as consumer:
        resume = dict(db.execute("SELECT part, next FROM offsets"))
        for tp in consumer.assignment():
            if tp.partition in resume:
                consumer.seek(tp, resume[tp.partition])
        async for record in consumer:
            event = json.loads(record.value)
            story, revision = event["story_id"], event["revision"]
            [seen] = db.execute("SELECT max(revision) FROM stories WHERE id = ?", (story,)).fetchone()
            if revision > (seen or 0):  # a revision that we have is a repeat: ignore it
                if revision > (seen or 0) + 1:
                    print(f"gap: {story} went from {seen or 0} to {revision}; read its present state in stories.v1", flush=True)
                print(f"{event['reason']:>18}  {event['article_count']:>3} articles  {event['headline']}", flush=True)
                db.execute(
                    "INSERT INTO stories VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision", (story, revision)
                )
            db.execute(
                "INSERT INTO offsets VALUES (?, ?) ON CONFLICT (part) DO UPDATE SET next = excluded.next",
                (record.partition, record.offset + 1),
            )
            db.commit()


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092", sys.argv[2] if len(sys.argv) > 2 else "follow_stories.db"))
