"""Takes a text apart into words, numbers and marks, and says what is known of each word whatever stands around it."""

import itertools
import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple

from services.publish.brief.lexicon import Lexicon, load_lexicon

WEAK_WEIGHT = 0.4
SIGN_PAIR_WEIGHT = 0.7
LONG_WORD = 40
"""Letters; a longer word is cut, whatever it is."""

TOKEN = re.compile(
    r"((?:[^\W\d_]\.){2,})"
    r"|(\d{1,3}(?:[\u00a0\u202f ]\d{3})+(?!\d)|\d+(?:[.,]\d+)*(?:(?:st|nd|rd|th)\b)?)"
    r"|([^\W\d_]+(?:['’][^\W\d_]+)*)"
    r"|([%٪,;:–—“”\"«»„「」『』()])"
)
DOTTED, NUMBER, WORD, MARK = 1, 2, 3, 4
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_KANA = re.compile(r"[\u3040-\u309f]+")
_NOT_LETTERS = re.compile(r"[\W_]+")
_BRITISH = re.compile(r"is(e|ed|es|ing|ation|ations|ers?)$")
_OUR = re.compile(r"(?<=[a-z]{2})our(s|ed|ing|able|al|er|ers|ite|ful)?$")
_TRE = re.compile(r"tre(s)?$")
_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i"})
"""Letters that are no other letter with a mark, which outlets write so nevertheless."""
_BLANK = re.compile(r"[\u00a0\u202f ]")

OPENING = frozenset("“«„「『")
ENDING = frozenset("”»」』")
DECIMAL_POINT = frozenset({"en", "zh", "ja", "ko", "und", "he", "th", "hi"})
"""Languages that write 1,000.5; others write 1.000,5."""
IDEOGRAPHIC = frozenset({"zh", "ja"})
"""Languages without blanks, in which two signs count as a word."""


class Word(NamedTuple):
    """What is known of a word whatever stands around it."""

    low: str
    terms: tuple[str, ...]
    """Its terms: none for a stop word or number, one for most, pairs of signs for Chinese and Japanese."""
    weight: float
    capital: bool
    stop: bool
    special: bool
    """It may be a number, day, negation, turning word, side of a pair, verb of saying or part of a pair: look closer."""
    negation: bool = False
    value: float | None = None
    """A number's value."""
    scale: float | None = None


NO_WORD = Word("", (), 0.0, False, True, False)


class Token(NamedTuple):
    """A word or mark where it stands."""

    word: Word
    mark: str
    start: int
    end: int
    quoted: bool


def letters_only(text: str) -> str:
    """Give a text's letters and digits in small, other signs as single blanks."""
    return _NOT_LETTERS.sub(" ", text.replace("’", "").replace("‘", " ").replace("'", "").casefold())


def _fold(word: str) -> str:
    if word.isascii():
        return word
    word = word.translate(_STROKES)
    return "".join(sign for sign in unicodedata.normalize("NFD", word) if not unicodedata.combining(sign)) or word


def stem(low: str, lexicon: Lexicon) -> str:
    """Give a word's term: the standard form of what says the same, or its stem."""
    standard = lexicon.same.get(low)
    if standard is not None:
        return standard
    if lexicon.language == "en":
        low = _fold(low)
        if len(low) > 4:
            low = _to_american(low)
    stemmed = lexicon.stemmer.stemWord(low) if lexicon.stemmer is not None else low
    return lexicon.same.get(stemmed) or _fold(stemmed)


@cache
def families(language: str) -> Mapping[str, frozenset[int]]:
    """Give each term's families: terms that have one in common may stand for each other where the rest of a sentence agrees."""
    lexicon = load_lexicon(language)
    found: dict[str, set[int]] = {}
    for number, family in enumerate(lexicon.near):
        for word in family:
            found.setdefault(stem(word, lexicon), set()).add(number)
    return {term: frozenset(numbers) for term, numbers in found.items()}


def _to_american(low: str) -> str:
    """Give the American spelling: "organize", "color", "meter"."""
    if len(low) > 6:
        low = _BRITISH.sub(r"iz\1", low)
    low = _OUR.sub(r"or\1", low)
    return _TRE.sub(r"ter\1", low)


@lru_cache(maxsize=100_000)
def know_word(surface: str, language: str) -> Word:
    """Give what is known of a word as it is written."""
    lexicon = load_lexicon(language)
    straight = surface[:LONG_WORD].replace("’", "'")
    low = straight.lower()
    if low in lexicon.stop and 2 <= len(straight) <= 4 and straight.isupper():
        low = f"{low}."
    negation = low in lexicon.negations
    if "'" in low:
        low, negation = _without_apostrophe(low, lexicon, negation)
    capital = straight[:1].isupper()
    value = lexicon.number_words.get(low)
    scale = lexicon.scales.get(low)
    special = (
        negation
        or value is not None
        or scale is not None
        or low in lexicon.turns
        or low in lexicon.opposites
        or low in lexicon.speech
        or low in lexicon.attributing
        or low in lexicon.weekdays
        or low in lexicon.months
        or low in lexicon.relative_days
        or low in lexicon.periods
        or low in lexicon.percent
        or low in lexicon.pair_starts
        or low in lexicon.that_verbs
        or low in lexicon.superlatives
        or low in lexicon.metonyms
        or low in lexicon.directions
    )
    if low in lexicon.stop or negation or not low:
        return Word(low, (), 0.0, capital, True, special, negation, value, scale)
    if value is not None or scale is not None:
        return Word(low, (), 0.0, capital, False, True, False, value, scale)
    if not low.isascii() and _IDEOGRAPH.search(low):
        return Word(low, _sign_pairs(low, lexicon), SIGN_PAIR_WEIGHT, False, False, special)
    if not low.isascii() and _HANGUL.search(low):
        return Word(low, (low[:2] if len(low) <= 3 else low[:3],), 1.0, False, False, special)
    weight = 0.0 if low in lexicon.attributing else WEAK_WEIGHT if low in lexicon.weak or low in lexicon.bodies or len(low) == 1 else 1.0
    return Word(low, (stem(low, lexicon),), weight, capital, False, special)


def _without_apostrophe(low: str, lexicon: Lexicon, negation: bool) -> tuple[str, bool]:
    if low in lexicon.stop or low in lexicon.first_person or low in lexicon.second_person:
        return low, negation
    head, _, tail = low.partition("'")
    if tail == "t" and head.endswith("n"):
        return ("", True) if head in {"won", "can", "shan"} else (head[:-1], True)
    if head in lexicon.elisions:
        return tail, negation
    if tail in {"s", "re", "ve", "ll", "d", "m"}:
        return head, negation
    return low.replace("'", ""), negation


def _sign_pairs(low: str, lexicon: Lexicon) -> tuple[str, ...]:
    """Give the pairs of neighbouring signs; Japanese syllables of endings and particles part the runs."""
    runs = _KANA.split(low) if lexicon.language == "ja" else [low]
    pairs: list[str] = []
    for run in runs:
        kept = [sign for sign in run if sign not in lexicon.stop]
        pairs.extend(kept if len(kept) == 1 else (left + right for left, right in itertools.pairwise(kept)))
    return tuple(pairs)


def tokenise(text: str, language: str) -> tuple[Token, ...]:
    """Give a sentence's words, numbers and marks in order; `quoted` tells what stands in a quotation."""
    tokens: list[Token] = []
    add, new = tokens.append, tuple.__new__
    quoted = False
    for found in TOKEN.finditer(text):
        kind = found.lastindex
        written = found[0]
        start, end = found.span()
        if kind == WORD:
            add(new(Token, (know_word(written, language), "", start, end, quoted)))
        elif kind == MARK:
            if written in OPENING:
                quoted = True
            elif written in ENDING:
                quoted = False
            elif written == '"':
                quoted = not quoted
            add(new(Token, (NO_WORD, written, start, end, quoted)))
        elif kind == NUMBER:
            add(new(Token, (_know_number(written, language), "", start, end, quoted)))
        else:
            add(new(Token, (know_word(written.replace(".", ""), language), "", start, end, quoted)))
    return tuple(tokens)


@lru_cache(maxsize=20_000)
def _know_number(written: str, language: str) -> Word:
    plain = _BLANK.sub("", written).rstrip("stndrh")[:LONG_WORD]
    thousands, decimal = (",", ".") if language in DECIMAL_POINT else (".", ",")
    if re.fullmatch(rf"\d{{1,3}}(?:\{thousands}\d{{3}})+(?:\{decimal}\d+)?", plain):
        plain = plain.replace(thousands, "").replace(decimal, ".")
    elif re.fullmatch(rf"\d+\{decimal}\d+", plain):
        plain = plain.replace(decimal, ".")
    elif re.fullmatch(r"\d+[.,]\d+", plain):
        plain = plain.replace(",", ".")
    elif not plain.isdecimal():
        return Word(plain, (plain,), 1.0, False, False, False)
    return Word(plain, (), 0.0, False, False, True, False, float(plain))
