"""Positions in the history: for each partition of `story_updates.v1`, the next offset to read. They are the ids of the event stream."""

import re
from collections.abc import Mapping

from shared.topics import STORY_UPDATES

_PART = re.compile(r"(\d{1,4}):(\d{1,18})", re.ASCII)
LONGEST_ID = 32 * STORY_UPDATES.partitions

Position = Mapping[int, int]
"""Partition to the next offset to read. A partition that was unknown when the position was taken is absent: all it has follows."""


def write_position(position: Position) -> str:
    """Write a position as an event id, such as `0:1204;3:17`; `-` for the very start."""
    return ";".join(f"{partition}:{offset}" for partition, offset in sorted(position.items())) or "-"


def read_position(text: str) -> dict[int, int] | None:
    """Read an event id; None where it is not one of ours."""
    if text == "-":
        return {}
    if not text or len(text) > LONGEST_ID:
        return None
    position: dict[int, int] = {}
    for part in text.split(";"):
        found = _PART.fullmatch(part)
        if found is None or int(found[1]) in position:
            return None
        position[int(found[1])] = int(found[2])
    return position


def is_behind(position: Position, kept_from: Position) -> bool:
    """Tell whether records that follow `position` are no longer kept."""
    return any(offset < kept_from.get(partition, 0) for partition, offset in position.items())


def is_ahead(position: Position, end: Position) -> bool:
    """Tell whether `position` speaks of records that this database has not: it comes from another one."""
    return any(offset > end.get(partition, 0) for partition, offset in position.items())
