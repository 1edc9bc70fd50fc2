"""Finds a section's heading: a title or a cut of a sentence, 4 to 10 words, that says what the section says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.read import Reading, Statement, letters_only
from services.publish.brief.select import Candidate

TITLE_GAIN = 0.25
"""A title is written to be read alone."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that may be used, with its terms."""

    text: str
    terms: frozenset[str]
    title: bool


def cut_headings(statement: Statement, article: Reading, limits: Limits = DEFAULT_LIMITS) -> list[Heading]:
    """Cut a sentence's beginning at each safe border, so that what is left is a sentence of 4 to 10 words."""
    lexicon = article.lexicon
    text = statement.text
    tokens = [token for token in statement.tokens if not token.mark or token.mark in ",;:–—"]
    found: list[Heading] = []
    words = 0
    terms: set[str] = set()
    has_verb = False
    for place, token in enumerate(tokens):
        if token.quoted:
            break
        border = place == len(tokens) - 1 or bool(tokens[place + 1].mark) or tokens[place + 1].word.low in lexicon.borders
        if token.mark:
            if token.mark in ";:–—":
                break
            continue
        words += 1
        if words > limits.heading_max_words:
            break
        terms.update(token.word.terms)
        low = token.word.low
        has_verb = (
            has_verb
            or low in lexicon.auxiliaries
            or low in lexicon.speech
            or (bool(lexicon.verb_endings) and low.endswith(lexicon.verb_endings))
        )
        if (
            border
            and words >= limits.heading_min_words
            and has_verb
            and low not in lexicon.dangling
            and low not in lexicon.speech
            and not token.word.stop
        ):
            cut = text[: token.end].strip()
            found.append(Heading(cut, frozenset(terms), False))
    return found


def title_heading(article: Reading, limits: Limits = DEFAULT_LIMITS) -> Heading | None:
    """Give an article's title as a heading, if its length is right."""
    title = article.title.text
    if (
        not limits.heading_min_words <= len(title.split()) <= limits.heading_max_words
        or title.endswith(("…", "...", ":", "?"))
        or "|" in title
    ):
        return None
    return Heading(title, frozenset(article.title.marks.terms), True)


def choose_heading(
    members: Sequence[Candidate], headline: str, taken: Iterable[Heading], readings: Sequence[Reading], limits: Limits = DEFAULT_LIMITS
) -> Heading | None:
    """Choose the heading that says most of a section and repeats neither the headline nor another heading."""
    taken = list(taken)
    section: dict[str, float] = {}
    for member in members:
        for term, weight in member.profile.items():
            section[term] = max(section.get(term, 0.0), weight)
    options: list[tuple[Heading, float]] = []
    for member in members:
        options.extend((heading, 0.0) for heading in cut_headings(member.statement, member.article, limits))
        for place in member.stated_by:
            title = title_heading(readings[place], limits)
            if title is not None and title.terms <= section.keys():
                options.append((title, TITLE_GAIN))
    best: Heading | None = None
    best_value = 0.0
    same = letters_only(headline).strip()
    for heading, gain in options:
        letters = letters_only(heading.text).strip()
        if letters == same or any(letters == letters_only(other.text).strip() for other in taken):
            continue
        value = gain + sum(section.get(term, 0.0) for term in heading.terms)
        if value > best_value:
            best, best_value = heading, value
    return best
