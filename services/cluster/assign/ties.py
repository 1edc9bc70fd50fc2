"""Editors' ties between articles, looked up from either side."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from services.cluster.assign.records import Tie, pair_of


class Ties:
    """Must-links and cannot-links. Holds one `Tie` a pair of articles."""

    def __init__(self) -> None:
        self._of: dict[UUID, dict[UUID, Tie]] = {}

    def __contains__(self, article_id: UUID) -> bool:
        return article_id in self._of

    def of(self, article_id: UUID) -> Mapping[UUID, Tie]:
        """Give an article's ties by the other article."""
        return self._of.get(article_id, {})

    def set(self, pair: tuple[UUID, UUID], tie: Tie | None) -> None:
        """Keep a pair's tie, or forget it."""
        for one, other in (pair, pair[::-1]):
            if tie is not None:
                self._of.setdefault(one, {})[other] = tie
            elif other in self._of.get(one, {}):
                del self._of[one][other]
                if not self._of[one]:
                    del self._of[one]


def ties_between(ties: Ties, ones: Iterable[UUID], others: frozenset[UUID], kind: str) -> list[tuple[UUID, UUID]]:
    """Give the pairs of one kind that tie an article of `ones` to one of `others`, ascending."""
    found = {pair_of(one, other) for one in ones for other, tie in ties.of(one).items() if tie.kind == kind and other in others}
    return sorted(found)
