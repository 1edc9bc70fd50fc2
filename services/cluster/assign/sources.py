"""How many independent publishers a story has."""

from uuid import UUID


class Sources:
    """Counts a story's independent sources as members come and go, in constant time each.

    A source is an owner with a report of its own (sister domains are one owner), or a wire report that several owners
    carry nearly word for word (one source, however many carry it). Never more than there are owners: outlets that carry ten wire
    reports between them are not ten.
    """

    __slots__ = ("_groups", "_own", "_owners", "_shared")

    def __init__(self) -> None:
        self._own: dict[str, int] = {}
        self._owners: dict[str, int] = {}
        self._groups: dict[UUID, dict[str, int]] = {}
        self._shared = 0

    @property
    def count(self) -> int:
        """Give the number of independent sources."""
        return min(len(self._own) + self._shared, len(self._owners))

    def copies_of(self, group: UUID) -> int:
        """Give the number of a wire group's present members here."""
        return sum(self._groups.get(group, {}).values())

    def add(self, owner: str, group: UUID | None) -> None:
        """Count a present member in."""
        _count(self._owners, owner, 1)
        if group is None:
            _count(self._own, owner, 1)
            return
        owners = self._groups.setdefault(group, {})
        if not owners or (len(owners) == 1 and owner in owners):
            _count(self._own, owner, 1)
        elif len(owners) == 1:
            ((sole, copies),) = owners.items()
            _count(self._own, sole, -copies)
            self._shared += 1
        owners[owner] = owners.get(owner, 0) + 1

    def discard(self, owner: str, group: UUID | None) -> None:
        """Count a present member out; it must have been counted in with the same values."""
        _count(self._owners, owner, -1)
        if group is None:
            _count(self._own, owner, -1)
            return
        owners = self._groups[group]
        carried_by_several = len(owners) > 1
        owners[owner] -= 1
        if not owners[owner]:
            del owners[owner]
        if not carried_by_several:
            _count(self._own, owner, -1)
            if not owners:
                del self._groups[group]
        elif len(owners) == 1:
            ((sole, copies),) = owners.items()
            _count(self._own, sole, copies)
            self._shared -= 1


def _count(members: dict[str, int], owner: str, change: int) -> None:
    count = members.get(owner, 0) + change
    if count:
        members[owner] = count
    else:
        del members[owner]
