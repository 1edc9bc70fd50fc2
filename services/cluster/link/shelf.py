"""The open stories of one language, as rows of a matrix, so that one product compares a story with all of them."""

from datetime import UTC, datetime
from uuid import UUID

import numpy as np

from services.cluster.link.profile import DIMENSIONS, Profile, Vector

_FIRST_ROWS = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Shelf:
    """Holds profiles; `nearest` finds some of them."""

    def __init__(self) -> None:
        """Begin empty."""
        self._ids: list[UUID | None] = []
        self._rows: dict[UUID, int] = {}
        self._free: list[int] = []
        self._vectors: Vector = np.zeros((_FIRST_ROWS, DIMENSIONS), np.float32)
        self._hours = np.zeros((_FIRST_ROWS, 2))

    def __len__(self) -> int:
        """Count the stories."""
        return len(self._rows)

    def put(self, profile: Profile) -> None:
        """Take a story in, or anew."""
        row = self._rows.get(profile.story_id)
        if row is None:
            row = self._free.pop() if self._free else self._new_row()
            self._rows[profile.story_id] = row
            self._ids[row] = profile.story_id
        self._vectors[row] = profile.vector
        self._hours[row] = _hours(profile.first_at), _hours(profile.last_at)

    def drop(self, story_id: UUID) -> None:
        """Let a story go."""
        row = self._rows.pop(story_id)
        self._ids[row] = None
        self._vectors[row] = 0
        self._free.append(row)

    def nearest(self, profile: Profile, limit: int, window_h: float) -> list[tuple[UUID, float]]:
        """Give at most `limit` stories within the window of time, the nearest by cosine first, with their cosines."""
        rows = len(self._ids)
        if not self._rows:
            return []
        cosines = self._vectors[:rows] @ profile.vector
        first, last = self._hours[:rows, 0], self._hours[:rows, 1]
        apart = np.maximum(first - _hours(profile.last_at), _hours(profile.first_at) - last)
        cosines[apart > window_h] = -1
        best = np.argpartition(-cosines, limit - 1)[:limit] if limit < rows else np.arange(rows)
        found = [(story_id, float(cosines[row])) for row in best if cosines[row] > 0 and (story_id := self._ids[row]) is not None]
        return sorted(found, key=lambda item: (-item[1], item[0]))

    def _new_row(self) -> int:
        row = len(self._ids)
        if row == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
            self._hours = np.concatenate([self._hours, np.zeros_like(self._hours)])
        self._ids.append(None)
        return row


def _hours(at: datetime) -> float:
    return (at - _EPOCH).total_seconds() / 3600
