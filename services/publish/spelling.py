"""Words as readers may write them: without accents, or with a letter wrong. Pure."""

import re
import unicodedata
from collections.abc import Iterable

SHORTEST_WORD, LONGEST_WORD = 3, 40
"""Letters of a word that is learnt from headlines: shorter ones have no spelling to miss, longer ones are no words."""
_WORD = re.compile(r"[^\W\d_]+")
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
"""Letters that Unicode does not take apart."""


def fold(word: str) -> str:
    """Give a word as it is without accents and capitals: Cañón is canon, Øresund oresund, Straße strasse."""
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).translate(_LETTERS)


def words_of(texts: Iterable[str]) -> dict[str, str]:
    """Give the words of texts, lower case, each with its folded form."""
    found = {word for text in texts for word in _WORD.findall(text.lower()) if SHORTEST_WORD <= len(word) <= LONGEST_WORD}
    return {word: fold(word) for word in found}


def distance(one: str, other: str) -> int:
    """Count the letters left out, put in, exchanged or swapped with their neighbour between two words (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(last[column] + 1, now[-1] + 1, last[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == wanted:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        before, last = last, now
    return last[-1]


def likely(word: str, known: Iterable[tuple[str, str]], *, most: int) -> list[str]:
    """Choose from known words (each with its folded form) those that a misspelt one may mean, the nearest first.

    One slip is allowed, from six letters on two.
    """
    asked = fold(word)
    slips = 1 if len(asked) < 6 else 2
    near = sorted((distance(asked, folded), spelt) for spelt, folded in known if abs(len(asked) - len(folded)) <= slips)
    return [spelt for slipped, spelt in near if slipped <= min(slips, near[0][0])][:most]
