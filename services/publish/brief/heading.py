"""What a heading is, and what its words tell."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.publish.brief.lexicon import Lexicon
from services.publish.brief.marks import Marks, mark
from services.publish.brief.read import Reading
from services.publish.brief.split import is_closed
from services.publish.brief.words import NO_WORD, Token, Word, tokenise

SIGNS_A_WORD = 2
"""Signs that count as one word in Chinese and Japanese."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that may be used."""

    text: str
    marks: Marks
    gain: float


def count_words(heading: str) -> int:
    """Count a heading's words; a dash is none."""
    return sum(any(sign.isalnum() for sign in word) for word in heading.split())


def tells(heading: str, article: Reading) -> bool:
    """Say whether a heading has a verb, where the language's are known."""
    return has_verb(tokenise(heading, article.source.language), article)


def has_verb(tokens: Sequence[Token], article: Reading) -> bool:
    """Say whether words have a verb, where the language's are known."""
    lexicon = article.lexicon
    return lexicon.language != "en" or any(
        is_verb(tokens, at, article) or _acts_in_titles(tokens, at, lexicon) for at in range(len(tokens))
    )


def _acts_in_titles(tokens: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Say whether a title's word may be its verb: "Germany rejects recognition", "Treasury deputy to leave"."""
    low = tokens[place].word.low
    if place and (low in lexicon.infinitives or f"{low}s" in lexicon.auxiliaries or f"{low}es" in lexicon.auxiliaries):
        return True
    return lexicon.language == "en" and place > 0 and len(low) > 3 and low.endswith("s") and not low.endswith(("ss", "us", "'s"))


def read_heading(text: str, article: Reading) -> Marks:
    """Read a heading with the names of the article that it is from."""
    return mark(text, tokenise(text, article.source.language), article.lexicon, article.known, article.halves, None)


def is_verb(tokens: Sequence[Token], place: int, article: Reading) -> bool:
    """Say whether a word is a verb where it stands, as far as the language's lexicon tells."""
    lexicon = article.lexicon
    word = tokens[place].word
    if word.low in lexicon.auxiliaries or word.low in lexicon.speech or word.low in lexicon.intransitive:
        return not (word.capital and word.low in article.known)
    if word.capital or word.stop:
        return False
    before = tokens[place - 1].word if place else NO_WORD
    if lexicon.verb_endings and len(word.low) > 4 and word.low.endswith(lexicon.verb_endings):
        after = tokens[place + 1].word if place + 1 < len(tokens) else NO_WORD
        if before.low in lexicon.superlatives or (after.low in lexicon.passives and before.low not in lexicon.auxiliaries):
            # "The largest untapped deposits", "the rules drafted by the city".
            return False
        return not before.stop or before.low in lexicon.auxiliaries or before.low in lexicon.subjects
    return lexicon.language == "en" and place + 1 < len(tokens) and _acts_in_english(before, word, tokens[place + 1].word)


def _acts_in_english(before: Word, word: Word, after: Word) -> bool:
    """Say whether a word between its subject and a determiner or preposition is a verb: "Seoul wants the", "restrictions date from"."""
    if not after.stop or not after.low or len(word.low) < 3 or before.stop or not before.low:
        return False
    if word.low.endswith("s"):
        return False
    return before.low.endswith("s") and not before.low.endswith("ss") and not word.low.endswith(("ing", "ed", "ly"))


def is_closed_heading(text: str) -> bool:
    """Say whether a heading closes its quotations and brackets, single quotation marks too."""
    return is_closed(text) and text.count("‘") <= text.count("’") and not (text[:1] == "'" and text.count("'") < 2)
