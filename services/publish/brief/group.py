"""Groups chosen sentences into sections by aspect and puts the sections in order."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.select import Candidate, Kind, likeness, repeats

JOIN = 0.16
"""Mean affinity from which two groups are one aspect."""
SAME_KIND = 0.06
NEIGHBOURS = 0.12
"""Gain of sentences that stand together in one article."""
SAME_SPEAKER = 0.1
LEAD_POSITIONS = 5
"""Sentences of an article among which the brief's first section looks."""
COMPANION = 0.12
"""Affinity from which a sentence that was not chosen may join a lonely one."""


@dataclass(slots=True)
class Group:
    """The sentences of one section, in reading order."""

    members: list[Candidate]
    kind: Kind


def group(chosen: Sequence[Candidate], spare: Sequence[Candidate], limits: Limits = DEFAULT_LIMITS) -> list[Group]:
    """Form 1 to `sections` groups: first what happened, then answers, background, wider matters."""
    if not chosen:
        return []
    lead = _lead(chosen, limits)
    rest = [candidate for candidate in chosen if candidate not in lead]
    groups = _join(rest, limits)
    groups = _keep(groups, limits)
    used = [*lead, *(candidate for held in groups for candidate in held)]
    for held in groups:
        if len(held) == 1:
            companion = _companion(held[0], spare, used, limits)
            if companion is not None:
                held.append(companion)
                used.append(companion)
    formed = [Group(_ordered(held), _kind(held)) for held in groups]
    formed.sort(key=lambda g: (g.kind, -max(c.score for c in g.members)))
    return [Group(lead, Kind.EVENT), *formed]


def affinity(one: Candidate, other: Candidate) -> float:
    """Say how much two sentences are about one aspect."""
    value = likeness(one, other)
    if one.kind == other.kind:
        value += SAME_KIND
    if one.place == other.place and abs(one.statement.position - other.statement.position) <= 1:
        value += NEIGHBOURS
    if one.statement.marks.speakers & other.statement.marks.speakers:
        value += SAME_SPEAKER
    return value


def _lead(chosen: Sequence[Candidate], limits: Limits) -> list[Candidate]:
    """Give what happened: the first sentence chosen, and what else the reports' beginnings say of it."""
    first = chosen[0]
    size = 1 if len(chosen) <= 2 else 2 if len(chosen) <= 7 else limits.lead_sentences
    others = [c for c in chosen[1:] if c.kind == Kind.EVENT and c.statement.position <= LEAD_POSITIONS and affinity(first, c) >= JOIN]
    others.sort(key=lambda c: -(c.opening + affinity(first, c)))
    return [first, *others[: size - 1]]


def _join(rest: Sequence[Candidate], limits: Limits) -> list[list[Candidate]]:
    groups = [[candidate] for candidate in rest]
    while len(groups) > 1:
        best = (0.0, 0, 0)
        for left in range(len(groups)):
            for right in range(left + 1, len(groups)):
                if len(groups[left]) + len(groups[right]) <= limits.sentences_a_section:
                    pairs = [affinity(a, b) for a in groups[left] for b in groups[right]]
                    mean = sum(pairs) / len(pairs)
                    if mean > best[0]:
                        best = (mean, left, right)
        if best[0] < JOIN:
            break
        groups[best[1]].extend(groups.pop(best[2]))
    return groups


def _keep(groups: list[list[Candidate]], limits: Limits) -> list[list[Candidate]]:
    groups.sort(key=lambda held: -(max(c.score for c in held) + 0.3 * len(held)))
    return groups[: limits.sections - 1]


def _companion(lonely: Candidate, spare: Sequence[Candidate], used: Sequence[Candidate], limits: Limits) -> Candidate | None:
    best: Candidate | None = None
    value = COMPANION
    for candidate in spare:
        close = affinity(lonely, candidate)
        if close > value and candidate not in used and not any(repeats(candidate, other, limits) for other in used):
            best, value = candidate, close
    return best


def _ordered(held: Sequence[Candidate]) -> list[Candidate]:
    """Put the best sentence first, before it what its own article says before it, and the others as they stand in their articles."""
    first = max(held, key=lambda c: c.score)
    before = [c for c in held if c.place == first.place and c.statement.position < first.statement.position]
    rest = [c for c in held if c is not first and c not in before]
    before.sort(key=lambda c: c.statement.position)
    rest.sort(key=lambda c: (c.kind, c.statement.position, c.place))
    return [*before, first, *rest]


def _kind(held: Sequence[Candidate]) -> Kind:
    kinds = sorted(c.kind for c in held)
    return kinds[len(kinds) // 2]
