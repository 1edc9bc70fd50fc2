"""Cutting English text into word pieces, as BERT's uncased vocabulary wants it (Devlin et al. 2019; Wu et al. 2016). Pure.

The ids are those of the package `tokenizers` 0.23, which would bring a dozen others along: the same for all 32,757 titles and beginnings of
the labelled sets. Some 500 characters that are newer than its tables (Unicode 8) are told apart better here.
"""

import string
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

UNKNOWN: Final = "[UNK]"
BEGIN: Final = "[CLS]"
END: Final = "[SEP]"
LONGEST_WORD: Final = 100
_KNOWN_WORDS: Final = 50_000
_IDEOGRAPHS: Final = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPieces:
    """Turns text into the ids of its pieces. Remembers words; not shared between threads."""

    def __init__(self, vocabulary: Mapping[str, int], most: int) -> None:
        """Take each piece's id, and how many ids are given at most, the two at begin and end included."""
        self._vocabulary = vocabulary
        self._most = most
        self._ids: dict[str, tuple[int, ...]] = {}

    def ids_of(self, text: str) -> list[int]:
        """Give the ids of a text's beginning."""
        ids = [self._vocabulary[BEGIN]]
        for word in words(text):
            known = self._ids.get(word)
            if known is None:
                if len(self._ids) >= _KNOWN_WORDS:
                    self._ids.clear()
                known = self._ids[word] = self._cut(word)
            ids += known
            if len(ids) >= self._most:
                break
        return [*ids[: self._most - 1], self._vocabulary[END]]

    def _cut(self, word: str) -> tuple[int, ...]:
        """Cut a word greedily, the longest known piece first; one that can't be cut whole is unknown."""
        unknown = (self._vocabulary[UNKNOWN],)
        if len(word) > LONGEST_WORD:
            return unknown
        found: list[int] = []
        begin = 0
        while begin < len(word):
            for end in range(len(word), begin, -1):
                piece = self._vocabulary.get(word[begin:end] if begin == 0 else f"##{word[begin:end]}")
                if piece is not None:
                    break
            else:
                return unknown
            found.append(piece)
            begin = end
        return tuple(found)


def words(text: str) -> list[str]:
    """Give a text's words in lower case and without accents; marks and ideographs are words of their own."""
    plain = "".join(map(_cleaned, text))
    if not plain.isascii():
        plain = "".join(character for character in unicodedata.normalize("NFD", plain) if unicodedata.category(character) != "Mn")
    return "".join(map(_set_apart, plain)).split()


@lru_cache(maxsize=8_192)
def _cleaned(character: str) -> str:
    """Give what stands for a character: itself, a space, nothing, or, for an ideograph, itself between spaces."""
    category = unicodedata.category(character)
    if character in "\t\n\r" or category[0] == "Z":
        return " "
    if character == "\ufffd" or category in ("Cc", "Cf", "Co"):
        return ""
    code = ord(character)
    return f" {character} " if any(first <= code <= last for first, last in _IDEOGRAPHS) else character


@lru_cache(maxsize=8_192)
def _set_apart(character: str) -> str:
    """Give a character in lower case, which hangs on no other, or a mark between spaces."""
    is_mark = character in string.punctuation or unicodedata.category(character)[0] == "P"
    return f" {character} " if is_mark else character.lower()
