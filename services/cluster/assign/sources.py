"""How many independent publishers a story has."""

from uuid import UUID


class Sources:
    """Counts a story's independent sources as members come and go, in constant time each.

    A source is an owner with a report of its own (sister domains are one owner), or a wire report that several owners
    carry nearly word for word (one source, however many carry it).
    """

    __slots__ = ("_groups", "_own", "_shared")

    def __init__(self) -> None:
        self._own: dict[str, int] = {}
        self._groups: dict[UUID, dict[str, int]] = {}
        self._shared = 0

    @property
    def count(self) -> int:
        """Give the number of independent sources."""
        return len(self._own) + self._shared

    def copies_of(self, group: UUID) -> int:
        """Give the number of a wire group's present members here."""
        return sum(self._groups.get(group, {}).values())

    def add(self, owner: str, group: UUID | None) -> None:
        """Count a present member in."""
        if group is None:
            self._count_own(owner, 1)
            return
        owners = self._groups.setdefault(group, {})
        if not owners or (len(owners) == 1 and owner in owners):
            self._count_own(owner, 1)
        elif len(owners) == 1:
            ((sole, copies),) = owners.items()
            self._count_own(sole, -copies)
            self._shared += 1
        owners[owner] = owners.get(owner, 0) + 1

    def discard(self, owner: str, group: UUID | None) -> None:
        """Count a present member out; it must have been counted in with the same values."""
        if group is None:
            self._count_own(owner, -1)
            return
        owners = self._groups[group]
        carried_by_several = len(owners) > 1
        owners[owner] -= 1
        if not owners[owner]:
            del owners[owner]
        if not carried_by_several:
            self._count_own(owner, -1)
            if not owners:
                del self._groups[group]
        elif len(owners) == 1:
            ((sole, copies),) = owners.items()
            self._count_own(sole, copies)
            self._shared -= 1

    def _count_own(self, owner: str, change: int) -> None:
        count = self._own.get(owner, 0) + change
        if count:
            self._own[owner] = count
        else:
            del self._own[owner]
