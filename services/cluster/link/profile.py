"""What linking knows of an article and of a story. Pure and total: whatever the features hold, there is a profile or None."""

import unicodedata
from base64 import b64decode
from binascii import Error as Base64Error
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Final, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from shared.contracts import Features

DIMENSIONS: Final = 256
ARTICLE_NAMES: Final = 24
ARTICLE_NUMBERS: Final = 12
STORY_NAMES: Final = 32
STORY_NUMBERS: Final = 16
"""The most frequent ones of a story's articles: all names of a hundred articles would share some with everything."""

COGNATE_LETTERS: Final = 5
"""Names are compared by so many letters: Mexiko and México, Ardovia and l'Ardovie."""
SHORTEST_NAME: Final = 4

_CYRILLIC: Final = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъыьэюяіїєґ",
        "a b v g d e zh z i i k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya i yi ye g".replace("_", "").split(" "),
        strict=True,
    )
)
_TO_LATIN: Final = str.maketrans(_CYRILLIC | {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ё": "e", "æ": "ae", "œ": "oe", "ı": "i"})

Vector: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Traits:
    """An article: its vector (int8, 256 bytes; empty where it has none), its names as cognates, its numbers as digits."""

    vector: bytes
    names: tuple[str, ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A story: its articles' mean vector (unit length), the names and numbers they share most, and when it happened."""

    story_id: UUID
    language: str
    vector: Vector
    names: frozenset[str]
    numbers: frozenset[str]
    first_at: datetime
    last_at: datetime
    article_count: int

    def tells_like(self, other: "Profile") -> bool:
        """Say whether the other would compare the same with everything."""
        return (
            self.language == other.language
            and self.names == other.names
            and self.numbers == other.numbers
            and (self.first_at, self.last_at) == (other.first_at, other.last_at)
            and np.array_equal(self.vector, other.vector)
        )


def traits_of(features: Features) -> Traits:
    """Give what linking keeps of an article's features."""
    names = dict.fromkeys(intern(name) for word in features.names if (name := cognate(word)) is not None)
    numbers = dict.fromkeys(intern(number) for word in features.numbers if (number := digits(word)))
    return Traits(_vector_bytes(features.vector), tuple(names)[:ARTICLE_NAMES], tuple(numbers)[:ARTICLE_NUMBERS])


def profile_of(
    story_id: UUID, language: str, traits: Sequence[Traits], first_at: datetime, last_at: datetime, article_count: int
) -> Profile | None:
    """Give a story's profile from the traits of its articles; None where none of them has a vector."""
    vectors = [np.frombuffer(article.vector, np.int8) for article in traits if article.vector]
    if not vectors:
        return None
    total = np.sum(np.stack(vectors), axis=0, dtype=np.int64)
    length = float(np.linalg.norm(total))
    if length < 1:
        return None
    direction: Vector = np.asarray(total / length, dtype=np.float32)
    return Profile(
        story_id,
        language,
        direction,
        _most((article.names for article in traits), STORY_NAMES),
        _most((article.numbers for article in traits), STORY_NUMBERS),
        first_at,
        last_at,
        article_count,
    )


def cognate(word: str) -> str | None:
    """Give a name's first letters in plain Latin ones, by which other languages' forms of it are met; None for other scripts."""
    decomposed = unicodedata.normalize("NFKD", word.casefold().translate(_TO_LATIN))
    plain = "".join(letter for letter in decomposed if letter.isalpha() and not unicodedata.combining(letter))
    return plain[:COGNATE_LETTERS] if plain.isascii() and len(plain) >= SHORTEST_NAME else None


def digits(word: str) -> str:
    """Give a number's digits as ASCII, without the marks that each language sets differently: 1,800 and 1.800, 6.3 and 6,3."""
    return "".join(str(digit) for sign in word[:20] if (digit := unicodedata.digit(sign, None)) is not None)


def _vector_bytes(encoded: str | None) -> bytes:
    try:
        vector = b64decode(encoded or "", validate=True)
    except Base64Error:
        return b""
    return vector if len(vector) == DIMENSIONS else b""


def _most(articles: Iterable[tuple[str, ...]], limit: int) -> frozenset[str]:
    """Give what most articles have; among equals, what was met first."""
    counts = Counter(word for words in articles for word in words)
    return frozenset(word for word, _ in counts.most_common(limit))
