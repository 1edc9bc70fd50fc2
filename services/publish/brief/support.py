"""Checks whether an article states a sentence: what stands behind every citation.

An article states a sentence when one passage of it (its title, or up to three sentences in a row) contains the sentence's
terms with no whole detail missing, and every name, number, day, negation, turning word (denial, refusal, possibility …)
and quotation, when who did what to whom is the same and when who said it is the same. What is not certain is not cited.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from services.publish.brief.lexicon import INTENT
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.marks import Figure, Marks
from services.publish.brief.read import Reading, Statement, title_terms
from services.publish.brief.words import families

FAMILIES_FROM = 3.0
"""Weight of a sentence from which one of its words may be another of its family: a lighter one says too little else."""
ELSEWHERE = 0.5
"""Share of its weight that a term loses for standing only elsewhere in the article: that is likely told of the same."""
CORE = 0.6
"""Share of the needed coverage that one sentence of a passage must reach alone: terms strewn over a passage state nothing."""
BEFORE = 2
"""Sentences before a passage in which the name stands that a pronoun of the passage means."""
FIGURE_WEIGHT = 1.0
"""What a number weighs beside the terms, since a passage must have each of them."""
SHORT_WEIGHT = 4.0
"""Weight of a sentence up to which it needs most coverage, and from which on least."""
LONG_WEIGHT = 10.0

HOPE = 0.15
"""What numbers and frequent terms may add to a share at most; a passage that lacks more is not looked at."""
SPREAD_FADE = 0.2
"""How fast a term weighs less the more of an article's sentences have it."""
DETAIL = 3.2
"""Weight of neighbouring terms that are missing together, from which a detail of the sentence is missing."""


Kin: TypeAlias = Mapping[str, frozenset[int]]
"""Term → its families."""
_NONE: frozenset[str] = frozenset()


class Fault(StrEnum):
    """Why a passage does not state a sentence."""

    TERMS = "terms"
    DETAIL = "detail"
    NAMES = "names"
    NUMBERS = "numbers"
    DAYS = "days"
    NEGATION = "negation"
    TURN = "turn"
    SUPERLATIVE = "superlative"
    OPPOSITE = "opposite"
    QUOTATION = "quotation"
    SPEAKER = "speaker"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where an article states a sentence."""

    first: int
    """The passage's first sentence in the article; -1 is the title."""
    last: int
    coverage: float
    """Share of the sentence's weight that the passage contains."""


def find_evidence(marks: Marks, article: Reading, limits: Limits = DEFAULT_LIMITS) -> Evidence | None:
    """Find the passage of an article that states a sentence, the surest first; None if there is none."""
    if not marks.weight:
        return None
    if not may_state(marks, article):
        return None
    statements = (article.title, *article.body)
    kin = families(article.source.language)
    shares = [hoped(marks, statement.marks, kin) for statement in statements]
    core = limits.coverage * CORE
    for _, place in sorted(((-share, place) for place, share in enumerate(shares) if share >= core)):
        found = check_around(marks, article, statements, place, shares, limits)
        if found is not None:
            return found
    return None


def may_state(marks: Marks, article: Reading) -> bool:
    """Say whether an article has what any passage of it would have to have: numbers, days, quotations, something of each name."""
    values, days = article.values, article.days
    return (
        all(figure.value in values for figure in marks.figures)
        and not any(days.isdisjoint(day) for day in marks.days)
        and not any(article.spread.keys().isdisjoint(run) for run in marks.names)
        and _has_quotes(marks, article)
    )


def covered(marks: Marks, by: Marks) -> float:
    """Give the share of a sentence's weight whose terms another sentence has, 0 to 1."""
    if not marks.weight:
        return 0.0
    held = by.terms
    return sum([weight for term, weight in marks.terms.items() if term in held]) / marks.weight


def hoped(marks: Marks, by: Marks, kin: Kin) -> float:
    """Give the share of a sentence's weight that another sentence has in its own or other words, at most."""
    if not marks.weight:
        return 0.0
    there = {number for term in by.terms for number in kin.get(term, ())}
    held = by.terms
    return sum([w for term, w in marks.terms.items() if term in held or not there.isdisjoint(kin.get(term, ()))]) / marks.weight


def check_around(
    marks: Marks,
    article: Reading,
    statements: Sequence[Statement],
    place: int,
    shares: Sequence[float],
    limits: Limits = DEFAULT_LIMITS,
) -> Evidence | None:
    """Check the passages that hold one sentence: alone, then with its neighbours.

    The article is one that `may_state` it. `statements` is its title and body, `place` an index of it, and `shares` what each contains of
    the sentence by `covered`.
    """
    spans = ((place, place), (place - 1, place), (place, place + 1), (place - 1, place + 1)) if place > 0 else ((0, 0), (0, 1))
    named = sum([marks.terms[term] for term in marks.name_terms]) / marks.weight if marks.names else 0.0
    least = limits.coverage - named - HOPE
    values = {figure.value for figure in marks.figures}
    for first, last in spans:
        if (first < 1 and last > 1) or last >= len(statements) or sum(shares[first : last + 1]) < least:
            continue
        passage = [statements[at].marks for at in range(first, last + 1)]
        if values and not values.issubset([figure.value for part in passage for figure in part.figures]):
            continue
        before = [statements[at].marks for at in range(max(1, first - BEFORE), first)] if first > 0 else []
        coverage, fault = check(marks, passage, article, before, statements[place].marks, limits)
        if fault is None:
            return Evidence(first - 1, last - 1, round(coverage, 4))
    return None


def check(
    marks: Marks, passage: Sequence[Marks], article: Reading, before: Sequence[Marks], core: Marks, limits: Limits = DEFAULT_LIMITS
) -> tuple[float, Fault | None]:
    """Check one passage: the share of the sentence that it contains, and the first thing that it lacks or contradicts.

    `before` are the sentences before the passage, for its pronouns; `core` is the passage's sentence that has most.
    """
    kin = families(article.source.language)
    missing = _missing(marks, passage)
    allied = _allied(marks, missing, core, kin) if missing and kin else _NONE
    missing -= allied
    names, offices = marks.name_terms, article.offices
    known = article.spread
    lost = sum([marks.terms[term] * (ELSEWHERE if term in known else 1.0) for term in missing if term not in names and term not in offices])
    needed = _needed(marks, len(passage), limits)
    if lost > (1.0 - needed) * (marks.weight + FIGURE_WEIGHT * len(marks.figures)):
        return 0.0, Fault.TERMS
    meant: set[str] = set()
    if missing and not missing.isdisjoint(marks.name_terms):
        missing -= _identified(marks, missing, passage, article)
        if core.pronouns:
            meant = _meant(marks, missing, before, passage, article)
            missing -= meant
    coverage = _coverage(marks, missing, allied, article)
    if coverage < needed or (missing and not _tells(marks, missing, article, limits)):
        return coverage, Fault.TERMS
    if not _has_figures(marks, passage, kin):
        return coverage, Fault.NUMBERS
    if not _has_quotes(marks, article):
        return coverage, Fault.QUOTATION
    if missing and not _has_names(marks, missing, core, article, before):
        return coverage, Fault.NAMES
    if missing and _lacks_detail(marks, missing):
        return coverage, Fault.DETAIL
    if not _has_days(marks, passage, article) or not _has_periods(marks, passage, article):
        return coverage, Fault.DAYS
    if not _has_negations(marks, passage, kin):
        return coverage, Fault.NEGATION
    if not _has_turns(marks, passage, core, kin):
        return coverage, Fault.TURN
    if not _has_superlatives(marks, passage, kin):
        return coverage, Fault.SUPERLATIVE
    if _is_opposite(marks, passage):
        return coverage, Fault.OPPOSITE
    if not _has_speaker(marks, passage, before, core, meant, article):
        return coverage, Fault.SPEAKER
    if _is_reversed(marks, core, article):
        return coverage, Fault.ORDER
    return coverage, None


def _missing(marks: Marks, passage: Sequence[Marks]) -> set[str]:
    missing = marks.terms.keys() - passage[0].terms.keys()
    for part in passage[1:]:
        missing -= part.terms.keys()
    return missing


def _allied(marks: Marks, missing: set[str], core: Marks, kin: Kin) -> frozenset[str]:
    """Give the missing terms for which the passage's main sentence has another of their family, each of its terms standing for one."""
    if marks.weight < FAMILIES_FROM:
        return _NONE
    names, terms = marks.name_terms, marks.terms
    wanted = [term for term in terms if term in missing and term in kin and term not in names]
    if not wanted:
        return _NONE
    spare = {term: kin[term] for term in core.terms if term in kin and term not in terms}
    allied: set[str] = set()
    for term in wanted:
        own = kin[term]
        other = next((other for other, theirs in spare.items() if not own.isdisjoint(theirs)), None)
        if other is not None:
            del spare[other]
            allied.add(term)
    return frozenset(allied)


def _touch(one: Iterable[str], other: AbstractSet[str], kin: Kin) -> bool:
    """Say whether two sets of terms have one in common or two of one family."""
    if any(term in other for term in one):
        return True
    theirs = {number for term in other for number in kin.get(term, ())}
    return bool(theirs) and any(not theirs.isdisjoint(kin.get(term, ())) for term in one)


def _coverage(marks: Marks, missing: set[str], allied: frozenset[str], article: Reading) -> float:
    """Give the share that is contained. What the article says in every sentence weighs less: it shows its subject, not a statement."""
    if not missing and not allied:
        return 1.0
    spread = article.spread
    held = FIGURE_WEIGHT * len(marks.figures)
    lost = 0.0
    for term, weight in marks.terms.items():
        if term in missing:
            lost += weight * ELSEWHERE if term in spread else weight
        else:
            count = 1 if term in allied else spread.get(term, 1)
            held += weight if count < 2 else weight * _FADES[min(count, len(_FADES) - 1)]
    return held / (held + lost)


_FADES = (1.0, *(1.0 / (1.0 + SPREAD_FADE * math.log(count)) for count in range(1, 200)))


def _needed(marks: Marks, sentences: int, limits: Limits) -> float:
    """Give the coverage that a sentence needs: one without a number or quotation, a short one, or a passage of several sentences, more."""
    short = min(1.0, max(0.0, (LONG_WEIGHT - marks.weight - FIGURE_WEIGHT * len(marks.figures)) / (LONG_WEIGHT - SHORT_WEIGHT)))
    needed = limits.coverage + short * (limits.short_coverage - limits.coverage)
    if not marks.figures and not marks.quotes:
        needed += limits.plain_coverage
    return needed if sentences == 1 else needed + limits.spread_coverage


def _tells(marks: Marks, missing: set[str], article: Reading, limits: Limits) -> bool:
    """Say whether what is contained is not names and offices alone: who it is about is not what it says of them."""
    names = marks.name_terms | article.offices
    told = {term: weight for term, weight in marks.terms.items() if term not in names}
    figures = FIGURE_WEIGHT * len(marks.figures)
    total = sum(told.values()) + figures
    return not total or sum([weight for term, weight in told.items() if term not in missing]) + figures >= limits.told_coverage * total


def _identified(marks: Marks, missing: set[str], passage: Sequence[Marks], article: Reading) -> set[str]:
    """Give the missing terms that only say who a named one is: "Quill's president, Dana", where the article says so elsewhere.

    Names and offices count that stand directly before the name, or around it as they do somewhere in the article.
    """
    found: set[str] = set()
    sequence = marks.sequence
    offices = article.offices
    for run in marks.names:
        anchor = next((term for term in reversed(run) if any(term in part.terms for part in passage)), None)
        if anchor is None:
            continue
        identity = article.identity(anchor)
        known = identity | article.names & set(run)
        if len(article.full_names.get(anchor, (anchor,))) == 1 and _is_of_office(marks, run, identity, article):
            # The article gives no other first name.
            known |= set(run[: run.index(anchor)])
        at = sequence.index(anchor)
        for place in range(at - 1, -1, -1):
            term = sequence[place]
            if term not in known and term not in article.names and term not in offices:
                break
            found.add(term)
        for place in range(at + 1, len(sequence)):
            if sequence[place] not in known:
                break
            found.add(sequence[place])
    return found & missing


def _is_of_office(marks: Marks, run: Sequence[str], identity: AbstractSet[str], article: Reading) -> bool:
    """Say whether the sentence gives a name no office, or one that the article gives it too."""
    at = marks.sequence.index(run[0])
    before = marks.sequence[at - 1] if at else ""
    return before not in title_terms(article.source.language) or before in identity


def _meant(marks: Marks, missing: set[str], before: Sequence[Marks], passage: Sequence[Marks], article: Reading) -> set[str]:
    """Give the terms of the one missing name that a pronoun stands for: named just before, or whom the article is about."""
    absent = [run for run in marks.names if run[-1] in missing]
    if len({run[-1] for run in absent}) != 1 or any(part.name_terms - marks.terms.keys() - part.speakers for part in passage):
        return set()
    name = absent[0][-1]
    near = {term for part in before for run in part.names for term in run}
    return set(absent[0]) & missing if name in near or name == article.hero else set()


def _lacks_detail(marks: Marks, missing: set[str]) -> bool:
    gap = 0.0
    names = marks.name_terms
    for term in marks.sequence:
        if term in missing:
            gap += 0.0 if term in names else marks.terms[term]
            if gap >= DETAIL:
                return True
        elif marks.terms[term] > 0.5:
            gap = 0.0
    return False


def _has_figures(marks: Marks, passage: Sequence[Marks], kin: Kin) -> bool:
    for figure in marks.figures:
        named = figure.bound & marks.name_terms
        if not any(
            other.value == figure.value and _is_same_figure(figure, other, kin) and not _is_of_another(named, other, part)
            for part in passage
            for other in part.figures
        ):
            return False
    return True


def _is_of_another(named: frozenset[str], other: Figure, part: Marks) -> bool:
    """Say whether a passage tells a number of one name and has the names that the sentence tells it of elsewhere."""
    theirs = other.bound & part.name_terms
    return bool(named and theirs) and named.isdisjoint(theirs) and named <= part.name_terms


def _is_same_figure(figure: Figure, other: Figure, kin: Kin) -> bool:
    if figure.bound and other.bound and not _touch(figure.bound, other.bound, kin):
        return False
    if figure.counted and other.counted and not _touch(figure.counted, other.counted, kin):
        return False
    pairs = dict(other.sides)
    return all(pairs.get(pair, side) == side for pair, side in figure.sides)


def _has_quotes(marks: Marks, article: Reading) -> bool:
    return all(f" {quote} " in article.letters for quote in marks.quotes)


def _has_names(marks: Marks, missing: set[str], core: Marks, article: Reading, before: Sequence[Marks]) -> bool:
    """Say whether the sentence's names are in the passage, or the one that is not is what a pronoun or office there stands for."""
    absent: list[tuple[str, ...]] = []
    for run in marks.names:
        lacking = [term for term in run if term in missing]
        if not lacking:
            continue
        if any(term not in article.names for term in lacking):
            return False
        absent.append(run)
    if not absent:
        return True
    foreign = core.name_terms - marks.terms.keys()
    near = {term for part in before for term in part.terms}
    return not foreign and len(absent) == 1 and absent[0][-1] in near


def _has_days(marks: Marks, passage: Sequence[Marks], article: Reading) -> bool:
    here = [day for part in passage for day in part.days]
    for day in marks.days:
        if any(day & other for other in here):
            continue
        if here or not day & article.days:
            return False
    return True


def _has_periods(marks: Marks, passage: Sequence[Marks], article: Reading) -> bool:
    """Say whether "last year" and the like are the article's, too; the year may stand there as a number."""
    for period in marks.periods:
        named = {f"year-{figure.value}" for part in passage for figure in part.figures}
        if not period & (article.days | named):
            return False
    return True


def _has_negations(marks: Marks, passage: Sequence[Marks], kin: Kin) -> bool:
    theirs = [scope for part in passage for scope in part.negated]
    for scope in marks.negated:
        if not any(not scope or _touch(scope, other, kin) for other in theirs):
            return False
    ours: set[str] = set().union(*marks.negated)
    return all(not _touch(scope, marks.terms.keys(), kin) or _touch(scope, ours, kin) for scope in theirs)


def _has_turns(marks: Marks, passage: Sequence[Marks], core: Marks, kin: Kin) -> bool:
    theirs = {turn for part in passage for turn in part.turns}
    if any(part.future for part in passage):
        theirs.add(INTENT)
    if any(turn not in theirs for turn in marks.turns):
        return False
    ours = marks.terms.keys()
    return all(
        turn in marks.turns or (turn == INTENT and marks.future) or sum(_touch((term,), ours, kin) for term in scope) < 2
        for turn, scope in core.turns.items()
    )


def _has_superlatives(marks: Marks, passage: Sequence[Marks], kin: Kin) -> bool:
    """Say whether what is the largest, first or only one there is the same here."""
    theirs = [other for part in passage for other in part.superlatives]
    return all(any(not other or _touch(scope, other, kin) for other in theirs) for scope in marks.superlatives if scope)


def _is_opposite(marks: Marks, passage: Sequence[Marks]) -> bool:
    theirs: dict[int, set[int]] = {}
    for part in passage:
        for pair, sides in part.sides.items():
            theirs.setdefault(pair, set()).update(sides)
    return any(pair in theirs and not sides & theirs[pair] for pair, sides in marks.sides.items())


def _has_speaker(marks: Marks, passage: Sequence[Marks], before: Sequence[Marks], core: Marks, meant: set[str], article: Reading) -> bool:
    """Say whether who said it is the same, or an authority says what the sentence takes as fact, or its own subject does."""
    if not marks.attributed:
        if not core.attributed or core.official or core.speakers & marks.name_terms:
            return True
        if core.body_speaker and any(part.name_terms & marks.name_terms for part in passage):
            return True
        if not core.speakers:
            # "The report said": a paper tells it.
            return not core.pronoun_speaker
        return not core.partisan and not core.speakers & core.name_terms
    quoting = [part for part in passage if set(part.quotes) & set(marks.quotes)] if marks.quotes else []
    parts = quoting or ((core, *passage) if marks.quotes else (core,))
    return any(_has_its_speaker(marks, part, (*before, *passage), meant, article) for part in parts)


def _has_its_speaker(marks: Marks, part: Marks, around: Sequence[Marks], meant: set[str], article: Reading) -> bool:
    """Say whether who said the sentence is who says a part of the passage, by name or by what stands for it."""
    if not part.speaking:
        return False
    if not marks.speakers:
        return True
    ours, theirs = marks.speakers & marks.name_terms, part.speakers & part.name_terms
    if ours & theirs or (not (ours and theirs) and marks.speakers & part.speakers):
        return True
    if any(
        not others and article.offices & speakers & article.identity(name)
        for names, others, speakers in ((ours, theirs, part.speakers), (theirs, ours, marks.speakers))
        for name in names
    ):
        # "Marsh said", "the president said".
        return True
    if marks.body_speaker and (part.speakers & marks.name_terms or part.pronoun_speaker):
        return True
    if part.body_speaker:
        return bool(ours) and any(ours & other.name_terms for other in around)
    return part.pronoun_speaker and (bool(marks.speakers & meant) or any(marks.speakers & other.terms.keys() for other in around))


def _is_reversed(marks: Marks, core: Marks, article: Reading) -> bool:
    """Say whether two names have changed places around what happens between them, with no passive to explain it."""
    if marks.passive != core.passive or not article.lexicon.passives:
        return False
    names = list(dict.fromkeys(term for run in marks.names for term in run[-1:] if term in core.terms))
    if len(names) < 2:
        return False
    said = marks.speakers | core.speakers | marks.placed | core.placed
    ours, theirs = marks.sequence, core.sequence
    for left, right in itertools.pairwise(names):
        if left in said or right in said:
            continue
        here, there = (ours.index(left), ours.index(right)), (theirs.index(left), theirs.index(right))
        if there[0] > there[1]:
            between = set(ours[here[0] + 1 : here[1]]) & set(theirs[there[1] + 1 : there[0]])
            if any(marks.terms[term] == 1.0 for term in between):
                return True
    return False
