"""How rare terms are in a language's news at large: a table fitted on news for English, for others the word list of `wordfreq`."""

import gzip
from collections import Counter
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from zlib import crc32

import msgpack
import numpy as np

from services.cluster.enrich.stems import stemmer_of

FITTED = ("en",)
LEAD_WORDS: Final = 150
LISTED_AS: Final = {"no": "nb", "nn": "nb", "hr": "sh", "bs": "sh", "sr": "sh"}
UNSPACED: Final = ("zh", "ja", "ko")
"""Listed by words, while their terms are pairs of characters."""
_SURPRISE = (0.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5)
_RARITIES = (0.6, 1.35, 2.47, 3.38, 4.32, 5.23, 6.24, 6.89, 7.22, 7.32)
"""Minus the logarithm of a listed word's chance to be among a text's first words, and the idf that English news gives such words."""
_UNLISTED = 8.5


class Background:
    """Inverse document frequencies of stems, by term id. A stem that the table lacks is as rare as can be."""

    def __init__(self, idf: dict[int, float], rarest: float) -> None:
        self._idf = idf
        self._rarest = rarest

    def rarity(self, term: int) -> float:
        """Give a term's idf."""
        return self._idf.get(term, self._rarest)


@cache
def background_of(language: str) -> Background | None:
    """Give the table of a language (ISO 639-1), None where there is none. Read on first use."""
    if language in FITTED:
        with files(__package__).joinpath(f"background_{language}.npz").open("rb") as stream, np.load(stream) as fitted:
            return Background(dict(zip(fitted["ids"].tolist(), fitted["idf"].tolist(), strict=True)), float(fitted["rarest"]))
    found = find_spec("wordfreq")
    if found is None or found.origin is None or language in UNSPACED:
        return None
    path = Path(found.origin).parent / "data" / f"small_{LISTED_AS.get(language, language)}.msgpack.gz"
    return _listed(language, path) if path.is_file() else None


def _listed(language: str, path: Path) -> Background:
    """Make a table of a word list: its words by hundredths of the decimal logarithm of their share of all words."""
    with gzip.open(path, "rb") as stream:
        _, *words_by_rank = msgpack.load(stream, raw=False)
    stem = stemmer_of(language)
    shares = Counter[str]()
    for rank, words in enumerate(words_by_rank):
        for stemmed in stem(list(words)):
            shares[stemmed] += 10 ** (-rank / 100)  # type: ignore[assignment]  # a Counter of shares
    surprise = -np.log(-np.expm1(-LEAD_WORDS * np.fromiter(shares.values(), np.float64)))
    idf = np.interp(surprise, _SURPRISE, _RARITIES)
    return Background(dict(zip((crc32(word.encode()) for word in shares), idf.tolist(), strict=True)), _UNLISTED)
