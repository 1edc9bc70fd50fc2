"""What a second look may propose, and what it sees. `second_look` proposes, `look` carries out what is allowed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.cluster.assign.index import Link
from services.cluster.assign.shelves import Index


@dataclass(frozen=True, slots=True)
class Merge:
    """Two stories tell one event. The older survives."""

    story_id: UUID
    other_id: UUID
    score: float
    nearest: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """An article fits better into another story; `into` None: into none, so that it founds one."""

    article_id: UUID
    into: UUID | None
    score: float
    nearest: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """A story fell apart: these of its articles are another event."""

    story_id: UUID
    article_ids: tuple[UUID, ...]
    score: float
    nearest: tuple[UUID, ...] = ()


Proposal = Merge | Move | Split


@dataclass(frozen=True, slots=True)
class View:
    """One language's open stories, as they are by now. `join_at`: the score at which one is joined.

    `recent`: articles that came or were corrected since the last look, oldest first, open and in the index. `story_of` gives
    an article's story, None where it has none that is open; `members_of` a story's first present members that the index
    holds, by number, at most as many as asked for; `size_of` its present members. `links`: of the one recent article that
    is being placed, best first; the index does not hold it yet.
    """

    index: Index
    recent: tuple[UUID, ...]
    story_of: Callable[[UUID], UUID | None]
    members_of: Callable[[UUID, int], list[UUID]]
    size_of: Callable[[UUID], int]
    join_at: float
    links: tuple[Link, ...] = ()


class SecondLook(Protocol):
    """Proposes repairs. Pure: what it gives depends on the view alone, and its work is bounded by the number of recent articles."""

    def __call__(self, view: View) -> Iterable[Proposal]:
        """Give proposals, the surest first."""
