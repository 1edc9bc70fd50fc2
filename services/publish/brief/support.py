"""Checks whether an article states a sentence: what stands behind every citation.

An article states a sentence when one passage of it (its title, or up to three sentences in a row) contains the sentence's
terms, and every name, number, day, negation, turning word (denial, refusal, possibility …) and quotation, and when who
said it is the same. What is not certain is not cited.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.read import Marks, Reading, Statement

CORE = 0.75
"""Share of the needed coverage that one sentence of a passage must reach alone: terms strewn over a passage state nothing."""
NEAR = 2
"""Sentences before a passage in which the name stands that a pronoun of the passage means."""


class Fault(StrEnum):
    """Why a passage does not state a sentence."""

    TERMS = "terms"
    NAMES = "names"
    NUMBERS = "numbers"
    DAYS = "days"
    NEGATION = "negation"
    TURN = "turn"
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


def find_evidence(marks: Marks, article: Reading, limits: Limits = DEFAULT_LIMITS, own: Statement | None = None) -> Evidence | None:
    """Find the passage of an article that states a sentence, the surest first; None if there is none.

    `own` is the statement that the sentence is, so that an article's own sentence is found where it stands.
    """
    if own is not None and own in article.body:
        return Evidence(own.position, own.position, 1.0)
    if not marks.terms:
        return None
    statements = (article.title, *article.body)
    shares = [covered(marks, statement.marks) for statement in statements]
    core = limits.coverage * CORE
    for share, place in sorted(((share, -place) for place, share in enumerate(shares) if share >= core), reverse=True):
        found = check_around(marks, article, statements, -place, share, limits)
        if found is not None:
            return found
    return None


def covered(marks: Marks, by: Marks) -> float:
    """Give the share of a sentence's weight whose terms another sentence has, 0 to 1."""
    if not marks.weight:
        return 0.0
    held = by.terms
    return sum(weight for term, weight in marks.terms.items() if term in held) / marks.weight


def check_around(
    marks: Marks, article: Reading, statements: Sequence[Statement], place: int, share: float, limits: Limits = DEFAULT_LIMITS
) -> Evidence | None:
    """Check the passages that hold one sentence (`statements` is title and body, `place` its index): alone, then with neighbours."""
    spans = [(place, place)]
    if place > 0:
        spans += [
            (first, last)
            for first, last in ((place - 1, place), (place, place + 1), (place - 1, place + 1))
            if first >= 1 and last < len(statements)
        ]
    for first, last in spans:
        passage = [statements[at].marks for at in range(first, last + 1)]
        coverage = share if first == last else _share(marks, passage)
        if coverage < limits.coverage:
            continue
        before = [statements[at].marks for at in range(max(1, first - NEAR), first)] if first > 0 else []
        if find_fault(marks, passage, article, before, statements[place].marks) is None:
            return Evidence(first - 1, last - 1, round(coverage, 4))
    return None


def _share(marks: Marks, passage: Sequence[Marks]) -> float:
    return sum(weight for term, weight in marks.terms.items() if any(term in held.terms for held in passage)) / marks.weight


def find_fault(marks: Marks, passage: Sequence[Marks], article: Reading, before: Sequence[Marks], core: Marks) -> Fault | None:
    """Name the first thing of a sentence that a passage lacks or contradicts; None if there is none. Terms are not looked at."""
    held: set[str] = set()
    for part in passage:
        held.update(part.terms)
    if not _has_figures(marks, passage):
        return Fault.NUMBERS
    if not _has_quotes(marks, article):
        return Fault.QUOTATION
    if not _has_names(marks, passage, held, article, before):
        return Fault.NAMES
    if not _has_days(marks, passage, article):
        return Fault.DAYS
    if not _has_negations(marks, passage):
        return Fault.NEGATION
    if not _has_turns(marks, passage, core):
        return Fault.TURN
    if _is_opposite(marks, passage):
        return Fault.OPPOSITE
    if not _has_speaker(marks, passage, before):
        return Fault.SPEAKER
    return None


def _has_figures(marks: Marks, passage: Sequence[Marks]) -> bool:
    for figure in marks.figures:
        matches = [other for part in passage for other in part.figures if other.value == figure.value]
        if not matches:
            return False
        if figure.bound and not any(not other.bound or figure.bound & other.bound for other in matches):
            return False
    return True


def _has_quotes(marks: Marks, article: Reading) -> bool:
    return all(f" {quote} " in f" {article.letters} " for quote in marks.quotes)


def _has_names(marks: Marks, passage: Sequence[Marks], held: set[str], article: Reading, before: Sequence[Marks]) -> bool:
    near = held.union(*(part.terms for part in before)) if before else held
    missing: list[str] = []
    for run in marks.names:
        if not any(term in near for term in run) and "".join(term[0] for term in run) not in near:
            missing.append(run[-1])
            continue
        for term in run:
            if term not in near and term not in article.names:
                return False
    if not missing:
        return True
    if any(name not in article.names for name in missing):
        return False
    foreign = {term for part in passage for run in part.names for term in run} - set(marks.terms)
    return not foreign and len(missing) == 1


def _has_days(marks: Marks, passage: Sequence[Marks], article: Reading) -> bool:
    here = [day for part in passage for day in part.days]
    for day in marks.days:
        if any(day & other for other in here):
            continue
        if here or not day & article.days:
            return False
    return True


def _has_negations(marks: Marks, passage: Sequence[Marks]) -> bool:
    theirs = [scope for part in passage for scope in part.negated]
    for scope in marks.negated:
        if not any(not scope or scope & other for other in theirs):
            return False
    ours = set().union(*marks.negated) if marks.negated else set()
    return all(not (scope & marks.terms.keys()) or scope & ours for scope in theirs)


def _has_turns(marks: Marks, passage: Sequence[Marks], core: Marks) -> bool:
    theirs = {turn for part in passage for turn in part.turns}
    if any(turn not in theirs for turn in marks.turns):
        return False
    return all(turn in marks.turns or len(scope & marks.terms.keys()) < 2 for turn, scope in core.turns.items())


def _is_opposite(marks: Marks, passage: Sequence[Marks]) -> bool:
    theirs: dict[int, set[int]] = {}
    for part in passage:
        for pair, sides in part.sides.items():
            theirs.setdefault(pair, set()).update(sides)
    return any(pair in theirs and not sides & theirs[pair] for pair, sides in marks.sides.items())


def _has_speaker(marks: Marks, passage: Sequence[Marks], before: Sequence[Marks]) -> bool:
    if marks.attributed:
        if not any(part.attributed for part in passage):
            return False
        if not marks.speakers:
            return True
        speakers = set().union(*(part.speakers for part in passage))
        if marks.speakers & speakers:
            return True
        if any(part.pronoun_speaker for part in passage):
            return any(marks.speakers & part.terms.keys() for part in (*before, *passage))
        return False
    speaking = [part for part in passage if part.attributed]
    if not speaking:
        return True
    return any(part.speakers & marks.terms.keys() or part.official for part in speaking)
