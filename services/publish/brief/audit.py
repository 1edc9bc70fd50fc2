"""Audits a finished brief against its articles, from their texts alone: what tests and benches hold every brief to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.publish.brief.heading import count_words, tells
from services.publish.brief.lexicon import load_lexicon
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.read import Reading, read_article, read_sentence
from services.publish.brief.source import Source
from services.publish.brief.split import is_closed
from services.publish.brief.support import covered, find_evidence
from services.publish.brief.words import IDEOGRAPHIC, letters_only, tokenise
from shared.contracts.brief import Brief, Section


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a brief."""

    what: str
    """unknown_source, not_stated, not_verbatim, repeated, heading_length, heading_repeats, too_many_sections, too_many_sentences."""
    text: str
    number: int | None = None


def audit(brief: Brief, sources: Sequence[Source], limits: Limits = DEFAULT_LIMITS) -> list[Finding]:
    """Find what is wrong with a brief: citations that don't hold, repetition, headings and sizes out of bounds.

    A sentence that an article has word for word is stated by it; any other must pass the check of `support`.
    """
    readings = {source.number: read_article(source, limits) for source in sources}
    findings = [*_sizes(brief, limits), *_headings(brief, readings, limits), *_repeated(brief)]
    for sentence in (sentence for section in brief.sections for sentence in section.sentences):
        own = [number for number in sentence.citations if number in readings and is_verbatim(sentence.text, readings[number])]
        if brief.made_by == "extractive" and not own:
            findings.append(Finding("not_verbatim", sentence.text))
        for number in sentence.citations:
            article = readings.get(number)
            if article is None:
                findings.append(Finding("unknown_source", sentence.text, number))
            elif number not in own:
                marks = read_sentence(sentence.text, readings[own[0]] if own else article)
                if find_evidence(marks, article, limits) is None:
                    findings.append(Finding("not_stated", sentence.text, number))
    return findings


def find_heading_flaw(heading: str, language: str) -> str | None:
    """Name what makes a heading read badly: unclosed, opens_with_pronoun, ends_open, names_only; None if nothing does.

    A rough sign, from word lists: what a reader finds besides is not seen.
    """
    lexicon = load_lexicon(language)
    words = [token.word for token in tokenise(heading, language) if not token.mark]
    if not words or not is_closed(heading):
        return "unclosed"
    if words[0].low in lexicon.openers or words[0].low in lexicon.needs_context:
        return "opens_with_pronoun"
    if words[-1].low in lexicon.dangling or (words[-1].low in lexicon.vague and words[-2:][0].low in lexicon.loose_articles):
        return "ends_open"
    return None if tells(heading, read_article(_untold(heading, language))) else "names_only"


def _untold(title: str, language: str) -> Source:
    return Source(1, UUID(int=0), 1, title, "", "", "", language)


def is_verbatim(text: str, article: Reading) -> bool:
    """Say whether a sentence of an article, or its title, has these words, after an opening that was cut, but for the full stop."""
    letters = letters_only(text).strip()
    return any(letters in letters_only(statement.text) for statement in (article.title, *article.body))


def count_citations(brief: Brief) -> int:
    """Count the pairs of sentence and article."""
    return sum(len(sentence.citations) for section in brief.sections for sentence in section.sentences)


def repetition(brief: Brief, sources: Sequence[Source], limits: Limits = DEFAULT_LIMITS) -> float:
    """Give the greatest share of one sentence's weight that another of the brief repeats, 0 to 1."""
    sentences = [sentence for section in brief.sections for sentence in section.sentences]
    marks = [read_sentence(sentence.text, _like(sentence.citations[0], sources, limits)) for sentence in sentences]
    return max((covered(one, other) for one in marks for other in marks if one is not other), default=0.0)


def _like(number: int, sources: Sequence[Source], limits: Limits) -> Reading:
    return read_article(next(source for source in sources if source.number == number), limits)


def _sizes(brief: Brief, limits: Limits) -> Iterator[Finding]:
    if len(brief.sections) > limits.sections:
        yield Finding("too_many_sections", "")
    for section in brief.sections:
        if len(section.sentences) > limits.sentences_a_section:
            yield Finding("too_many_sentences", section.heading)


def _headings(brief: Brief, readings: dict[int, Reading], limits: Limits) -> Iterator[Finding]:
    seen: set[str] = set()
    for section in brief.sections:
        letters = letters_only(section.heading).strip()
        if letters in seen:
            yield Finding("heading_repeats", section.heading)
        seen.add(letters)
        if not _fits(section, readings, limits):
            yield Finding("heading_length", section.heading)


def _fits(section: Section, readings: dict[int, Reading], limits: Limits) -> bool:
    cited = readings.get(section.sentences[0].citations[0])
    if cited is not None and cited.source.language in IDEOGRAPHIC:
        return len(section.heading) <= limits.heading_max_words * 2 + 2
    return limits.heading_min_words <= count_words(section.heading) <= limits.heading_max_words


def _repeated(brief: Brief) -> Iterator[Finding]:
    seen: set[str] = set()
    for section in brief.sections:
        for sentence in section.sentences:
            letters = letters_only(sentence.text).strip()
            if letters in seen:
                yield Finding("repeated", sentence.text)
            seen.add(letters)
