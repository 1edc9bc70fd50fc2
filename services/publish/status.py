"""What a worker says of itself in the database, for pages that tell readers when a part is down."""

from services.publish.connect import Connection

_SAY = """
INSERT INTO worker_status (worker, seen_at, ready, waits, lag) VALUES ($1, now(), $2, $3, $4)
ON CONFLICT (worker) DO UPDATE SET seen_at = excluded.seen_at, ready = excluded.ready, waits = excluded.waits, lag = excluded.lag
"""


async def say_status(connection: Connection, worker: str, waits: dict[str, str], lag: int) -> None:
    """Say what a worker waits for (nothing: it is ready) and how many inputs it has not handled."""
    await connection.execute(_SAY, worker, not waits, "; ".join(f"{part}: {reason}" for part, reason in waits.items()), lag)
