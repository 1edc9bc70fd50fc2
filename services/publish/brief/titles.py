"""Makes a section of titles alone, for a story whose articles have no sentence that could be used: feeds that give no text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.publish.brief.heading import count_words, tells
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.marks import Marks
from services.publish.brief.read import Reading, read_sentence
from services.publish.brief.split import is_boilerplate, is_closed, strip_lead
from services.publish.brief.support import covered, find_evidence
from services.publish.brief.words import IDEOGRAPHIC, letters_only, tokenise
from shared.contracts.brief import Section, Sentence

COVERAGE = 0.85
"""Share of a title that another must contain to state it: a title has no names that are known as such, and says little besides."""
AT_LEAST = 2
"""Sentences of a section of titles: one alone tells no more than the headline."""
OUTLET_WORDS = 5
"""Words of an outlet's name at a title's end."""
_OUTLET = re.compile(r"\s+[-|–—]\s+([^|–—]{2,40})$|\s+\(([A-Z][^()]{2,40})\)$")
_ROLLING = re.compile(r"\blive (updates|blog)\b|\bas it happened\b", re.IGNORECASE)
_ADDRESS = re.compile(r"\w\.\w")


@dataclass(frozen=True, slots=True)
class Line:
    """A title that may stand as a sentence, without its label and its outlet's name."""

    text: str
    marks: Marks
    numbers: tuple[int, ...]
    """Citation numbers of the articles whose titles state it, ascending."""


def title_section(readings: Sequence[Reading], headline: str, limits: Limits = DEFAULT_LIMITS) -> Section | None:
    """Give a section of what the titles say besides the headline, what most of them share first; None if that is too little."""
    same = letters_only(strip_lead(_without_outlet(headline, ""), readings[0].lexicon)).strip()
    strict = replace(limits, coverage=COVERAGE, short_coverage=COVERAGE)
    lines = [_line(text, reading, readings, strict) for reading in readings for text in _usable(reading, limits)]
    lines = list({letters: line for line in lines if (letters := letters_only(line.text).strip()) != same}.values())
    chosen: list[Line] = []
    for line in sorted(lines, key=lambda line: (-len(line.numbers), line.numbers)):
        if len(chosen) < limits.sentences_a_section and not any(_repeats(line.marks, other.marks, limits) for other in chosen):
            chosen.append(line)
    heading = _heading(lines, chosen, limits) if chosen else None
    chosen = [line for line in chosen if line is not heading]
    if heading is None or len(chosen) < AT_LEAST:
        return None
    return Section(heading=heading.text, sentences=tuple(Sentence(text=line.text, citations=line.numbers) for line in chosen))


def _usable(reading: Reading, limits: Limits) -> Iterator[str]:
    """Give an article's title if it can stand alone: it tells something, asks nothing and speaks to nobody."""
    lexicon = reading.lexicon
    text = strip_lead(_without_outlet(reading.title.text, reading.source.publisher_name), lexicon)
    lows = [token.word.low for token in tokenise(text, reading.source.language) if not token.mark]
    if reading.source.language in IDEOGRAPHIC:
        short = len(text) < limits.min_words
    else:
        short = not limits.min_words - 1 <= count_words(text) <= limits.max_words
    if short or len(text) > limits.max_chars or not is_closed(text) or "?" in text or text.endswith(("…", "...")) or is_boilerplate(text):
        return
    if not lows or lows[0] in lexicon.imperatives or _ROLLING.search(text):
        return
    if {*lows} & (lexicon.first_person | lexicon.second_person) or lows[0] in lexicon.questions | lexicon.openers | lexicon.needs_context:
        return
    if tells(text, reading):
        yield text


def _without_outlet(title: str, publisher: str) -> str:
    found = _OUTLET.search(title)
    if found is None:
        return title
    name = found[1] or found[2]
    words = name.split()
    named = letters_only(name).strip() == letters_only(publisher).strip() or _ADDRESS.search(name) or all(w[0].isupper() for w in words)
    return title[: found.start()] if named and len(words) <= OUTLET_WORDS else title


def _line(text: str, own: Reading, readings: Sequence[Reading], strict: Limits) -> Line:
    marks = read_sentence(text, own)
    numbers = [
        reading.source.number
        for reading in readings
        if reading is own or (marks.weight and find_evidence(marks, reading, strict) is not None)
    ]
    return Line(text, marks, tuple(sorted(numbers)))


def _repeats(one: Marks, other: Marks, limits: Limits) -> bool:
    return max(covered(one, other), covered(other, one)) > limits.repetition


def _heading(lines: Sequence[Line], chosen: Sequence[Line], limits: Limits) -> Line | None:
    """Choose the line of a heading's length that says most of what the first chosen one says, rather one that was not chosen."""
    fit = [line for line in lines if limits.heading_min_words <= count_words(line.text) <= limits.heading_max_words]
    first = chosen[0].marks
    return max(fit, key=lambda line: (line not in chosen, covered(line.marks, first) + covered(first, line.marks)), default=None)
