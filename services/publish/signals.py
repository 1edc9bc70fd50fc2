"""Signals from those who write rows to those who show them, by Postgres NOTIFY in the transaction that writes.

A signal says which stories' rows changed; it may come twice, and a reader that was away reads the tables anew. Nothing rests on it but
how soon a page that is open shows the change.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

CHANNEL = "slugline_stories"
"""Payload: ids of stories whose row, members, history or brief changed, comma-separated; empty: some did."""

IDS_PER_PAYLOAD = 200
"""Postgres refuses a payload of 8,000 bytes; an id with its comma takes 37."""

MOST_IDS = 2_000
"""Beyond, one empty payload says it: a rebuild is not news of single stories."""


def payloads(story_ids: Iterable[UUID]) -> Iterator[str]:
    """Write the payloads for the stories that changed; none for none."""
    ids = sorted({str(story_id) for story_id in story_ids})
    if len(ids) > MOST_IDS:
        yield ""
        return
    for start in range(0, len(ids), IDS_PER_PAYLOAD):
        yield ",".join(ids[start : start + IDS_PER_PAYLOAD])


def story_ids(payload: str) -> frozenset[UUID] | None:
    """Read a payload; None when it names no stories, or is not one of ours."""
    try:
        return frozenset(UUID(part) for part in payload.split(",")) if payload else None
    except ValueError:
        return None


async def notify(connection: Any, ids: Iterable[UUID]) -> None:
    """Send the signal on an asyncpg connection; it goes out when the transaction commits."""
    if found := list(payloads(ids)):
        await connection.execute("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload", CHANNEL, found)
