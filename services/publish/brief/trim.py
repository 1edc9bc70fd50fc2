"""Cuts a sentence's last clause off where it is another statement, so that what is left may be what more articles state."""

import itertools
from collections.abc import Iterator, Sequence

from services.publish.brief.lexicon import Lexicon
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.marks import mark
from services.publish.brief.read import Reading, Statement
from services.publish.brief.split import is_closed
from services.publish.brief.words import Token

MORE_WORDS = 2
"""Words that the rest has beyond the least of a sentence."""
TAIL_WORDS = 4
"""Words of the clause that is cut at least: less is hardly a statement."""
LIST_REACH = 7
"""Words before a comma among which another comma shows a list, whose last part is no clause."""
ATTRIBUTION_REACH = 4
"""Words at a sentence's end among which a verb of saying shows that the end says who said the whole."""


def trim(statement: Statement, article: Reading, limits: Limits = DEFAULT_LIMITS) -> Iterator[Statement]:
    """Give the sentence without its last clauses (", and …", ", the second …", " after …"), each time one fewer.

    The rest stands in the article word for word but for its full stop, has a verb, and keeps who said it.
    """
    lexicon = article.lexicon
    tokens = statement.tokens
    for place in range(len(tokens) - TAIL_WORDS - 1, limits.min_words, -1):
        if tokens[place].quoted or tokens[place - 1].mark:
            continue
        comma = tokens[place].mark == ","
        opens = tokens[place + 1 if comma else place].word.low
        if opens not in (lexicon.clause_starts | lexicon.articles if comma else lexicon.trim_borders):
            continue
        kept, tail = tokens[:place], tokens[place + comma :]
        words = sum(not token.mark for token in kept)
        if words < limits.min_words + MORE_WORDS or sum(not token.mark for token in tail) < TAIL_WORDS:
            continue
        if (comma and opens in lexicon.clause_starts and not _is_clause(tail, lexicon)) or _attributes(tail, lexicon):
            continue
        if kept[-1].word.low in lexicon.units or not _says_what(kept, lexicon) or (not comma and _is_list(tokens[: place + 1])):
            continue
        listed = comma and (_is_list(kept) or (opens in lexicon.articles and _lists_more(tail, lexicon)))
        if not _is_clause(kept, lexicon) or listed or kept[-1].word.stop:
            continue
        if kept[0].word.low in lexicon.conditions or any(token.word.low in lexicon.pair_words for token in kept):
            continue
        text = statement.text[: kept[-1].end].rstrip()
        if is_closed(text):
            text = text if text.endswith(".") else f"{text}."  # "U.S." has its point
            published = article.source.published_at.date() if article.source.published_at else None
            marks = mark(text, kept, lexicon, article.known, article.halves, published)
            yield Statement(text, statement.position, statement.paragraph, True, marks, kept)


def _is_clause(tokens: Sequence[Token], lexicon: Lexicon) -> bool:
    for place, token in enumerate(tokens):
        low = token.word.low
        if low in lexicon.auxiliaries or low in lexicon.speech or low in lexicon.intransitive:
            return True
        if place and lexicon.verb_endings and len(low) > 4 and low.endswith(lexicon.verb_endings):
            return True
    return False


def _says_what(kept: Sequence[Token], lexicon: Lexicon) -> bool:
    """Say whether a verb follows the last verb of saying: "announced that Martin D." says nothing."""
    told = max((place for place, token in enumerate(kept) if token.word.low in lexicon.attributing and not token.quoted), default=-1)
    return told < 0 or told >= len(kept) - 2 or kept[told].mark != "" or _is_clause(kept[told + 1 :], lexicon)


def _attributes(tail: Sequence[Token], lexicon: Lexicon) -> bool:
    """Say whether a clause ends with who said the whole: "…, and fell by 3%, the bank said"."""
    last = [token for token in tail if not token.mark][-ATTRIBUTION_REACH:]
    return any(token.word.low in lexicon.attributing for token in last) or any(token.word.low in lexicon.sourcing for token in tail)


def _lists_more(tail: Sequence[Token], lexicon: Lexicon) -> bool:
    """Say whether a part goes on with ", a …" or " and a …": it is one of a list and no insertion."""
    opens = itertools.pairwise(tail)
    return any((left.mark == "," or left.word.low in lexicon.clause_starts) and right.word.low in lexicon.articles for left, right in opens)


def _is_list(kept: Sequence[Token]) -> bool:
    return any(token.mark == "," for token in kept[-LIST_REACH:])
