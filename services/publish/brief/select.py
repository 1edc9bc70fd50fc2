"""Chooses a brief's sentences: what several articles share first, each thing once."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.marks import Marks
from services.publish.brief.read import Reading, Statement
from services.publish.brief.sift import find_flaw
from services.publish.brief.support import CORE, check_around, covered, hoped, may_state
from services.publish.brief.trim import trim
from services.publish.brief.words import families

POSITION_FADE = 0.12
"""How fast a sentence counts less the later it stands: reports put first what matters most."""
SHARED_GAIN = 1.4
"""What each doubling of the independent outlets that state a sentence is worth."""
CENTRAL_GAIN = 1.5
FULL_WEIGHT = 7.0
"""Weight from which a sentence says something; a shorter one counts by what it says."""
HEADLINE_GAIN = 0.8
BEST_WORDS = (12, 30)
"""Words of a sentence that reads well."""
DOUBT = 0.5
"""Coverage from which an article that is not found to state a sentence may yet do so: such sentences are avoided."""
DOUBT_LOSS = 0.35
QUOTE_LOSS = 0.15
"""A quotation tells less than a statement does."""
TODAY_LOSS = 0.8
""""Today" is another day for who reads tomorrow."""
UNKNOWN_LOSS = 0.35
"""A bare surname says nothing to who has not read the person's name and office."""
STRANGE_LOSS = 1.2
"""An article that has little in common with the others may not belong to the story."""
STRANGE = 0.6
"""Likeness to the others, as a share of the median's, below which an article is strange."""
OPENING_GAIN = 1.5
"""What it is worth for the brief's first sentence to be an article's first."""
HEADLINE_OPENING_GAIN = 2.5
"""What it is worth for it to say all that the headline says."""
QUOTED_OPENING_LOSS = 0.6
LIKE = 0.14
"""Likeness, beyond what the story's sentences have in common, that makes two sentences that share much the same."""
LOADED_LOSS = 1.0
"""A writer's opinion is not what a story's articles say."""
SAME_FIGURES = 2
"""Numbers in common by which two sentences tell the same count or vote."""
SAME_FIGURES_SHARE = 0.6
RETOLD = 0.62
"""Share of a sentence that another has in its own or other words, above which it says the same."""
LATE = 3
"""Sentences after which a report turns to what was before."""
BEGINNING = 5
"""Sentences of an article that show what it is about."""
COPY = 0.5
"""Share of an article's sentences that stand word for word in another, from which the two are one outlet's report."""
TRIMS = 2
"""Last clauses that are cut off a sentence at most, to find what more articles state."""
CHECKS = 8
"""Passages of an article that are checked for one sentence, the likeliest first."""


class Kind(IntEnum):
    """A sentence's place in a brief: what happened, answers, background, wider matters."""

    EVENT = 0
    ANSWER = 1
    BACKGROUND = 2
    WIDER = 3


@dataclass(slots=True, eq=False)
class Candidate:
    """A usable sentence, what it is worth and which articles state it."""

    statement: Statement
    article: Reading
    place: int
    """Place of its article in the story's order, from 0."""
    kind: Kind
    prior: float
    opening: float = 0.0
    """What it is worth as the brief's first sentence."""
    stated_by: tuple[int, ...] = ()
    """Places of the articles that state it, ascending."""
    independent: int = 1
    """How many independent outlets they are."""
    score: float = 0.0
    profile: dict[str, float] = field(default_factory=dict)
    """Term → weight for likeness, rare terms of the story the heaviest; unit length."""


def find_candidates(readings: Sequence[Reading], headline: Marks, limits: Limits = DEFAULT_LIMITS) -> list[Candidate]:
    """Give the story's usable sentences with all articles that state them, the best first."""
    spread = _spread(readings)
    strange = _strangeness(readings, spread)
    usable: list[Candidate] = []
    for place, reading in enumerate(readings):
        own: set[str] = set()
        for statement in reading.body:
            if statement.text in own or find_flaw(statement, reading, limits) is not None:
                continue
            own.add(statement.text)
            prior = _prior(statement, reading, spread, headline, len(readings)) - strange[place]
            usable.append(Candidate(statement, reading, place, find_kind(statement, reading), prior))
    usable.sort(key=lambda c: (-c.prior, c.place, c.statement.position))
    kept = usable[: limits.candidates]
    index = _Index(readings)
    rarity = index.rarity()
    groups = _groups(readings)
    independent = len(set(groups))
    for candidate in kept:
        candidate.stated_by, near, doubted = index.stated_by(candidate.statement, candidate.place, limits)
        candidate.independent = len({groups[article] for article in candidate.stated_by})
        if candidate.independent < independent and near:
            for shorter in itertools.islice(trim(candidate.statement, candidate.article, limits), TRIMS):
                stated_by, _, doubts = index.stated_by(shorter, candidate.place, limits)
                count = len({groups[article] for article in stated_by})
                if count > candidate.independent and find_flaw(shorter, candidate.article, limits) is None:
                    candidate.statement, candidate.stated_by, candidate.independent, doubted = shorter, stated_by, count, doubts
        candidate.score = candidate.prior + SHARED_GAIN * math.log2(candidate.independent) - DOUBT_LOSS * min(doubted, 4)
        candidate.opening = _opening(candidate, headline) - strange[candidate.place]
        candidate.profile = _profile(candidate.statement, rarity)
    kept.sort(key=lambda c: (-c.score, c.place, c.statement.position))
    return kept


def choose(candidates: Sequence[Candidate], count: int, limits: Limits = DEFAULT_LIMITS) -> list[Candidate]:
    """Choose up to `count` sentences, first the one that tells what happened, then the best, none that says what a chosen one says."""
    if not candidates:
        return []
    chosen = [max(candidates, key=lambda c: (c.opening, -c.place, -c.statement.position))]
    for candidate in candidates:
        if len(chosen) >= count:
            break
        if not any(repeats(candidate, other, limits) for other in chosen):
            chosen.append(candidate)
    return chosen


def repeats(one: Candidate, other: Candidate, limits: Limits = DEFAULT_LIMITS) -> bool:
    """Say whether two sentences say the same in great part."""
    if _shares_figures(one.statement.marks, other.statement.marks):
        return True
    shared = max(covered(one.statement.marks, other.statement.marks), covered(other.statement.marks, one.statement.marks))
    if limits.repetition / 2 < shared <= limits.repetition and _tells_the_same(one, other):
        return True
    return shared > limits.repetition or (shared > limits.repetition / 2 and shared + likeness(one, other) > limits.repetition + LIKE)


def _tells_the_same(one: Candidate, other: Candidate) -> bool:
    """Say whether one of two sentences says in great part, in its own words, what the other does."""
    kin = families(one.article.source.language)
    ours, theirs = one.statement.marks, other.statement.marks
    return max(hoped(ours, theirs, kin), hoped(theirs, ours, kin)) > RETOLD


def _shares_figures(one: Marks, other: Marks) -> bool:
    """Say whether two sentences have two numbers or more in common and few others."""
    ours, theirs = {figure.value for figure in one.figures}, {figure.value for figure in other.figures}
    common = len(ours & theirs)
    return common >= SAME_FIGURES and common >= SAME_FIGURES_SHARE * min(len(ours), len(theirs))


def likeness(one: Candidate, other: Candidate) -> float:
    """Give the cosine of two sentences' profiles, 0 to 1."""
    small, large = (one.profile, other.profile) if len(one.profile) <= len(other.profile) else (other.profile, one.profile)
    return sum(weight * large[term] for term, weight in small.items() if term in large)


def find_kind(statement: Statement, article: Reading) -> Kind:
    """Say where a sentence belongs by its words, its place and who speaks in it."""
    lexicon = article.lexicon
    lows = [token.word.low for token in statement.tokens if not token.mark]
    published = article.source.published_at
    years = [int(float(figure.value)) for figure in statement.marks.figures if figure.value.isdigit() and len(figure.value) == 4]
    past = published is not None and any(1800 < year < published.year for year in years)
    if statement.position <= 1:
        return Kind.EVENT
    told = statement.marks.attributed or statement.marks.speaking
    if past or (statement.position >= LATE and any(low in lexicon.background for low in lows)):
        return Kind.BACKGROUND
    if any(low in lexicon.wider for low in lows):
        return Kind.WIDER
    if told and (statement.marks.quotes or any(low in lexicon.reaction for low in lows)):
        return Kind.ANSWER
    return Kind.EVENT


def _groups(readings: Sequence[Reading]) -> list[int]:
    """Give each article's group: near-copies and one publisher's articles are one outlet."""
    first_with: dict[str, int] = {}
    group = list(range(len(readings)))
    for place, reading in enumerate(readings):
        keys = [f"publisher {reading.source.publisher_id}"]
        if reading.source.wire_group is not None:
            keys.append(f"wire {reading.source.wire_group}")
        joined = [group[first_with[key]] for key in keys if key in first_with]
        shared: dict[int, int] = {}
        long = [statement.text for statement in reading.body if statement.marks.words > 7]
        for text in long:
            if text in first_with:
                shared[first_with[text]] = shared.get(first_with[text], 0) + 1
        joined.extend(group[other] for other, count in shared.items() if count >= COPY * len(long))
        if joined:
            target = min(joined)
            group = [target if held in joined or at == place else held for at, held in enumerate(group)]
        for key in (*keys, *long):
            first_with.setdefault(key, place)
    return group


def _spread(readings: Sequence[Reading]) -> dict[str, int]:
    spread: dict[str, int] = {}
    for reading in readings:
        terms = set(reading.title.marks.terms)
        for statement in reading.body:
            terms.update(statement.marks.terms)
        for term in terms:
            spread[term] = spread.get(term, 0) + 1
    return spread


def _strangeness(readings: Sequence[Reading], spread: dict[str, int]) -> list[float]:
    """Give each article's loss for having little in common with the others, from title and beginning."""
    if len(readings) < 3:
        return [0.0] * len(readings)
    common: list[float] = []
    for reading in readings:
        terms: dict[str, float] = dict(reading.title.marks.terms)
        for statement in reading.body[:BEGINNING]:
            terms.update(statement.marks.terms)
        total = sum(terms.values()) or 1.0
        common.append(sum(weight * (spread.get(term, 1) - 1) for term, weight in terms.items()) / total / (len(readings) - 1))
    middle = sorted(common)[len(common) // 2] or 1.0
    return [STRANGE_LOSS * max(0.0, 1.0 - value / (STRANGE * middle)) for value in common]


def _prior(statement: Statement, article: Reading, spread: dict[str, int], headline: Marks, articles: int) -> float:
    marks = statement.marks
    central = sum(weight * math.log1p(spread.get(term, 1)) for term, weight in marks.terms.items())
    central /= max(marks.weight, FULL_WEIGHT) * math.log1p(articles)
    in_headline = _told(headline, marks)
    low, high = BEST_WORDS
    length = max(0, low - marks.words) * 0.12 + max(0, marks.words - high) * 0.04
    named = 0.0 if marks.names or marks.figures else 0.5
    dated = TODAY_LOSS if any(token.word.low in article.lexicon.relative_days for token in statement.tokens if token.word.special) else 0.0
    quoted = QUOTE_LOSS if marks.quotes else 0.0
    if any(not token.quoted and token.word.low in article.lexicon.loaded for token in statement.tokens):
        named += LOADED_LOSS
    named += dated + quoted + UNKNOWN_LOSS * _has_unknown(marks, article, headline)
    return CENTRAL_GAIN * central + HEADLINE_GAIN * in_headline + 1.0 / (1.0 + POSITION_FADE * statement.position) - length - named


def _opening(candidate: Candidate, headline: Marks) -> float:
    statement = candidate.statement
    gain = OPENING_GAIN / (1 + statement.position) + HEADLINE_OPENING_GAIN * _told(headline, statement.marks)
    return candidate.score / 2 + gain - (QUOTED_OPENING_LOSS if statement.marks.quotes else 0.0)


def _told(headline: Marks, marks: Marks) -> float:
    """Give the share of a headline's terms and numbers that a sentence has."""
    values = {figure.value for figure in marks.figures}
    told = sum(term in marks.terms for term in headline.terms) + sum(figure.value in values for figure in headline.figures)
    return told / (len(headline.terms) + len(headline.figures) or 1)


def _has_unknown(marks: Marks, article: Reading, headline: Marks) -> bool:
    """Say whether a sentence has a bare surname that neither it nor the headline introduces."""
    return any(len(run) == 1 and run[0] not in headline.terms and len(article.full_names.get(run[0], run)) > 1 for run in marks.names)


def _profile(statement: Statement, rarity: dict[str, float]) -> dict[str, float]:
    raw = {term: weight * rarity.get(term, 1.0) for term, weight in statement.marks.terms.items()}
    length = math.sqrt(sum(weight * weight for weight in raw.values())) or 1.0
    return {term: weight / length for term, weight in raw.items()}


_NO_ROWS: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)


class _Index:
    """Term → the sentences that have it, over all articles, so that a sentence is compared with those alone that it may be in."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings
        self._starts: list[int] = []
        self._rows: list[int] = []
        self._same: dict[str, set[int]] = {}
        postings: dict[str, list[int]] = {}
        row = 0
        for place, reading in enumerate(readings):
            self._starts.append(row)
            for statement in reading.body:
                self._same.setdefault(statement.text, set()).add(place)
            for statement in (reading.title, *reading.body):
                for term in statement.marks.terms:
                    postings.setdefault(term, []).append(row)
                self._rows.append(place)
                row += 1
        self._postings = {term: np.asarray(rows, dtype=np.int64) for term, rows in postings.items()}
        self._families: dict[str, frozenset[int]] = {}
        for language in {reading.source.language for reading in readings}:
            self._families.update(families(language))
        self._hopes: dict[str, npt.NDArray[np.int64]] = {}
        self._related: dict[int, list[str]] = {}
        for term in postings:
            for number in self._families.get(term, ()):
                self._related.setdefault(number, []).append(term)
        self._statements = [(reading.title, *reading.body) for reading in readings]

    def rarity(self) -> dict[str, float]:
        """Give each term's weight by how few of the story's sentences have it."""
        total = len(self._rows) or 1
        return {term: math.log(1.0 + total / len(rows)) for term, rows in self._postings.items()}

    def _rows_of(self, term: str) -> npt.NDArray[np.int64]:
        """Give the sentences that have a term or another of its families."""
        rows = self._hopes.get(term)
        if rows is None:
            terms = {term}.union(*(self._related.get(number, ()) for number in self._families.get(term, ())))
            held = [self._postings[each] for each in terms if each in self._postings]
            rows = held[0] if len(held) == 1 else np.unique(np.concatenate(held)) if held else _NO_ROWS
            self._hopes[term] = rows
        return rows

    def stated_by(self, statement: Statement, own: int, limits: Limits) -> tuple[tuple[int, ...], int, int]:
        """Give the articles that state a sentence, how many others have much of it, and how many of these may state it yet."""
        marks = statement.marks
        shares = np.zeros(len(self._rows))
        for term, weight in marks.terms.items():
            rows = self._rows_of(term)
            if len(rows):
                shares[rows] += weight
        shares /= marks.weight or 1.0
        likely: dict[int, list[tuple[float, int]]] = {}
        for row in np.flatnonzero(shares >= limits.coverage * CORE).tolist():
            place = self._rows[row]
            likely.setdefault(place, []).append((-float(shares[row]), row - self._starts[place]))
        stating = {own, *self._same.get(statement.text, ())}
        doubted = 0
        for place, passages in likely.items():
            if place in stating:
                continue
            statements = self._statements[place]
            doubt = -min(passages)[0] >= DOUBT
            if not may_state(marks, self._readings[place]):
                doubted += doubt
                continue
            own_shares = shares[self._starts[place] : self._starts[place] + len(statements)].tolist()
            for _, at in sorted(passages)[:CHECKS]:
                if check_around(marks, self._readings[place], statements, at, own_shares, limits) is not None:
                    stating.add(place)
                    break
            else:
                doubted += doubt
        return tuple(sorted(stating)), len(likely.keys() - stating), doubted
