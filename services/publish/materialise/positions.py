"""Where reading begins, decided from what the database holds and what the topic still has."""

from dataclasses import dataclass
from datetime import datetime

from shared.errors import SourceExpired
from shared.topics import Topic


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin; `skipped` records are gone from the topic and don't matter."""

    offset: int
    skipped: int = 0


def where_to_start(topic: Topic, partition: int, *, stored: int | None, begin: int, end: int) -> Start:
    """Give the offset to begin at, refusing a silent jump.

    `begin` is the oldest offset that the topic has, `end` the one behind its last. A compacted topic may have lost records before
    `begin` whose keys it still has later; a log has not. Raises `SourceExpired` that says what to do.
    """
    where = f"{topic.name}[{partition}]"
    if stored is None:
        return Start(begin)
    if stored > end:
        raise SourceExpired(
            f"source expired: the rows hold {where} up to {stored}, but the topic ends at {end}: it was made anew. "
            "Read everything again with: slugline db resync"
        )
    if stored >= begin:
        return Start(stored)
    if "compact" in topic.config.get("cleanup.policy", ""):
        return Start(begin, skipped=begin - stored)
    raise SourceExpired(
        f"source expired: the next record of {where} is {stored}, the oldest kept is {begin}: {begin - stored:,} records were deleted "
        f"before they became rows. Accept the hole with: slugline db accept-gap {topic.name}"
    )


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a partition's records are handled, and when the last of them was appended (None: no record, a marker only)."""

    next_offset: int
    appended_at: datetime | None
