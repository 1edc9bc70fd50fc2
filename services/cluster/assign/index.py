"""The similarity index: open articles by their terms and meaning, and the links of a new one to them.

What `links` gives depends only on what the index holds, never on the order in which it came or on what it held before, so an
index that is filled again (a restart) answers the same to the last bit: sums over articles are of whole numbers, sums within a
row run in a fixed order, and ties are broken by time and id. BLAS multiplies whole numbers alone: its sums differ with a matrix's shape.
"""

from array import array
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, Self, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from services.cluster.assign import score
from shared.contracts import Features

WINDOW_DAYS: Final = 14.0
"""Articles further apart are never the same event."""
MAX_LINKS: Final = 40
LEAST_LINK: Final = 0.01
"""Probability below which two articles are not linked at all: it says nothing, and most candidates have less."""
CANDIDATES: Final = 60
"""Articles that share the most rare words with a new one, which are then compared exactly."""
POSTINGS_BUDGET: Final = 3_000
"""Entries of the inverted index that are read for one article, rarest terms first: bounds the work in an index of any size."""

IDF_PRIOR: Final = 50.0
MEAN_PRIOR: Final = 100.0
SPREAD_PRIOR: Final = 300.0
"""As many articles of a stream at large stand behind the index's own statistics, so that its first articles have some."""
WORDS_SPREAD: Final = 0.006
WORDS_FLOOR: Final = 0.01
"""Standard deviation of the words' cosine with a random article: variance a shared term adds, and what is always there."""
MEANING_FLOOR: Final = 0.05

COUNTED_TOGETHER: Final = 64
"""Vectors that came or went and are added to the moments at once; a question takes those not yet added into account."""

_TERMS = 160
_TITLE_TERMS = 40
_ENOUGH_WORDS = 12
"""Words of a text from which on it can be expected to name whom and what another's title names."""
_DIMENSIONS = 256
_UNIT = 256.0
_GRID = 4_096.0
"""Steps to one of a question's vector: with the moments of a million vectors its products stay below 2^53, which float64 holds exactly."""
_FIRST_CAPACITY = 256
_LOG_OF_NONE = np.log(np.float32(0.5))
_BLOCKS = ("_terms", "_weights", "_names", "_told", "_vectors", "_days", "_known", "_alive", "_keys")

Ints: TypeAlias = npt.NDArray[np.int32]
Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Link:
    """How likely an article of the index tells the same event."""

    article_id: UUID
    probability: float


@dataclass(frozen=True, slots=True)
class Decoded:
    """Features as arrays. `rarities`: idf in the language at large; `vector`: int8, length 256, zeros where there is none.

    `names`: which of the first 40 terms, the title's, are names. `told`: the article has a text that tells, not its title alone.
    """

    ids: tuple[int, ...]
    weights: Floats
    rarities: Floats
    vector: npt.NDArray[np.int8]
    names: npt.NDArray[np.bool_]
    told: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """An article that is compared: its terms' places in the index (-1: none such) and idf, besides what `Decoded` has."""

    places: Ints
    idf: Floats
    weights: Floats
    vector: npt.NDArray[np.int8]
    names: npt.NDArray[np.bool_]
    told: bool


def decode(features: Features, *, native: bool = False) -> Decoded:
    """Read the packed arrays; ones of unequal length are cut to the shortest. `native`: take the vector by the language's own encoder."""
    ids = np.frombuffer(b64decode(features.term_ids), "<u4")[:_TERMS]
    weights = np.frombuffer(b64decode(features.term_weights), "<f2")[: len(ids)].astype(np.float32)
    rarities = np.frombuffer(b64decode(features.term_rarities), "<f2")[: len(ids)].astype(np.float32)
    size = min(len(ids), len(weights), len(rarities))
    packed = b64decode((features.native_vector if native else features.vector) or "")
    vector = np.frombuffer(packed, np.int8) if len(packed) == _DIMENSIONS else np.zeros(_DIMENSIONS, np.int8)
    return Decoded(
        tuple(ids[:size].tolist()), weights[:size], rarities[:size], vector, _names(features, size), features.words >= _ENOUGH_WORDS
    )


def _names(features: Features, size: int) -> npt.NDArray[np.bool_]:
    """Say which of the title's terms are names: a term is a stem, the beginning of its word but for a few letters."""
    found = np.zeros(_TITLE_TERMS, np.bool_)
    stems = {name[: len(name) - cut] for name in features.names for cut in range(4) if cut == 0 or len(name) - cut > 3}
    for place, term in enumerate(features.title_terms[: min(size, _TITLE_TERMS)]):
        found[place] = term in stems or term[:-1] in stems
    return found


class SimilarityIndex:
    """Articles of open stories in one language. Holds 2 KB an article; not shared between threads."""

    def __init__(self, language: str = "und") -> None:
        """Begin empty. `language` is ISO 639-1: one that has an encoder of its own is compared by that one's vectors."""
        self._native = language in score.NATIVE
        self._model = score.NATIVE.get(language, score.MULTILINGUAL)
        self._usual = _usual_moment(f"spread_{language}.npz" if self._native else "spread.npz")
        self._empty()

    @property
    def capacity(self) -> int:
        """How many articles there is room for."""
        return self._capacity

    def _empty(self) -> None:
        self._slots: dict[UUID, int] = {}
        self._held: list[UUID] = []
        self._places: dict[int, int] = {}
        self._hashes: list[int] = []
        self._postings: list[array[int]] = []
        self._rarity = np.zeros(_FIRST_CAPACITY, np.float32)
        self._df = np.zeros(_FIRST_CAPACITY, np.int32)
        self._log_df = np.full(_FIRST_CAPACITY, _LOG_OF_NONE, np.float32)
        self._query = np.zeros(_FIRST_CAPACITY, np.float32)
        self._sum = np.zeros(_DIMENSIONS, np.int64)
        self._moment = self._usual.copy()
        self._uncounted = np.zeros((COUNTED_TOGETHER, _DIMENSIONS), np.float64)
        self._uncounted_times = np.zeros(COUNTED_TOGETHER, np.float64)
        self._uncounted_size = 0
        self._read: tuple[Features, Decoded] | None = None
        self._found: tuple[Decoded, list[int]] | None = None
        self._allocate(_FIRST_CAPACITY)

    def _allocate(self, capacity: int) -> None:
        self._capacity = capacity
        self._terms = np.zeros((capacity, _TERMS), np.int32)
        self._weights = np.zeros((capacity, _TERMS), np.float32)
        self._names = np.zeros((capacity, _TITLE_TERMS), np.bool_)
        self._told = np.zeros(capacity, np.bool_)
        self._vectors = np.zeros((capacity, _DIMENSIONS), np.int8)
        self._days = np.zeros(capacity, np.float64)
        self._known = np.zeros(capacity, np.bool_)
        self._alive = np.zeros(capacity, np.bool_)
        self._keys = np.zeros(capacity, np.uint64)
        self._points = np.zeros(capacity, np.float32)
        self._owner = np.zeros(capacity, np.int32)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, article_id: UUID) -> bool:
        return article_id in self._slots

    def add(self, article_id: UUID, features: Features, event_at: datetime, *, time_known: bool) -> None:
        """Hold an article; one that is held is replaced."""
        self.add_decoded(article_id, self.read(features), event_at.timestamp() / 86_400, time_known=time_known)

    def read(self, features: Features) -> Decoded:
        """Read features as this index compares them; who asks for an article's links holds it next."""
        if self._read is None or self._read[0] is not features:
            self._read = features, decode(features, native=self._native)
        return self._read[1]

    def add_decoded(self, article_id: UUID, decoded: Decoded, day: float, *, time_known: bool) -> None:
        """Hold an article whose features are decoded. `day`: its time in days since 1970."""
        self.remove(article_id)
        if len(self._held) == self._capacity:
            self._make_room()
        slot = len(self._held)
        self._held.append(article_id)
        self._slots[article_id] = slot
        places = self._interned(decoded)
        row = self._terms[slot]
        row[:] = 0
        row[: len(places)] = places
        self._weights[slot] = 0
        self._weights[slot, : len(places)] = decoded.weights
        self._names[slot] = decoded.names
        self._told[slot] = decoded.told
        self._vectors[slot] = decoded.vector
        self._days[slot] = day
        self._known[slot] = time_known
        self._alive[slot] = True
        self._keys[slot] = article_id.int & 0xFFFF_FFFF_FFFF_FFFF
        self._count_terms(np.array(places, np.intp), 1)
        for place in places:
            self._postings[place].append(slot)
        self._count(decoded.vector, 1)

    def remove(self, article_id: UUID) -> None:
        """Forget an article; nothing happens where it isn't held."""
        slot = self._slots.pop(article_id, None)
        if slot is None:
            return
        self._alive[slot] = False
        self._count_terms(self._terms[slot][self._weights[slot] > 0], -1)
        self._count(self._vectors[slot], -1)

    def hand_over(self, article_id: UUID, to: Self) -> None:
        """Move an article, with all that is known of it, to another index."""
        slot = self._slots.get(article_id)
        if slot is None:
            return
        decoded, day, known = self.decoded(article_id), float(self._days[slot]), bool(self._known[slot])
        self.remove(article_id)
        to.add_decoded(article_id, decoded, day, time_known=known)

    def decoded(self, article_id: UUID) -> Decoded:
        """Give what is held of an article. Raises `KeyError` where it isn't held."""
        slot = self._slots[article_id]
        weights = self._weights[slot]
        size = int(np.count_nonzero(weights))
        places = self._terms[slot, :size]
        hashes = self._hashes
        return Decoded(
            tuple(hashes[place] for place in places.tolist()),
            weights[:size].copy(),
            self._rarity[places],
            self._vectors[slot].copy(),
            self._names[slot].copy(),
            bool(self._told[slot]),
        )

    def links(self, features: Features, event_at: datetime, *, time_known: bool) -> list[Link]:
        """Give at most 40 links of an article to others held within 14 days, best first."""
        return self.links_decoded(self.read(features), event_at.timestamp() / 86_400, time_known=time_known)

    def links_of(self, article_id: UUID) -> list[Link]:
        """Give at most 40 links of an article that is held to others, best first. Raises `KeyError` where it isn't held."""
        slot = self._slots[article_id]
        return self._links(self._asked_of(slot), float(self._days[slot]), time_known=bool(self._known[slot]), itself=slot)

    def links_decoded(self, decoded: Decoded, day: float, *, time_known: bool) -> list[Link]:
        """Give links, best first; equal ones by time and id."""
        return self._links(self._asked(decoded), day, time_known=time_known)

    def _links(self, asked: _Asked, day: float, *, time_known: bool, itself: int = -1) -> list[Link]:
        slots, rows, beside = self._compare(asked, day, time_known=time_known, itself=itself)
        if not len(slots):
            return []
        chances = score.probability(self._model.log_odds(rows) + beside)
        linked = chances >= LEAST_LINK
        slots, chances = slots[linked], chances[linked]
        best = np.lexsort((self._keys[slots], -self._days[slots], -chances))[:MAX_LINKS]
        held = self._held
        return [Link(held[slot], chance) for slot, chance in zip(slots[best].tolist(), chances[best].tolist(), strict=True)]

    def compare(self, decoded: Decoded, day: float, *, time_known: bool) -> tuple[npt.NDArray[np.intp], Floats, Floats]:
        """Compare an article with its candidates: their slots, a row of `score.FEATURES` each, the log-odds of time and names."""
        return self._compare(self._asked(decoded), day, time_known=time_known, itself=-1)

    def _compare(self, asked: _Asked, day: float, *, time_known: bool, itself: int) -> tuple[npt.NDArray[np.intp], Floats, Floats]:
        slots = self._candidates(asked, day, time_known=time_known, itself=itself)
        return slots, *self._compared(asked, day, slots, time_known=time_known)

    def likeness(self, article_id: UUID, others: Sequence[UUID]) -> Floats:
        """Give how likely an article that is held tells the same event as each of some others, as it sees them. Raises `KeyError`."""
        slot, slots = self._slots[article_id], np.array([self._slots[other] for other in others], np.intp)
        rows, beside = self._compared(self._asked_of(slot), float(self._days[slot]), slots, time_known=bool(self._known[slot]))
        return score.probability(self._model.log_odds(rows) + beside)

    def _compared(self, asked: _Asked, day: float, slots: npt.NDArray[np.intp], *, time_known: bool) -> tuple[Floats, Floats]:
        if not len(slots):
            return np.zeros((0, len(score.FEATURES)), np.float32), np.zeros(0, np.float32)
        terms, weights = self._terms[slots], self._weights[slots]
        rarities = self._idf(terms)
        words, words_above = self._words(asked.places, asked.weights * asked.idf, terms, weights * rarities)
        meaning, meaning_above = self._meaning(asked.vector, slots)
        rows = np.stack((np.sqrt(words), meaning, np.log1p(words_above), np.log1p(meaning_above)), axis=1).astype(np.float32)
        beside = score.time_log_odds((self._days[slots] - day).astype(np.float32), self._known[slots] & time_known)
        if asked.names.any():
            shared = self._shared_names(asked, terms, weights, rarities[:, :_TITLE_TERMS], self._names[slots])
            beside += score.apart_log_odds(shared, self._told[slots] & asked.told)
        return rows, beside

    # Words

    def _count_terms(self, places: npt.NDArray[Any], times: int) -> None:
        self._df[places] += times
        self._log_df[places] = np.log(self._df[places].astype(np.float32) + np.float32(0.5))

    def _idf(self, places: Ints) -> Floats:
        own = np.float32(np.log(len(self._slots) + IDF_PRIOR)) - self._log_df.take(places)
        idf: Floats = np.maximum(np.minimum(own, self._rarity.take(places)), np.float32(0.01))
        return idf

    def _asked(self, decoded: Decoded) -> _Asked:
        known = self._places
        found = [known.get(identity, -1) for identity in decoded.ids]
        self._found = decoded, found
        places = np.array(found, np.int32)
        own = np.float32(np.log(len(self._slots) + IDF_PRIOR)) - np.where(places >= 0, self._log_df[places], _LOG_OF_NONE)
        idf = np.maximum(np.minimum(own, decoded.rarities), np.float32(0.01))
        return _Asked(places, idf, decoded.weights, decoded.vector, decoded.names, decoded.told)

    def _asked_of(self, slot: int) -> _Asked:
        weights = self._weights[slot]
        size = int(np.count_nonzero(weights))
        places = self._terms[slot, :size]
        return _Asked(places, self._idf(places), weights[:size], self._vectors[slot], self._names[slot], bool(self._told[slot]))

    def _words(self, places: Ints, mine: Floats, terms: Ints, theirs: Floats) -> tuple[Floats, Floats]:
        norm = max(float(np.sqrt((mine * mine).sum())), 1e-6)
        held = places >= 0
        self._query[places[held]] = mine[held]
        dots = (self._query.take(terms) * theirs).sum(axis=1)
        self._query[places[held]] = 0
        words = dots / (norm * np.maximum(np.sqrt((theirs * theirs).sum(axis=1)), 1e-6))
        share = np.where(held, self._df[places], 0) / (len(self._slots) + MEAN_PRIOR)
        unit = mine / norm
        spread = float(np.sqrt((unit * unit * share * (1 - share)).sum() * WORDS_SPREAD + WORDS_FLOOR**2))
        return words.astype(np.float32), (words / spread).astype(np.float32)

    def _shared_names(self, asked: _Asked, terms: Ints, weights: Floats, rarities: Floats, named: npt.NDArray[np.bool_]) -> Floats:
        """Give how much of the names in one title the other article has, of the two ways the greater; NaN where one has no names.

        Of the others: `terms` and `weights`, and of their titles' terms `rarities` and which are `named`.
        """
        places, held = asked.places, asked.places >= 0
        self._query[places[held]] = 1
        worth = np.where(named, rarities**2, 0)
        theirs = (worth * self._query.take(terms[:, :_TITLE_TERMS])).sum(axis=1) / np.maximum(worth.sum(axis=1), 1e-6)
        self._query[places[held]] = 0
        own = np.flatnonzero(asked.names[: len(places)])
        known = own[held[own]]
        self._query[places[known]] = asked.idf[known] ** 2
        mine = (self._query.take(terms) * (weights > 0)).sum(axis=1) / (asked.idf[own] ** 2).sum()
        self._query[places[known]] = 0
        return np.where(named.any(axis=1), np.maximum(theirs, mine), np.nan).astype(np.float32)

    # Meaning

    def _count(self, vector: npt.NDArray[np.int8], times: int) -> None:
        self._sum += vector if times == 1 else -vector.astype(np.int64)
        size = self._uncounted_size
        self._uncounted[size] = vector
        self._uncounted_times[size] = times
        self._uncounted_size = size + 1
        if self._uncounted_size == COUNTED_TOGETHER:
            # All are whole numbers, so the product of matrices is exact in any order.
            self._moment += (self._uncounted * self._uncounted_times[:, None]).T @ self._uncounted
            self._uncounted_size = 0

    def _square(self, whole: npt.NDArray[np.float64]) -> float:
        """Give the sum of the squared products of a vector of whole numbers with all vectors, the usual ones too: exact but for one sum."""
        size = self._uncounted_size
        late = self._uncounted[:size]
        product = self._moment @ whole + ((late @ whole) * self._uncounted_times[:size]) @ late
        return float((whole * product).sum())

    def _meaning(self, vector: npt.NDArray[np.int8], slots: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Cosines of the vectors, the index's mean taken off, and by how many standard deviations they exceed the usual."""
        held = len(self._slots)
        centre = (self._sum / (held + MEAN_PRIOR) / _UNIT).astype(np.float32)
        mine = vector.astype(np.float32) / np.float32(_UNIT) - centre
        theirs = self._vectors[slots].astype(np.float32) / np.float32(_UNIT) - centre
        if not vector.any():
            return np.zeros(len(slots), np.float32), np.zeros(len(slots), np.float32)
        mine /= max(float(np.sqrt((mine * mine).sum())), 1e-6)
        cosines = (theirs * mine).sum(axis=1) / np.maximum(np.sqrt((theirs * theirs).sum(axis=1)), 1e-6)
        usual = float((centre * mine).sum()) * held / (held + MEAN_PRIOR)
        moment = self._square(np.rint(mine.astype(np.float64) * _GRID)) / (_GRID**2 * _UNIT**2 * (held + SPREAD_PRIOR))
        variance = moment - usual**2
        spread = np.sqrt(max(variance, 0.0) + MEANING_FLOOR**2)
        return cosines.astype(np.float32), np.maximum(cosines / spread, 0).astype(np.float32)

    # Candidates

    def _candidates(self, asked: _Asked, day: float, *, time_known: bool, itself: int) -> npt.NDArray[np.intp]:
        """Give the slots that share the most with an article: sums of idf-weighted shared terms, rarest terms first."""
        places, worth = asked.places, asked.weights * asked.idf * asked.idf
        frequencies = np.where(places >= 0, self._df[places], 0)
        ordered = np.argsort(frequencies, kind="stable")
        ordered = ordered[np.searchsorted(frequencies[ordered], 1) :]
        if not len(ordered):
            return np.zeros(0, np.intp)
        # Terms are taken whole, so that nothing hangs on the order in which their articles came; the rarest one always.
        ordered = ordered[: max(1, int(np.searchsorted(np.cumsum(frequencies[ordered]), POSTINGS_BUDGET, side="right")))]
        found = [self._postings[place] for place in places[ordered].tolist()]
        every = np.frombuffer(b"".join(found), np.int32)
        value = np.repeat(worth[ordered], [len(slots) for slots in found])
        if len(self._slots) < len(self._held):
            alive = self._alive[every]
            every, value = every[alive], value[alive]
        if len(every) > POSTINGS_BUDGET:
            nearest = np.lexsort((self._keys[every], np.abs(self._days[every] - day)))[:POSTINGS_BUDGET]
            every, value = every[nearest], value[nearest]
        np.add.at(self._points, every, value)
        self._owner[every] = np.arange(len(every), dtype=np.int32)
        each = every[self._owner[every] == np.arange(len(every))].astype(np.intp)
        points = self._points[each]
        self._points[every] = 0
        fits = each != itself
        if time_known:
            fits &= ~self._known[each] | (np.abs(self._days[each] - day) <= WINDOW_DAYS)
        each, points = each[fits], points[fits]
        if len(each) > CANDIDATES:
            bar = np.partition(points, len(points) - CANDIDATES)[len(points) - CANDIDATES]
            each, points = each[points >= bar], points[points >= bar]
            each = each[np.lexsort((self._keys[each], np.abs(self._days[each] - day), -points))[:CANDIDATES]]
        kept: npt.NDArray[np.intp] = each
        return kept

    # Room

    def _make_room(self) -> None:
        """Grow to twice the size, or drop what was removed where that is half or more."""
        if 2 * len(self._slots) <= len(self._held):
            self._refill()
            return
        size = len(self._held)
        before = {name: getattr(self, name) for name in _BLOCKS}
        self._allocate(2 * self._capacity)
        for name, block in before.items():
            getattr(self, name)[:size] = block[:size]

    def _refill(self) -> None:
        """Take in anew what is held, so that the terms and rows of what was removed are gone."""
        kept = [
            (article_id, self.decoded(article_id), float(self._days[slot]), bool(self._known[slot]))
            for article_id, slot in self._slots.items()
        ]
        self._empty()
        for article_id, decoded, day, known in kept:
            self.add_decoded(article_id, decoded, day, time_known=known)

    def _interned(self, decoded: Decoded) -> list[int]:
        known = self._places
        if self._found is not None and self._found[0] is decoded:
            found = self._found[1]
        else:
            found = [known.get(identity, -1) for identity in decoded.ids]
        if -1 not in found:
            return found
        places = list(found)
        for at in (at for at, place in enumerate(found) if place < 0):
            identity = decoded.ids[at]
            place = known.setdefault(identity, len(self._postings))
            if place == len(self._postings):
                self._postings.append(array("i"))
                self._hashes.append(identity)
                if place >= len(self._df):
                    for name, empty in (("_rarity", 0), ("_df", 0), ("_log_df", _LOG_OF_NONE), ("_query", 0)):
                        old = getattr(self, name)
                        setattr(self, name, np.concatenate((old, np.full(len(old), empty, old.dtype))))
                self._rarity[place] = decoded.rarities[at]
            places[at] = place
        return places


@cache
def _usual_moment(file: str) -> npt.NDArray[np.float64]:
    """Second moments of `SPREAD_PRIOR` vectors in the news at large: whole numbers, so that sums with others are exact."""
    with files(__package__).joinpath(file).open("rb") as stream, np.load(stream) as fitted:
        moment: npt.NDArray[np.float64] = np.rint(fitted["moment"].astype(np.float64) * (SPREAD_PRIOR * _UNIT**2))
    return moment
