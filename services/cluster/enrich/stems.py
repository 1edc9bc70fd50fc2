"""Words of a text in any script, and their stems."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import Stemmer

_STEMMERS = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "da": "danish", "nl": "dutch", "en": "english",
    "et": "estonian", "fi": "finnish", "fr": "french", "de": "german", "el": "greek", "hi": "hindi", "hu": "hungarian",
    "id": "indonesian", "ga": "irish", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nb": "norwegian", "no": "norwegian",
    "nn": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "es": "spanish", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""Snowball's algorithm by ISO 639-1 code. Other languages keep their words as they are."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
"""Thai, Lao, Burmese, Khmer, kana, Han; and Hangul, whose words carry their particles with them."""
_MARKS = "\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u200d"
"""Signs that stand on letters: accents, vowels of Hebrew and Arabic, and the scripts of India, which are words of them for half."""
_ENDS = r"[.!?。！？…:;।\n]"
_LETTER = rf"[^\W_{_UNSPACED}]"
_SIGNED = rf"(?:{_LETTER}|[{_MARKS}])"
_TOKEN, _SIGNED_TOKEN = (re.compile(rf"[{_UNSPACED}]+|{letter}+(?:[.,'’\u2019-]{letter}+)*|{_ENDS}") for letter in (_LETTER, _SIGNED))
_HAS_MARKS = re.compile(f"[{_MARKS}]")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_POSSESSIVE = re.compile(r"['’]s?$|['’](?:s|re|ve|ll|d|m|t)$")
_MAX_WORD = 40


@dataclass(frozen=True, slots=True)
class Word:
    """A word: its folded form, whether it is capitalised, holds a digit, or begins a sentence."""

    folded: str
    capital: bool
    number: bool
    first: bool


def words_of(text: str, limit: int) -> list[Word]:
    """Give the first `limit` words. Runs of unspaced scripts become overlapping pairs of characters (bigrams)."""
    words: list[Word] = []
    first = True
    token = _SIGNED_TOKEN if not text.isascii() and _HAS_MARKS.search(text) else _TOKEN
    for match in token.finditer(text):
        known = _read(match.group())
        if known is None:
            first = True
            continue
        words += known[first]
        first = False
        if len(words) >= limit:
            break
    return words[:limit]


@lru_cache(maxsize=100_000)
def _read(token: str) -> tuple[tuple[Word, ...], tuple[Word, ...]] | None:
    """Give a token's words within a sentence and at its beginning; None for the end of one."""
    head = token[0]
    if not _IS_UNSPACED.match(head):
        if len(token) == 1 and not head.isalnum():
            return None
        folded = _POSSESSIVE.sub("", token.casefold())[:_MAX_WORD] or token[:_MAX_WORD].casefold()
        inner = Word(folded, capital=head.isupper(), number=any(map(str.isdigit, token)), first=False)
        return (inner,), (replace(inner, first=True),)
    run = token[:2_000]
    if len(run) == 1:
        return (Word(run, capital=False, number=False, first=False),), (Word(run, capital=False, number=False, first=True),)
    pairs = tuple(Word(run[place : place + 2], capital=False, number=False, first=False) for place in range(len(run) - 1))
    return pairs, pairs


def clean(text: str) -> str:
    """Normalise compatibility forms (NFKC), so that full-width letters and ligatures count as the plain ones."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


@lru_cache(maxsize=64)
def stemmer_of(language: str) -> Callable[[list[str]], list[str]]:
    """Give the function that stems a list of folded words in a language (ISO 639-1); unknown languages keep theirs."""
    algorithm = _STEMMERS.get(language)
    if algorithm is None or algorithm not in Stemmer.algorithms():
        return list
    stemmer = Stemmer.Stemmer(algorithm)
    stemmer.maxCacheSize = 100_000
    stem: Callable[[list[str]], list[str]] = stemmer.stemWords
    return stem
