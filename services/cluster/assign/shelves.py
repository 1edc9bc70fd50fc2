"""The similarity indexes of a partition: for each language one of open stories and one of lately closed ones."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Protocol, Self
from uuid import UUID

import numpy as np
import numpy.typing as npt

from services.cluster.assign.index import Link
from shared.contracts import Features


class Index(Protocol):
    """What assign asks of a similarity index.

    Its answers must depend on what it holds alone, not on the order in which it came: a restart fills it by `seq`.
    """

    def add(self, article_id: UUID, features: Features, event_at: datetime, *, time_known: bool) -> None:
        """Hold an article; one that is held is replaced."""

    def remove(self, article_id: UUID) -> None:
        """Forget an article."""

    def links(self, features: Features, event_at: datetime, *, time_known: bool) -> list[Link]:
        """Give at most 40 links to articles held, best first."""

    def links_of(self, article_id: UUID) -> list[Link]:
        """Give at most 40 links of an article that is held to the others, best first."""

    def likeness(self, article_id: UUID, others: Sequence[UUID]) -> npt.NDArray[np.float32]:
        """Give how likely an article that is held tells the same event as each of some others that are: (n,)."""

    def hand_over(self, article_id: UUID, to: Self) -> None:
        """Move an article, with all that is known of it, to another index."""


class Shelf(IntEnum):
    """Where an article is sought."""

    OPEN = 1
    CLOSED = 2


class Shelves:
    """Puts articles into the index of their language and shelf."""

    def __init__(self, make_index: Callable[[str], Index]) -> None:
        self._make_index = make_index
        self._indexes: dict[tuple[str, Shelf], Index] = {}
        self._places: dict[UUID, tuple[str, Shelf]] = {}
        self.open_articles = 0

    def __contains__(self, article_id: UUID) -> bool:
        return article_id in self._places

    def index(self, language: str, shelf: Shelf = Shelf.OPEN) -> Index | None:
        """Give an index, None where it holds nothing yet."""
        return self._indexes.get((language, shelf))

    def links(self, shelf: Shelf, language: str, features: Features, event_at: datetime, *, time_known: bool) -> list[Link]:
        """Give an article's links to a shelf's articles in its language, best first."""
        index = self._indexes.get((language, shelf))
        return [] if index is None else index.links(features, event_at, time_known=time_known)

    def put(self, article_id: UUID, language: str, shelf: Shelf, features: Features, event_at: datetime, *, time_known: bool) -> None:
        """Hold an article by new features."""
        self.remove(article_id)
        self._grown(language, shelf).add(article_id, features, event_at, time_known=time_known)
        self._note(article_id, (language, shelf))

    def move(self, article_id: UUID, shelf: Shelf | None) -> None:
        """Move an article that is held to another shelf, or off the shelves; nothing happens where it is there already."""
        place = self._places.get(article_id)
        if place is None or place[1] is shelf:
            return
        if shelf is None:
            self.remove(article_id)
            return
        self._indexes[place].hand_over(article_id, self._grown(place[0], shelf))
        self._forget(article_id)
        self._note(article_id, (place[0], shelf))

    def remove(self, article_id: UUID) -> None:
        """Take an article off the shelves."""
        place = self._places.get(article_id)
        if place is not None:
            self._indexes[place].remove(article_id)
            self._forget(article_id)

    def _grown(self, language: str, shelf: Shelf) -> Index:
        index = self._indexes.get((language, shelf))
        if index is None:
            index = self._indexes[language, shelf] = self._make_index(language)
        return index

    def _note(self, article_id: UUID, place: tuple[str, Shelf]) -> None:
        self._places[article_id] = place
        self.open_articles += place[1] is Shelf.OPEN

    def _forget(self, article_id: UUID) -> None:
        self.open_articles -= self._places.pop(article_id)[1] is Shelf.OPEN
