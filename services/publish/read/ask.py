"""Read what a reader asks for, and write it as Postgres' full-text queries. Pure.

Words are all wanted; "a phrase" in quotation marks, `or` between and a minus before a word mean what they say.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_TERMS = 16
"""Words and phrases of a query that are looked up; a longer one is a text, not a search."""
_PART = re.compile(r'(-?)"([^"]*)"?|(-?)([^\s"]+)')
_LETTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Term:
    """A word or a phrase, wanted or not."""

    text: str
    phrase: bool = False
    wanted: bool = True


Asked = tuple[tuple[Term, ...], ...]
"""Alternatives, each of terms that are all wanted (or not)."""


def read_query(query: str) -> Asked:
    """Read a query. An alternative that says only what must not be there is dropped: nearly everything answers it."""
    alternatives: list[list[Term]] = [[]]
    for minus, phrase, minus_word, word in _PART.findall(query)[:MOST_TERMS]:
        if word.lower() == "or" and not minus_word:
            alternatives.append([])
            continue
        text = word.lstrip("-") if word else phrase
        if _LETTER.search(text):
            alternatives[-1].append(Term(text, phrase=not word, wanted=not (minus or minus_word)))
    return tuple(tuple(terms) for terms in alternatives if any(term.wanted for term in terms))


def plain_words(asked: Asked) -> list[str]:
    """Give the words whose spelling may be forgiven: wanted ones outside phrases, each once."""
    return list(dict.fromkeys(term.text for terms in asked for term in terms if term.wanted and not term.phrase and term.text.isalpha()))


def tsquery(asked: Asked, spelt: Mapping[str, Sequence[str]]) -> str:
    """Write the query as `to_tsquery` takes it; a word that has other spellings is found by any of them."""
    return " | ".join("(" + " & ".join(_term(term, spelt) for term in terms) + ")" for terms in asked)


def _term(term: Term, spelt: Mapping[str, Sequence[str]]) -> str:
    if not term.wanted:
        return "!" + _quoted(term.text)
    words = [term.text] if term.phrase else list(dict.fromkeys((term.text, *spelt.get(term.text, ()))))
    return "(" + " | ".join(map(_quoted, words)) + ")"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
