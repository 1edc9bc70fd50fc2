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
_TOKEN = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+(?:[.,'’\u2019-][^\W_{_UNSPACED}]+)*|[.!?。！？…:;\n]")
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
    for match in _TOKEN.finditer(text):
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
