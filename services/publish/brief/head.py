"""Chooses a section's heading: a title or a cut of a sentence, 4 to 10 words, that says what the section says."""

from collections.abc import Iterable, Iterator, Sequence

from services.publish.brief.cut import cut_headings
from services.publish.brief.heading import Heading, count_words, read_heading
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.marks import Marks
from services.publish.brief.read import Reading
from services.publish.brief.select import Candidate
from services.publish.brief.support import check
from services.publish.brief.words import IDEOGRAPHIC, letters_only

LEAD_OTHERS = 0.4
"""What the first section's other sentences count for its heading, which is to say what the first one says."""
ECHO_LOSS = 0.35
"""Loss of a heading that the section's first sentence begins with."""
HEADLINE_SHARE = 0.7
"""Share of a heading's weight that the headline may have; for the first section, which tells what the headline does, more."""
LEAD_HEADLINE_SHARE = 0.9
HEADLINE_LOSS = 0.4
"""Loss of a heading that the headline has whole."""
TAKEN_SHARE = 0.5
"""Share of a heading's terms that an earlier heading may have."""
COVERED = 0.7
"""Share of a heading's weight that the section's sentences must contain."""
ABOUT = 0.5
"""Share of a heading's weight that the section must contain where no heading is contained whole."""


def choose_heading(
    members: Sequence[Candidate],
    spare: Sequence[Candidate],
    headline: str,
    taken: Iterable[Heading],
    titles: Sequence[Sequence[Heading]],
    readings: Sequence[Reading],
    limits: Limits = DEFAULT_LIMITS,
    *,
    lead: bool = False,
) -> Heading | None:
    """Choose the heading that says most of a section and repeats neither the headline nor another heading; None if none is fit."""
    section: dict[str, float] = {}
    for member in members:
        part = LEAD_OTHERS if lead and member is not members[0] else 1.0
        for term, weight in member.profile.items():
            section[term] = section.get(term, 0.0) + weight * part
    norm = sum(weight * weight for weight in section.values()) ** 0.5 or 1.0
    passage = [member.statement.marks for member in members]
    first = letters_only(members[0].statement.text).strip()
    headline_marks = read_heading(headline, members[0].article)
    same = letters_only(headline).strip()
    most = LEAD_HEADLINE_SHARE if lead else HEADLINE_SHARE
    options: list[tuple[float, Heading, Reading]] = []
    seen: set[str] = {same, first} if len(members) == 1 else {same}
    taken = list(taken)
    for heading, article in _options(members, spare, titles, readings, limits):
        letters = letters_only(heading.text).strip()
        if letters in seen or not heading.marks.weight or not _has_length(heading.text, article, limits):
            continue
        seen.add(letters)
        echoed = _share(heading.marks, headline_marks)
        if echoed > most or any(_share(heading.marks, other.marks) > TAKEN_SHARE for other in taken):
            continue
        value = heading.gain + sum(section.get(term, 0.0) for term in heading.marks.terms) / (norm * len(heading.marks.terms) ** 0.5)
        value -= HEADLINE_LOSS * echoed + (ECHO_LOSS if first.startswith(letters) else 0.0)
        options.append((value, heading, article))
    options.sort(key=lambda option: -option[0])
    for wanted in (passage[:1], passage) if lead else (passage,):
        for _, heading, article in options:
            if _says(heading.marks, wanted, article, limits):
                return heading
    return next((heading for _, heading, _ in options if _fits(heading.marks, passage)), None)


def _has_length(text: str, article: Reading, limits: Limits) -> bool:
    return article.source.language in IDEOGRAPHIC or limits.heading_min_words <= count_words(text) <= limits.heading_max_words


def _options(
    members: Sequence[Candidate],
    spare: Sequence[Candidate],
    titles: Sequence[Sequence[Heading]],
    readings: Sequence[Reading],
    limits: Limits,
) -> Iterator[tuple[Heading, Reading]]:
    cited: set[int] = set()
    for member in members:
        cited.update(member.stated_by)
        for heading in cut_headings(member.statement, member.article, limits):
            yield heading, member.article
    for place in sorted(cited):
        for heading in titles[place]:
            yield heading, readings[place]
    terms = {term for member in members for term in member.statement.marks.terms}
    for other in spare:
        if other.place in cited and len(terms & other.statement.marks.terms.keys()) >= 3:
            for heading in cut_headings(other.statement, other.article, limits):
                yield heading, other.article


def _share(marks: Marks, other: Marks) -> float:
    return sum(weight for term, weight in marks.terms.items() if term in other.terms) / (marks.weight or 1.0)


def _says(heading: Marks, passage: Sequence[Marks], article: Reading, limits: Limits) -> bool:
    """Say whether the section's sentences contain the heading, by the check that citations pass."""
    core = max(passage, key=lambda marks: _share(heading, marks))
    share = sum(w for term, w in heading.terms.items() if any(term in marks.terms for marks in passage)) / heading.weight
    return share >= COVERED and check(heading, [core], article, [], core, limits)[1] is None


def _fits(heading: Marks, passage: Sequence[Marks]) -> bool:
    """Say whether a heading, which a cited article states, is about what the section says, and has no number that it lacks."""
    share = sum(w for term, w in heading.terms.items() if any(term in marks.terms for marks in passage)) / heading.weight
    figures = {figure.value for marks in passage for figure in marks.figures}
    return share >= ABOUT and all(figure.value in figures for figure in heading.figures)
