"""The similarity index: open articles by their terms and vectors, and the links of a new one to them.

What `links` gives depends only on the articles held and on the order in which they were added, so an index that is filled
again in that order (a restart) answers the same.
"""

from array import array
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
import numpy.typing as npt

from services.cluster.assign import score
from shared.contracts import Features

WINDOW_DAYS = 14.0
MAX_LINKS = 40
CANDIDATES = 60
POSTINGS_BUDGET = 8_000
POSTINGS_PER_TERM = 1_000
PRIOR_ARTICLES = 200.0
"""The stream's own idf begins from as many articles of a like stream."""

_BITS = 22
_MASK = (1 << _BITS) - 1
_NONE = 1 << _BITS
_TERMS = 192
_TITLE = 24
_BODY = 320
_NUMBERS = 16
_DIMENSIONS = 512
_SAMPLE = 256


@dataclass(frozen=True, slots=True)
class Link:
    """How likely an article of the index tells the same event."""

    article_id: UUID
    probability: float


@dataclass(slots=True)
class _Row:
    """Features, decoded."""

    ids: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    rarities: npt.NDArray[np.float32]
    names: npt.NDArray[np.bool_]
    titles: int
    unigrams: int
    body: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int32]
    title_vector: npt.NDArray[np.float32]
    lead_vector: npt.NDArray[np.float32]
    words: int


def decode(features: Features) -> _Row:
    """Read the packed arrays of features."""
    ids = np.full(_TERMS, _NONE, np.int32)
    weights = np.zeros(_TERMS, np.float32)
    rarities = np.zeros(_TERMS, np.float32)
    names = np.zeros(_TERMS, np.bool_)
    found = np.frombuffer(b64decode(features.term_ids), "<u4")[:_TERMS]
    size = len(found)
    ids[:size] = found & _MASK
    weights[:size] = np.frombuffer(b64decode(features.term_weights), "<f2")[:size]
    rarities[:size] = np.frombuffer(b64decode(features.term_rarities), "<f2")[:size]
    places = np.frombuffer(b64decode(features.name_places), "u1")
    names[places[places < size]] = True
    body = np.full(_BODY, _NONE, np.int32)
    found = np.frombuffer(b64decode(features.body_ids), "<u4")[:_BODY]
    body[: len(found)] = found & _MASK
    numbers = np.full(_NUMBERS, -1, np.int32)
    from zlib import crc32
    own = [crc32(number.encode()) & 0x7FFFFFFF for number in features.numbers[:_NUMBERS]]
    numbers[: len(own)] = own
    zero = np.zeros(_DIMENSIONS, np.float32)
    title = _vector(features.title_vector)
    lead = _vector(features.lead_vector)
    return _Row(
        ids, weights, rarities, names, min(len(features.title_terms), _TITLE), features.unigrams, body, numbers,
        title if title is not None else lead if lead is not None else zero,
        lead if lead is not None else title if title is not None else zero,
        features.words,
    )


def _vector(packed: str | None) -> npt.NDArray[np.float32] | None:
    return None if packed is None else np.frombuffer(b64decode(packed), "<f2").astype(np.float32)


class SimilarityIndex:
    """Articles of open stories. Single-threaded."""

    def __init__(self) -> None:
        self._slot: dict[UUID, int] = {}
        self._ids: list[UUID] = []
        self._size = 0
        self._alive_count = 0
        self._postings: dict[int, "array[int]"] = {}
        self._df = np.zeros(_NONE + 1, np.int32)
        self._query = np.zeros(_NONE + 1, np.float32)
        self._title_place = np.zeros(_NONE + 1, np.int16)
        self._any = np.zeros(_NONE + 1, np.bool_)
        self._mean = np.zeros(_DIMENSIONS, np.float64)
        self._allocate(1024)

    def _allocate(self, capacity: int) -> None:
        def grown(name: str, shape: tuple[int, ...], kind: str) -> None:
            new = np.zeros((capacity, *shape), kind)
            old = getattr(self, name, None)
            if old is not None:
                new[: len(old)] = old
            setattr(self, name, new)

        for name, shape, kind in (
            ("t", (_TERMS,), "i4"), ("w", (_TERMS,), "f4"), ("r", (_TERMS,), "f4"), ("nm", (_TERMS,), "?"), ("tn", (), "i4"), ("ug", (), "i4"),
            ("b", (_BODY,), "i4"), ("no", (_NUMBERS,), "i4"), ("vt", (_DIMENSIONS,), "f4"), ("vl", (_DIMENSIONS,), "f4"), ("vc", (_DIMENSIONS,), "f4"),
            ("words", (), "i4"), ("when", (), "f8"), ("known", (), "?"), ("alive", (), "?"), ("stand", (6,), "f4"), ("cm", (), "f4"),
        ):
            grown(name, shape, kind)
        self._capacity = capacity

    def __len__(self) -> int:
        return self._alive_count

    def add(self, article_id: UUID, features: Features, event_at: datetime, *, time_known: bool) -> None:
        """Hold an article. One that is held already is replaced, and is then the newest."""
        self.add_row(article_id, decode(features), event_at.timestamp() / 86_400, time_known)

    def add_row(self, article_id, row, day, time_known):
        self.remove(article_id)
        if self._size == self._capacity:
            self._allocate(self._capacity * 2)
        slot = self._size
        self._size += 1
        self._slot[article_id] = slot
        self._ids.append(article_id)
        self.t[slot], self.w[slot], self.r[slot], self.nm[slot] = row.ids, row.weights, row.rarities, row.names
        self.tn[slot], self.ug[slot], self.b[slot], self.no[slot] = row.titles, row.unigrams, row.body, row.numbers
        self.vt[slot], self.vl[slot] = row.title_vector, row.lead_vector
        self.vc[slot] = _unit(row.title_vector + row.lead_vector)
        self.words[slot], self.when[slot], self.known[slot], self.alive[slot] = row.words, day, time_known, True
        self._df[row.ids] += 1
        self._df[row.body] += 1
        self._df[_NONE] = 0
        self._mean += self.vc[slot]
        self._alive_count += 1
        for term in row.ids[: row.unigrams].tolist():
            posting = self._postings.get(term)
            if posting is None:
                posting = self._postings[term] = array("i")
            posting.append(slot)
        self.stand[slot] = self._standing(row, slot)

    def remove(self, article_id: UUID) -> None:
        """Forget an article; nothing happens where it isn't held."""
        slot = self._slot.pop(article_id, None)
        if slot is None:
            return
        self.alive[slot] = False
        self._alive_count -= 1
        self._df[self.t[slot]] -= 1
        self._df[self.b[slot]] -= 1
        self._df[_NONE] = 0
        self._mean -= self.vc[slot]

    def hand_over(self, article_id: UUID, to: "SimilarityIndex") -> None:
        """Move an article that is held to another index, where it is then the newest."""
        slot = self._slot[article_id]
        row, day, known = self._row_at(slot), float(self.when[slot]), bool(self.known[slot])
        self.remove(article_id)
        to.add_row(article_id, row, day, known)

    def links_of(self, article_id: UUID) -> list[Link]:
        """Give at most 40 links of an article that is held to the others, as `links` does."""
        slot = self._slot[article_id]
        found = self._links(self._row_at(slot), float(self.when[slot]), bool(self.known[slot]), MAX_LINKS + 1)
        return [link for link in found if link.article_id != article_id][:MAX_LINKS]

    def _row_at(self, slot: int) -> _Row:
        return _Row(
            self.t[slot].copy(), self.w[slot].copy(), self.r[slot].copy(), self.nm[slot].copy(), int(self.tn[slot]), int(self.ug[slot]),
            self.b[slot].copy(), self.no[slot].copy(), self.vt[slot].copy(), self.vl[slot].copy(), int(self.words[slot]),
        )  # fmt: skip

    def links(self, features: Features, event_at: datetime, *, time_known: bool) -> list[Link]:
        """Give at most 40 links of an article to those held within 14 days, best first; ties in the order they were added."""
        return self._links(decode(features), event_at.timestamp() / 86_400, time_known, MAX_LINKS)

    def _links(self, row: _Row, day: float, time_known: bool, limit: int) -> list[Link]:
        slots, rows, days, known = self.pairs(row, day, time_known)
        if not len(slots):
            return []
        chances = score.probability(score.log_odds(rows) + score.time_log_odds(days, known))
        best = np.lexsort((slots, -chances))[:limit]
        return [Link(self._ids[slots[place]], float(chances[place])) for place in best]

    def _idf(self, ids, rarities):
        own = np.log((self._alive_count + PRIOR_ARTICLES) / (self._df[ids] + 1.0))
        # An unseen stream's first articles know only the language at large.
        return np.minimum(own, rarities).astype(np.float32)

    def _sample(self) -> npt.NDArray[np.intp]:
        tail = np.flatnonzero(self.alive[max(0, self._size - 4 * _SAMPLE) : self._size]) + max(0, self._size - 4 * _SAMPLE)
        return tail[-_SAMPLE:]

    def _similar(self, row, slots):
        """tfidf, title, vector similarity of a row with slots."""
        idf = self._idf(row.ids, row.rarities)
        mine = row.weights * idf
        norm = float(np.sqrt((mine * mine).sum())) or 1.0
        self._query[row.ids] = mine
        self._query[_NONE] = 0
        t = self.t[slots]
        theirs_idf = self._idf(t, self.r[slots])
        theirs = self.w[slots] * theirs_idf
        shared = self._query[t]
        tfidf = (shared * theirs).sum(1) / (norm * np.maximum(np.sqrt((theirs * theirs).sum(1)), 1e-6))
        self._query[row.ids] = 0
        title_idf = idf[: row.titles]
        self._query[row.ids[: row.titles]] = title_idf
        self._query[_NONE] = 0
        tt = t[:, :_TITLE]
        ti = np.where(np.arange(_TITLE) < self.tn[slots][:, None], theirs_idf[:, :_TITLE], 0)
        title = (self._query[tt] * ti).sum(1) / np.maximum(np.sqrt((title_idf**2).sum()) * np.sqrt((ti * ti).sum(1)), 1e-6)
        self._query[row.ids] = 0
        vector = self.vc[slots] @ _unit(row.title_vector + row.lead_vector)
        return tfidf, title, vector, theirs_idf, idf

    def _standing(self, row, slot) -> npt.NDArray[np.float32]:
        sample = self._sample()
        sample = sample[sample != slot]
        if len(sample) == 0:
            return np.array([0.02, 0.03, 0.0, 0.02, 0.1, 0.1], np.float32)
        tfidf, title, vector, _, _ = self._similar(row, sample)
        n = len(sample)
        k = 20.0
        return np.array([
            (tfidf.sum() + k * 0.02) / (n + k), np.sqrt((tfidf.var() * n + k * 0.03**2) / (n + k)),
            (title.sum() + k * 0.01) / (n + k), np.sqrt((title.var() * n + k * 0.04**2) / (n + k)),
            (vector.sum() + k * 0.1) / (n + k), np.sqrt((vector.var() * n + k * 0.1**2) / (n + k)),
        ], np.float32)

    def candidates(self, row, day, time_known):
        size = self._size
        if size == 0:
            return np.zeros(0, np.intp)
        unigrams = row.ids[: row.unigrams]
        weight = (row.weights * self._idf(row.ids, row.rarities) ** 2)[: row.unigrams]
        order = np.lexsort((np.arange(len(unigrams)), self._df[unigrams]))
        got, values, total = [], [], 0
        for place in order.tolist():
            posting = self._postings.get(int(unigrams[place]))
            if posting is None:
                continue
            slots = np.array(posting[-POSTINGS_PER_TERM:], np.intp)
            slots = slots[self.alive[slots]]
            got.append(slots)
            values.append(np.full(len(slots), weight[place], np.float32))
            total += len(slots)
            if total > POSTINGS_BUDGET:
                break
        found = np.zeros(0, np.intp)
        if got:
            every = np.concatenate(got)
            sums = np.bincount(every, np.concatenate(values), size)
            found = np.flatnonzero(sums)
            if len(found) > CANDIDATES:
                found = found[np.lexsort((-found, -sums[found]))[:CANDIDATES]]
        near = self.vc[:size] @ _unit(row.title_vector + row.lead_vector)
        near[~self.alive[:size]] = -1
        close = np.argsort(-near, kind="stable")[:20]
        found = np.union1d(found, close[near[close] > 0.25])
        if time_known:
            far = self.known[found] & (np.abs(self.when[found] - day) > WINDOW_DAYS)
            found = found[~far]
        return found[self.alive[found]]

    def pairs(self, row, day, time_known):
        """Slots, feature rows, days, known."""
        slots = self.candidates(row, day, time_known)
        n = len(slots)
        out = np.zeros((n, len(score.FEATURES)), np.float32)
        if n == 0:
            return slots, out, np.zeros(0, np.float32), np.zeros(0, np.bool_)
        tfidf, title, vector, theirs_idf, idf = self._similar(row, slots)
        t = self.t[slots]
        vt, vl = self.vt[slots], self.vl[slots]
        title_vector = vt @ row.title_vector
        lead_vector = vl @ row.lead_vector
        cross = np.maximum(vt @ row.lead_vector, vl @ row.title_vector)
        mean = (self._mean / (self._alive_count + 50.0)).astype(np.float32)
        mine = _unit(_unit(row.title_vector + row.lead_vector) - mean)
        theirs = self.vc[slots] - mean
        centred = (theirs @ mine) / np.maximum(np.sqrt((theirs * theirs).sum(1)), 1e-6)
        # terms anywhere
        self._any[row.ids] = True
        self._any[row.body] = True
        self._any[_NONE] = False
        b = self.b[slots]
        hit_t, hit_b = self._any[t], self._any[b]
        uni = theirs_idf
        rare = np.where(hit_t & (self._df[t] <= max(3, 0.01 * self._alive_count)), uni, 0).sum(1)
        body_idf = np.log((self._alive_count + PRIOR_ARTICLES) / (self._df[b] + 1.0)).astype(np.float32)
        body_idf = np.where(b == _NONE, 0, np.minimum(body_idf, 6.0))
        t_idf = np.where(t == _NONE, 0, theirs_idf)
        mine_body = np.where(row.body == _NONE, 0, np.minimum(np.log((self._alive_count + PRIOR_ARTICLES) / (self._df[row.body] + 1.0)), 6.0))
        total_mine = (np.where(row.ids == _NONE, 0, idf) ** 2).sum() + (mine_body**2).sum()
        body = ((hit_t * t_idf**2).sum(1) + (hit_b * body_idf**2).sum(1)) / np.sqrt(np.maximum(total_mine * ((t_idf**2).sum(1) + (body_idf**2).sum(1)), 1e-6))
        in_title = np.arange(_TITLE) < self.tn[slots][:, None]
        ti = np.where(in_title, theirs_idf[:, :_TITLE], 0)
        cover_theirs = (hit_t[:, :_TITLE] * ti).sum(1) / np.maximum(ti.sum(1), 1e-6)
        nm = self.nm[slots]
        tni = np.where(in_title & nm[:, :_TITLE], theirs_idf[:, :_TITLE], 0)
        ncover_theirs = ((hit_t[:, :_TITLE] * tni).sum(1) + 1.0) / (tni.sum(1) + 2.0)
        self._any[row.ids] = False
        self._any[row.body] = False
        # my title in theirs
        k = row.titles
        self._title_place[row.ids[:k]] = np.arange(1, k + 1)
        self._title_place[_NONE] = 0
        found = np.zeros((n, _TITLE + 1), np.bool_)
        line = np.arange(n)[:, None]
        found[line, self._title_place[t]] = True
        found[line, self._title_place[b]] = True
        found = found[:, 1 : k + 1]
        self._title_place[row.ids[:k]] = 0
        mi = idf[:k]
        cover_mine = (found * mi).sum(1) / max(float(mi.sum()), 1e-6)
        mni = mi * row.names[:k]
        ncover_mine = ((found * mni).sum(1) + 1.0) / (mni.sum() + 2.0)
        # names
        self._query[row.ids] = np.where(row.names, idf, 0)
        self._query[_NONE] = 0
        ni = np.where(nm, theirs_idf, 0)
        names = (self._query[t] * nm).sum(1) / np.sqrt((ni.sum(1) + 3.0) * (float(self._query[row.ids].sum()) + 3.0))
        self._query[row.ids] = 0
        no = self.no[slots]
        own = row.numbers[row.numbers >= 0]
        shared = ((no[:, :, None] == own) & (no >= 0)[:, :, None]).any(2).sum(1) if len(own) else np.zeros(n)
        count = (no >= 0).sum(1)
        conflict = np.minimum(count - shared, len(own) - shared)
        mean_t, std_t, mean_h, std_h, mean_v, std_v = self._standing_query(row)
        st = self.stand[slots]
        z = lambda s, m, d, a: np.minimum((s - m) / d, (s - st[:, a]) / st[:, a + 1])  # noqa: E731
        columns = (
            tfidf, title, title_vector, lead_vector, cross, centred, np.log1p(rare),
            np.minimum(cover_mine, cover_theirs), np.maximum(cover_mine, cover_theirs), names,
            np.minimum(ncover_mine, ncover_theirs), np.maximum(ncover_mine, ncover_theirs), shared, conflict, body,
            z(tfidf, mean_t, std_t, 0), z(title, mean_h, std_h, 2), z(vector, mean_v, std_v, 4),
            tfidf / max(tfidf.max(), 1e-6), centred / max(centred.max(), 1e-6),
            np.log1p(np.minimum(self.words[slots], row.words)), np.log1p(np.maximum(self.words[slots], row.words)),
        )  # fmt: skip
        for place, column in enumerate(columns):
            out[:, place] = column
        return slots, out, (self.when[slots] - day).astype(np.float32), self.known[slots] & time_known

    def _standing_query(self, row):
        return self._standing(row, -1)


def _unit(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return vector / max(float(np.sqrt((vector * vector).sum())), 1e-6)  # type: ignore[no-any-return]
