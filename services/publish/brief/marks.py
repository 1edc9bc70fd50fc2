"""Reads what a sentence says: its terms, names, numbers, days, negations, quotations and speakers, all that `support` compares."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from services.publish.brief.lexicon import Lexicon
from services.publish.brief.speakers import CLAUSE_MARKS, NOBODY, find_quotes, find_speakers
from services.publish.brief.words import IDEOGRAPHIC, NO_WORD, WEAK_WEIGHT, Token, Word

NAME_WEIGHT = 1.2
SCOPE = 3
"""Terms that a negation or turning word can touch, inside its clause."""


class Figure(NamedTuple):
    """A number and the terms that stand with it."""

    value: str
    bound: frozenset[str]
    sides: frozenset[tuple[int, int]]
    """Sides of opposites in its clause: whether it rose or fell."""
    counted: frozenset[str] = frozenset()
    """The terms directly after it: what it counts."""


@dataclass(slots=True, eq=False)
class Marks:
    """What a sentence says, as far as a program can compare it. Never changed once made; not frozen, which would make it slower to make."""

    sequence: tuple[str, ...]
    """Its terms in order, repeated ones too."""
    terms: dict[str, float]
    """Term → weight."""
    weight: float
    """Sum of the terms' weights."""
    names: tuple[tuple[str, ...], ...]
    """Runs of names ("lee", "jae", "myung")."""
    name_terms: frozenset[str]
    """All terms of its names."""
    figures: tuple[Figure, ...]
    days: tuple[frozenset[str], ...]
    """Each day spoken of, as the dates that it may be."""
    periods: tuple[frozenset[str], ...]
    """ "Last week" and the like, as the dates that it may be."""
    negated: tuple[frozenset[str], ...]
    """For each negation, the terms that it touches."""
    superlatives: tuple[frozenset[str], ...]
    """For each superlative, the term that it raises."""
    turns: dict[int, frozenset[str]]
    """Class of turning words → the terms that they touch."""
    future: bool
    """It tells of what will be."""
    sides: dict[int, frozenset[int]]
    """Pair of opposites → the sides that are here."""
    quotes: tuple[str, ...]
    """Quoted passages, letters and digits only."""
    attributed: bool
    """It hands a statement to a speaker."""
    speaking: bool
    """It has a verb of saying of any kind, outside quotations."""
    speakers: frozenset[str]
    """Terms that stand where the speaker does."""
    pronoun_speaker: bool
    body_speaker: bool
    """An organisation named before is the speaker: "the company"."""
    pronouns: bool
    """It has a pronoun for someone named before, or "the company" for one."""
    official: bool
    """An authority is the speaker: police, a ministry, figures."""
    partisan: bool
    """One with an interest is the speaker: a union, a company, critics."""
    placed: frozenset[str]
    """Names that say where: after "in"."""
    passive: bool
    words: int


COUNTED = 2
"""Words after a number that tell what it counts."""
ENOUGH = 2
"""Terms after a negation from which those before it are not looked at."""
SCORE = -1
"""In place of a number's clause: what stands around a score or a year is not what it counts."""
YEARS = (1800, 2100)
HALF = 0.5
"""Half of something is 50 % of it."""

_NONE: frozenset[str] = frozenset()
_NO_TURNS: dict[int, frozenset[str]] = {}
_NO_SIDES: dict[int, frozenset[int]] = {}


class _Marker:
    """Reads one sentence's tokens once, collecting what `Marks` holds."""

    def __init__(
        self,
        text: str,
        tokens: Sequence[Token],
        lexicon: Lexicon,
        known: frozenset[str],
        halves: Mapping[str, str],
        published: date | None,
    ) -> None:
        self.halves = halves
        self.text = text
        self.tokens = tokens
        self.lexicon = lexicon
        self.known = known
        self.published = published
        self.terms: dict[str, float] = {}
        self.content: list[tuple[int, str]] = []
        self.names: list[tuple[str, ...]] = []
        self.run: list[str] = []
        self.run_end = -1
        self.breaks: list[int] = [0]
        self.counted: set[int] = set()
        self.ends: dict[int, int] = {}
        self.figures: list[tuple[float, bool, int]] = []
        self.days: list[frozenset[str]] = []
        self.periods: list[frozenset[str]] = []
        self.negations: list[int] = []
        self.highest: list[int] = []
        self.turning: list[tuple[int, int]] = []
        self.sides: dict[int, set[int]] = {}
        self.sided: list[tuple[int, tuple[int, int]]] = []
        self.said: list[int] = []
        self.attributed = False
        self.placed: set[str] = set()
        self.passive = False
        self.pronouns = False
        self.future = False
        self.words = 0

    def read(self) -> Marks:
        resume = -1
        lexicon, terms, add, breaks = self.lexicon, self.terms, self.content.append, self.breaks
        for place, (word, sign, _, _, quoted) in enumerate(self.tokens):
            if sign:
                if sign in CLAUSE_MARKS:
                    breaks.append(place)
                continue
            self.words += 1
            if place < resume:
                continue
            if word.special:
                resume = self._special(place, self.tokens[place])
                if resume > place:
                    continue
            if word.low in lexicon.futures:
                self.future = True
            if word.stop:
                low = word.low
                if low in lexicon.passives:
                    self.passive = True
                elif low in lexicon.subjects and not quoted:
                    self.pronouns = True
                elif low in _AND or low in lexicon.borders:
                    breaks.append(place)
            elif word.capital:
                self._term(place, word, word.terms)
            else:
                weight = word.weight
                before = self.tokens[place - 1].word.low if place else ""
                if (before in lexicon.articles and word.low in lexicon.bodies) or (before in lexicon.units and word.low in lexicon.ages):
                    self.pronouns = True
                for term in word.terms:
                    if weight >= terms.get(term, 0.0):
                        terms[term] = weight
                    add((place, term))
        if self.run:
            self.names.append(tuple(self.run))
        speaker = find_speakers(self.tokens, self.said, lexicon) if self.said else NOBODY
        return Marks(
            sequence=tuple([term for _, term in self.content]),
            terms=terms,
            weight=sum(terms.values()),
            names=tuple(self.names),
            name_terms=frozenset([term for run in self.names for term in run]) if self.names else _NONE,
            figures=tuple(self._figures()) if self.figures else (),
            days=tuple(self.days),
            periods=tuple(self.periods),
            negated=tuple([self._scope(place) for place in self.negations]) if self.negations else (),
            superlatives=tuple([self._raised(place) for place in self.highest]) if self.highest else (),
            turns=self._turns() if self.turning else _NO_TURNS,
            future=self.future,
            sides={pair: frozenset(found) for pair, found in self.sides.items()} if self.sides else _NO_SIDES,
            quotes=find_quotes(self.text),
            attributed=self.attributed,
            speaking=bool(self.said),
            speakers=speaker.terms,
            pronoun_speaker=speaker.pronoun,
            body_speaker=speaker.body,
            pronouns=self.pronouns,
            official=speaker.official,
            partisan=speaker.partisan,
            placed=frozenset(self.placed) if self.placed else _NONE,
            passive=self.passive,
            words=self.words if lexicon.language not in IDEOGRAPHIC else max(self.words, len(self.text) // 2),
        )

    def _term(self, place: int, word: Word, terms: Sequence[str], *, name: bool = False) -> None:
        name = name or (word.capital and word.low in self.known)
        if name and self.halves and word.low in self.halves:
            terms = (self.halves[word.low],)
        weight = NAME_WEIGHT if name else word.weight
        for term in terms:
            if weight >= self.terms.get(term, 0.0):
                self.terms[term] = weight
            self.content.append((place, term))
        if name and word.low not in self.lexicon.titles:
            if self.run and self._follows(place):
                self.run.extend(terms)
            else:
                if self.run:
                    self.names.append(tuple(self.run))
                self.run = list(terms)
            self.run_end = place
            if self._is_placed(place, len(self.run)):
                self.placed.update(self.run)

    def _is_placed(self, place: int, length: int) -> bool:
        start = place - length
        if start > 0 and self.tokens[start].word.low in self.lexicon.determiners:
            start -= 1
        return start >= 0 and self.tokens[start].word.low in self.lexicon.locatives

    def _follows(self, place: int) -> bool:
        between = self.text[self.tokens[self.run_end].end : self.tokens[place].start]
        return place == self.run_end + 1 and between in _WITHIN_NAME

    def _special(self, place: int, token: Token) -> int:
        """Read a word that may be a number, day, negation, turn, side, verb of saying or pair; give where reading goes on."""
        lexicon = self.lexicon
        word = token.word
        low = word.low
        if low in lexicon.pair_starts and place + 1 < len(self.tokens):
            pair = lexicon.same.get(f"{low}-{self.tokens[place + 1].word.low}")
            if pair is not None:
                turn = lexicon.turns.get(f"{low}-{self.tokens[place + 1].word.low}")
                if turn is not None:
                    self.turning.append((place + 1, turn))
                self._term(place, Word(low, (), 1.0, word.capital and low in self.known, False, False), (pair,))
                return place + 2
        if word.negation:
            after = self.tokens[place + 1].word.low if place + 1 < len(self.tokens) else ""
            if after not in _ONLY and not self._compares(place + 1):
                self.negations.append(place)
        day = self._day(place) if word.value is not None or low in lexicon.dates else None
        if day is not None:
            if not token.quoted:
                self.days.append(self._spanned(place, day[0]))
            return day[1]
        if low in lexicon.periods and place and not token.quoted:
            self._period(low, self.tokens[place - 1].word.low)
        if word.value is not None and not self._is_compound(place):
            return self._figure(place)
        if low in lexicon.that_verbs and place + 1 < len(self.tokens) and self.tokens[place + 1].word.low in lexicon.linking:
            self.said.append(place)
            self.attributed = True
            return place + 1
        if low in lexicon.percent and self.figures:
            value, _, clause = self.figures[-1]
            self.figures[-1] = (value, True, clause)
            return place + 1
        place_name = self._place_name(place)
        if place_name is not None:
            return place_name
        turn = lexicon.turns.get(low)
        if turn is not None and not word.capital:
            self.turning.append((place, turn))
        if low in lexicon.superlatives:
            self.highest.append(place)
        side = lexicon.opposites.get(low)
        if side is not None:
            self.sides.setdefault(side[0], set()).add(side[1])
            self.sided.append((len(self.breaks) - 1, side))
        told_to = place > 0 and self.tokens[place - 1].word.low in lexicon.helpers
        if (low in lexicon.speech or low in lexicon.attributing) and not token.quoted and not told_to:
            self.said.append(place)
            self.attributed |= low in lexicon.attributing
        return place

    def _compares(self, place: int) -> bool:
        """Say whether "than" follows: "no faster than eight knots" denies nothing."""
        return place + 1 < len(self.tokens) and self.tokens[place + 1].word.low in self.lexicon.comparing

    def _is_compound(self, place: int) -> bool:
        """Say whether a number in letters is part of a word ("two-state") and no count or age ("seventeen-year-old")."""
        token = self.tokens[place]
        if not token.word.low.isalpha() or self.text[token.end : token.end + 1] != "-":
            return False
        after = self.tokens[place + 1].word if place + 1 < len(self.tokens) else NO_WORD
        return after.low not in self.lexicon.units and after.value is None

    def _place_name(self, place: int) -> int | None:
        """Read "North Korea", "the North" and "Beijing" where it means a government; give where reading goes on."""
        lexicon = self.lexicon
        word = self.tokens[place].word
        if not word.capital:
            return None
        before = self.tokens[place - 1].word.low if place else ""
        term: str | None = None
        end = place + 1
        if word.low in lexicon.directions:
            after = self.tokens[place + 1].word if place + 1 < len(self.tokens) else NO_WORD
            if after.capital and after.terms:
                pair = f"{word.low}-{after.terms[0]}"
                term, end = lexicon.same.get(pair, pair), place + 2
            elif before in lexicon.determiners:
                term = self.halves.get(word.low)
        elif word.low in lexicon.metonyms and before not in lexicon.locatives:
            term = lexicon.metonyms[word.low]
        if term is None:
            return None
        self._term(place, word._replace(stop=False), (term,), name=True)
        return end

    def _figure(self, place: int) -> int:
        """Read a number that may go on in words: "1.5 million", "twenty-one", "two hundred", "ten percent"."""
        tokens, lexicon = self.tokens, self.lexicon
        first = tokens[place].word
        value = first.value or 0.0
        at = place + 1
        while at < min(len(tokens), place + 5) and not tokens[at].mark:
            word = tokens[at].word
            if word.scale is not None:
                value *= word.scale
            elif word.value is not None and value in _TENS and 1 <= word.value <= 9 and not word.low.isdigit():
                value += word.value
            else:
                break
            at += 1
        if value == HALF and not first.low.isdigit():
            self.breaks.append(place)
            self.figures.append((HALF * 100, True, SCORE))
            return at
        unit = at < len(tokens) and (tokens[at].mark in _PERCENT or tokens[at].word.low in lexicon.percent)
        uncounted = at >= len(tokens) or tokens[at].word.stop
        if not first.low.isdigit() and uncounted and (first.value == 1 or (place and tokens[place - 1].word.low in lexicon.determiners)):
            return at
        if self._is_score(place) or self._is_year(place, value):
            self.figures.append((value, unit, SCORE))
            return at
        self.breaks.append(place)
        self.counted.add(len(self.breaks) - 1)
        clause = len(self.breaks) - 1
        self.figures.append((value, unit, clause))
        self.ends[clause] = at + 1 if unit else at
        return self.ends[clause]

    def _is_score(self, place: int) -> bool:
        """Say whether a number is one side of a score or span: "4-2"."""
        token, text = self.tokens[place], self.text
        after, before = text[token.end : token.end + 2], text[max(0, token.start - 2) : token.start]
        return (after[:1] in _DASHES and after[1:].isdigit()) or (before[1:] in _DASHES and before[:1].isdigit())

    def _is_year(self, place: int, value: float) -> bool:
        """Say whether a number is a year: "in 2009"."""
        before = self.tokens[place - 1].word if place else NO_WORD
        return YEARS[0] <= value <= YEARS[1] and len(self.tokens[place].word.low) == 4 and before.stop and bool(before.low)

    def _figures(self) -> Iterable[Figure]:
        for value, unit, clause in self.figures:
            if clause == SCORE:
                yield Figure(_show(value, unit), _NONE, frozenset())
                continue
            first = clause - 2 if clause - 1 in self.counted else clause - 1
            sides = frozenset(side for at, side in self.sided if first <= at <= clause)
            start, end = self.breaks[first], self.breaks[clause + 1] if clause + 1 < len(self.breaks) else len(self.tokens)
            bound = frozenset([term for at, term in self.content if start <= at < end])
            yield Figure(_show(value, unit), bound, sides, self._counted(self.ends[clause]))

    def _counted(self, place: int) -> frozenset[str]:
        """Give what a number that ends before a place counts: the words that follow it directly."""
        terms: list[str] = []
        for token in self.tokens[place : place + COUNTED]:
            if token.mark or token.word.stop or token.word.special:
                break
            terms.extend(token.word.terms)
        return frozenset(terms)

    def _day(self, place: int) -> tuple[frozenset[str], int] | None:
        """Read a day or month: its possible dates, and where reading goes on. None if the word is none."""
        tokens, lexicon = self.tokens, self.lexicon
        word = tokens[place].word
        low = word.low
        small_too = lexicon.language not in {"en", "de"}
        if low in lexicon.weekdays and (word.capital or small_too):
            return self._weekday(lexicon.weekdays[low]), place + 1
        if low in lexicon.relative_days and self.published is not None:
            return frozenset({(self.published + timedelta(days=lexicon.relative_days[low])).isoformat()}), place + 1
        if low in lexicon.months and (word.capital or small_too):
            after = tokens[place + 1].word if place + 1 < len(tokens) else NO_WORD
            if after.value is not None and 1 <= after.value <= 31 and after.low.isdigit():
                return self._date(lexicon.months[low], int(after.value)), place + 2
            return frozenset({f"month-{lexicon.months[low]}"}), place + 1
        if word.value is not None and 1 <= word.value <= 31 and low.isdigit():
            for skip in (1, 2):
                if place + skip >= len(tokens) or (skip == 2 and tokens[place + 1].word.low not in _OF):
                    break
                month = tokens[place + skip].word
                if month.low in lexicon.months and (month.capital or small_too):
                    return self._date(lexicon.months[month.low], int(word.value)), place + skip + 1
        return None

    def _period(self, period: str, before: str) -> None:
        """Note "last year" and the like: the year or month that it was, the dates of the week."""
        step = self.lexicon.period_steps.get(before)
        if step is None:
            return
        day = self.published
        if day is None:
            dates = [f"{period} {step}"]
        elif period == "year":
            dates = [f"year-{day.year + step}"]
        elif period == "month":
            dates = [f"month-{(day.month - 1 + step) % 12 + 1}"]
        else:
            monday = day + timedelta(days=7 * step - day.weekday())
            dates = [(monday + timedelta(days=place)).isoformat() for place in (range(7) if period == "week" else (5, 6))]
        self.periods.append(frozenset(dates))

    def _spanned(self, place: int, dates: frozenset[str]) -> frozenset[str]:
        """Tell "since October" from "in October"."""
        before = self.tokens[place - 1].word.low if place else ""
        return frozenset([f"{before} {each}" for each in dates]) if before in self.lexicon.spans else dates

    def _weekday(self, day: int) -> frozenset[str]:
        if self.published is None:
            return frozenset({f"weekday-{day}"})
        last = self.published - timedelta(days=(self.published.weekday() - day) % 7)
        return frozenset({last.isoformat(), (last + timedelta(days=7)).isoformat()})

    def _date(self, month: int, day: int) -> frozenset[str]:
        if self.published is not None:
            try:
                return frozenset({date(self.published.year, month, day).isoformat()})
            except ValueError:
                pass
        return frozenset({f"{month:02d}-{day:02d}"})

    def _scope(self, place: int) -> frozenset[str]:
        """Give the terms of its clause that a negation or turning word touches: those after it, or those before if there are none."""
        end = place + 1
        while end < len(self.tokens) and self.tokens[end].mark not in CLAUSE_MARKS:
            end += 1
        after = [term for at, term in self.content if place < at < end][:SCOPE]
        if len(after) >= ENOUGH and not self.lexicon.verb_late:
            return frozenset(after)
        start = place
        while start > 0 and self.tokens[start - 1].mark not in CLAUSE_MARKS:
            start -= 1
        return frozenset([*after, *[term for at, term in self.content if start <= at < place][-SCOPE:]])

    def _raised(self, place: int) -> frozenset[str]:
        term = next((term for at, term in self.content if at == place + 1), "")
        return frozenset({term} if self.terms.get(term, 0.0) > WEAK_WEIGHT else ())

    def _turns(self) -> dict[int, frozenset[str]]:
        merged: dict[int, frozenset[str]] = {}
        for place, turn in self.turning:
            merged[turn] = merged.get(turn, frozenset()) | self._scope(place)
        return merged


_AND = frozenset({"and", "y", "und", "et", "e", "en", "и"})
_ONLY = frozenset({"only", "sólo", "solo", "nur", "seulement", "apenas", "soltanto", "только"})
_OF = frozenset({"of", "de"})
_TENS = frozenset({20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0})
_PERCENT = frozenset("%٪")
_DASHES = frozenset("-–")
_WITHIN_NAME = frozenset({" ", "-", ". ", ".", "\u00a0", "·", "・"})


def mark(
    text: str, tokens: Sequence[Token], lexicon: Lexicon, known: frozenset[str], halves: Mapping[str, str], published: date | None
) -> Marks:
    """Read what a sentence says.

    `known` are its article's names in small letters, `halves` what "the North" means there, `published` dates its weekdays.
    """
    return _Marker(text, tokens, lexicon, known, halves, published).read()


def _show(value: float, unit: bool) -> str:
    shown = f"{value:.12g}"
    return f"{shown}%" if unit else shown
