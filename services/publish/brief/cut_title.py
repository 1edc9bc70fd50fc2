"""Makes headings of titles: whole, a part between colons and dashes, or cut before "as", "after" and the like."""

import re
from collections.abc import Iterator, Sequence

from services.publish.brief.cut import cut_clauses, is_conditional, is_one_verb
from services.publish.brief.heading import Heading, has_verb, is_closed_heading, read_heading
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.read import Reading
from services.publish.brief.words import IDEOGRAPHIC, tokenise

TITLE_GAIN = 0.35
"""A title is written to be read alone."""
NAME_LOSS = -0.3
"""A title without a verb names something and tells nothing."""
TITLE_CASE = 0.35
"""Share of a title's words with a capital from which its capitals say nothing."""


def headings_of_titles(readings: Sequence[Reading], limits: Limits = DEFAULT_LIMITS) -> list[list[Heading]]:
    """Give the headings that each article's title makes."""
    names = frozenset[str]().union(*(reading.known for reading in readings))
    small = frozenset[str]().union(*(reading.small for reading in readings))
    return [list(title_headings(reading, names, small, limits)) for reading in readings]


def title_headings(article: Reading, names: frozenset[str], small: frozenset[str], limits: Limits = DEFAULT_LIMITS) -> Iterator[Heading]:
    """Give an article's title, or its parts between colons and dashes, as headings if their length is right."""
    title = _LABEL.sub("", article.title.text)
    if article.source.language in IDEOGRAPHIC:
        yield from cut_clauses(title, article, limits)
        return
    if title.rstrip().endswith(("…", "...", "?")) or "?" in title:
        return
    parts = [part.strip(" |–—-:") for part in parts_of(title)]
    for part in parts if len(parts) > 1 else [title]:
        words = len(part.split())
        if words < limits.heading_min_words:
            continue
        if words > limits.heading_max_words:
            yield from _cut_title(_sentence_case(part, article, names, small), article, limits)
            continue
        tokens = tokenise(part, article.source.language)
        lows = [token.word.low for token in tokens if not token.mark]
        lexicon = article.lexicon
        if not lows or lows[0] in lexicon.openers or lows[0] in lexicon.needs_context or lows[-1] in lexicon.dangling:
            continue
        opens_late = lows[0] in lexicon.borders | lexicon.weak_borders and "," not in part
        if opens_late or lows[0] in lexicon.questions or lows[0] in lexicon.attributing:
            continue
        if not is_closed_heading(part) or {*lows} & (lexicon.first_person | lexicon.second_person):
            continue
        text = _sentence_case(part, article, names, small)
        whole = has_verb(tokens, article)
        if whole or len(parts) == 1:
            yield Heading(text, read_heading(text, article), TITLE_GAIN if whole else NAME_LOSS)


def _cut_title(title: str, article: Reading, limits: Limits) -> Iterator[Heading]:
    """Cut a long title before "as", "after" and the like."""
    lexicon = article.lexicon
    tokens = tokenise(title, article.source.language)
    if tokens and tokens[0].word.low in lexicon.borders | lexicon.weak_borders:
        return
    words = 0
    for place, token in enumerate(tokens[:-1]):
        words += not token.mark
        if words > limits.heading_max_words or token.mark in _STOPS:
            return
        after = tokens[place + 1]
        listed = after.mark == "," and token.word.capital and place + 2 < len(tokens) and tokens[place + 2].word.capital
        border = after.word.low in (lexicon.borders | lexicon.title_borders) or after.mark in _STOPS or (after.mark == "," and not listed)
        if (
            words >= limits.heading_min_words
            and border
            and not token.mark
            and not token.word.stop
            and token.word.low not in lexicon.dangling
            and (not lexicon.verb_late or is_one_verb(tokens, 0, place, lexicon))
        ):
            cut = title[: token.end].strip()
            if is_closed_heading(cut) and not is_conditional(tokens, place, lexicon) and has_verb(tokens[: place + 1], article):
                yield Heading(cut, read_heading(cut, article), TITLE_GAIN)


_STOPS = frozenset(";:–—")


_LABEL = re.compile(r"^\s*[(\[][^)\]]{1,30}[)\]]\s*")
"""A label before a title: "(News Focus)"."""


def parts_of(title: str) -> list[str]:
    """Give a title's parts between dashes, colons and the like."""
    parts = [title]
    for sign in (" | ", " — ", " – ", " - ", ": ", "; "):
        parts = [piece for part in parts for piece in part.split(sign)]
    return parts


def _sentence_case(title: str, article: Reading, names: frozenset[str], small: frozenset[str]) -> str:
    """Write an English title with capitals for names alone, as the headings that are cut from sentences have them."""
    written = title[:1].upper() + title[1:]
    if article.source.language != "en":
        return written
    tokens = [token for token in tokenise(title, article.source.language) if not token.mark]
    long = [token for token in tokens if token.end - token.start > 3]
    cased = sum(token.word.capital for token in long) >= TITLE_CASE * len(long)
    for at, token in enumerate(tokens[1:], 1):
        piece = title[token.start : token.end]
        low = token.word.low
        if not token.word.capital or piece[1:] != piece[1:].lower() or low in article.lexicon.dates:
            continue
        beside = (tokens[at - 1], *tokens[at + 1 : at + 2])
        named = any(other.word.low in names for other in beside)
        lowered = low not in names and (cased or low in small)
        if token.word.stop or lowered or (cased and low in article.lexicon.weak and not named):
            written = written[: token.start] + piece.lower() + written[token.end :]
    return written
