"""Says which sentences can stand alone: whole, resolved, and part of the report."""

import re
from enum import StrEnum

from services.publish.brief.lexicon import Lexicon
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.read import Reading, Statement
from services.publish.brief.words import IDEOGRAPHIC, letters_only

OPENING_TOKENS = 6
"""Words in which an "also" or "other" points back to what came before."""
SHOUTING = 0.35
"""Share of capital letters above which a sentence is a title or a shout."""


QUOTES_OPEN = "“\"«„「『‘'¿¡$€£"
MARKS_MORE = 4
"""Signs by which a title that is repeated in the text may differ from it."""
BACK_CHARS = 60
_POINTS_BACK = re.compile(r"\b(?:hours?|days?|weeks?|months?|years?) (?:earlier|later|before)\b|\b(?:has|have|had) since\b")
_CLAUSES = frozenset({"that", "who", "which", "if", "than", "where", "whose", "so", "but", "or", "and"})


class Flaw(StrEnum):
    """Why a sentence can't stand alone."""

    FRAGMENT = "fragment"
    LENGTH = "length"
    PRONOUN = "pronoun"
    CONTEXT = "context"
    PERSON = "person"
    QUESTION = "question"
    NO_SPEAKER = "no_speaker"
    TITLE = "title"
    SHOUT = "shout"


def find_flaw(statement: Statement, article: Reading, limits: Limits = DEFAULT_LIMITS) -> Flaw | None:
    """Name the first reason why a sentence can't stand alone in a brief; None if it can."""
    text = statement.text
    marks = statement.marks
    lexicon = article.lexicon
    if not statement.whole or not marks.terms or not _opens_sentence(text) or not _has_verb(statement, article):
        return Flaw.FRAGMENT
    if not limits.min_words <= marks.words <= limits.max_words or len(text) > limits.max_chars:
        return Flaw.LENGTH
    if text.rstrip("\"'”’»」』)")[-1] in "?？؟":
        return Flaw.QUESTION
    words = [token for token in statement.tokens if not token.mark]
    unquoted = [token for token in words if not token.quoted]
    if len(unquoted) < 2 and (article.source.language not in IDEOGRAPHIC or not unquoted):
        return Flaw.NO_SPEAKER
    if text[0] in '“"«„「『' and unquoted and not marks.attributed and not any(t.word.low in lexicon.speech for t in unquoted):
        return Flaw.NO_SPEAKER
    lows = {token.word.low for token in unquoted}
    if lows & lexicon.first_person or lows & lexicon.second_person:
        return Flaw.PERSON
    if words[0].word.low in lexicon.openers:
        return Flaw.PRONOUN
    if _has_loose_pronoun(statement, article) or (marks.pronoun_speaker and not _names_someone(statement, article)):
        return Flaw.PRONOUN
    if marks.attributed and not marks.quotes and marks.terms.keys() <= marks.speakers:
        return Flaw.FRAGMENT
    if words[0].word.low in lexicon.needs_context and not words[0].quoted:
        return Flaw.CONTEXT
    if not words[0].quoted and words[0].word.low in lexicon.imperatives and words[0].word.low not in article.known:
        return Flaw.FRAGMENT
    if words[0].word.low in lexicon.subordinates and not any(token.mark == "," for token in statement.tokens):
        return Flaw.FRAGMENT
    start = letters_only(text[:80]).lstrip()
    if start.startswith(lexicon.context_phrases):
        return Flaw.CONTEXT
    if any(token.word.low in lexicon.also_words for token in unquoted[:OPENING_TOKENS]) or _POINTS_BACK.search(text[:BACK_CHARS]):
        return Flaw.CONTEXT
    if sum(map(str.isupper, text)) > SHOUTING * len(text):
        return Flaw.SHOUT
    if abs(len(text) - len(article.title.text)) <= MARKS_MORE and letters_only(text).strip() == letters_only(article.title.text).strip():
        return Flaw.TITLE
    return None


def _opens_sentence(text: str) -> bool:
    return (text[0].isalnum() and not text[0].islower()) or text[0] in QUOTES_OPEN


def _has_loose_pronoun(statement: Statement, article: Reading) -> bool:
    """Say whether a pronoun stands for someone whom the sentence has not named before it."""
    lexicon = article.lexicon
    named = False
    opened_by_noun = False
    first = True
    after_break = False
    clauses = 0
    for place, token in enumerate(statement.tokens):
        if token.mark:
            after_break = True
            clauses += 1
            continue
        if token.quoted:
            continue
        word = token.word
        if first:
            opened_by_noun = not word.stop or word.low in lexicon.determiners
            first = False
        if word.low in lexicon.subjects and (not named or (after_break and not opened_by_noun)):
            return True
        if word.low in lexicon.objects and not clauses and not _acts(statement, place, lexicon):
            return True
        if word.low in lexicon.borders or word.low in _CLAUSES:
            clauses += 1
        if not word.stop and (word.weight >= 1.0 or word.capital):
            named = True
        after_break = False
    return False


def _names_someone(statement: Statement, article: Reading) -> bool:
    """Say whether a sentence names, outside quotations, someone who is no country."""
    return any(
        token.word.low in article.known and not token.quoted and not article.lexicon.place_terms.issuperset(token.word.terms)
        for token in statement.tokens
    )


def _acts(statement: Statement, place: int, lexicon: Lexicon) -> bool:
    """Say whether a pronoun is the subject of a clause of its own: "said it would"."""
    return place + 1 < len(statement.tokens) and statement.tokens[place + 1].word.low in lexicon.auxiliaries


def _has_verb(statement: Statement, article: Reading) -> bool:
    """Say whether a sentence has a verb, in languages whose lexicon knows verbs; else it is taken to have one."""
    lexicon = article.lexicon
    if not lexicon.auxiliaries:
        return True
    for place, token in enumerate(statement.tokens):
        low = token.word.low
        if low in lexicon.auxiliaries or low in lexicon.speech:
            return True
        # "Increased use of force" has none.
        if place and lexicon.verb_endings and len(low) > 4 and low.endswith(lexicon.verb_endings):
            return True
    return False
