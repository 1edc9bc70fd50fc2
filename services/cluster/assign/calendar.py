"""When what falls due: stories by the hour of their next turn in life."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

_HOUR_S = 3_600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Calendar:
    """Holds one due time for each id; giving what is due costs as much as is due, not as much as is held."""

    def __init__(self) -> None:
        self._due: dict[UUID, datetime] = {}
        self._hours: dict[int, set[UUID]] = {}

    def put(self, identity: UUID, due_at: datetime | None) -> None:
        """Note when an id is due, instead of what was noted before; None: never."""
        before = self._due.pop(identity, None)
        if before is not None:
            hour = _hour(before)
            self._hours[hour].discard(identity)
            if not self._hours[hour]:
                del self._hours[hour]
        if due_at is not None:
            self._due[identity] = due_at
            self._hours.setdefault(_hour(due_at), set()).add(identity)

    def due(self, now: datetime, limit: int) -> Iterator[UUID]:
        """Give at most `limit` ids that are due, the longest due first; of equals the lower id."""
        given, last = 0, _hour(now)
        for hour in sorted(hour for hour in self._hours if hour <= last):
            for due_at, identity in sorted((self._due[identity], identity) for identity in self._hours[hour]):
                if due_at > now or given == limit:
                    return
                given += 1
                yield identity


def _hour(at: datetime) -> int:
    return int((at - _EPOCH).total_seconds() // _HOUR_S)
