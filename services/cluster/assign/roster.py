"""A story's members in memory: derived from their records, and never written."""

from bisect import bisect_left, insort
from datetime import datetime
from uuid import UUID

from services.cluster.assign.records import MemberRecord
from services.cluster.assign.sources import Sources
from shared.contracts import MemberRef

LISTED = 100
"""Members that a story's message lists."""

_REF_FIELDS = {"article_id", "number"}


class Roster:
    """Who is in a story. `add` and `discard` undo each other exactly and cost about the same in stories of any size."""

    __slots__ = ("_refs", "_times", "present", "sources")

    def __init__(self) -> None:
        self._refs: dict[int, MemberRef] = {}
        self._times: list[datetime] = []
        self.present: list[int] = []
        """Numbers of present members, ascending."""
        self.sources = Sources()

    def __len__(self) -> int:
        return len(self.present)

    @property
    def size(self) -> int:
        """Members, those that are not present too."""
        return len(self._refs)

    @property
    def first_at(self) -> datetime:
        """Earliest event time of a present member."""
        return self._times[0]

    @property
    def last_at(self) -> datetime:
        """Latest event time of a present member."""
        return self._times[-1]

    def add(self, member: MemberRecord) -> None:
        """Take a member in, present or not."""
        self._refs[member.number] = MemberRef.model_construct(_REF_FIELDS, article_id=member.article_id, number=member.number)
        if member.present:
            insort(self.present, member.number)
            insort(self._times, member.event_at)
            self.sources.add(member.owner, member.wire_group)

    def discard(self, member: MemberRecord) -> None:
        """Take a member out; it must be equal to the one that was taken in."""
        del self._refs[member.number]
        if member.present:
            del self.present[bisect_left(self.present, member.number)]
            del self._times[bisect_left(self._times, member.event_at)]
            self.sources.discard(member.owner, member.wire_group)

    def newest(self) -> tuple[MemberRef, ...]:
        """List the newest present members by number, ascending, 100 at most."""
        return tuple(self._refs[number] for number in self.present[-LISTED:])

    def first(self, limit: int) -> list[UUID]:
        """List present members in the order of their numbers, at most `limit`."""
        return [self._refs[number].article_id for number in self.present[:limit]]

    def everyone(self) -> list[UUID]:
        """List all members in the order of their numbers, those that are not present too."""
        return [self._refs[number].article_id for number in sorted(self._refs)]
