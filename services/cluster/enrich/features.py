"""What clustering sees of an article: hashed terms, names, numbers, a vector and a near-copy signature.

Pure and total: any title and any text give `Features`, the same ones whatever else is in the batch.
"""

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from services.cluster.enrich.background import background_of
from services.cluster.enrich.encoder import SentenceEncoder, Vector
from services.cluster.enrich.english import EnglishEncoder
from services.cluster.enrich.stems import Word, clean, stemmer_of, words_of
from shared.contracts import Features

FEATURES_VERSION = 2

TITLE_WORDS = 40
LEAD_WORDS = 150
"""Words of the text whose terms are weighed: news says first what happened, and more of the text adds nothing."""
ENCODED_WORDS = 48
"""The encoders are the dearest step, so they read the title and the beginning alone."""
TEXT_CHARS = 6_000
MAX_TERMS = 160
MAX_NAMES = 48
MAX_NUMBERS = 32
SHINGLE_WORDS = 4
SHINGLED_WORDS = 300
SIGNATURE_SIZE = 64
SIGNATURE_SEED = 42
TITLE_WEIGHT = 4.0
"""A title's word counts as so many of the lead's."""


class FeatureMaker:
    """Makes `Features`. Holds the encoders; not shared between threads."""

    def __init__(self, encoder: SentenceEncoder | None = None, english: EnglishEncoder | None = None) -> None:
        self._encoder = encoder if encoder is not None else SentenceEncoder()
        self._english = english if english is not None else EnglishEncoder()

    def load(self) -> None:
        """Load the encoders, side by side: a second's work that the first article waits for otherwise."""
        with ThreadPoolExecutor(1) as beside:
            english = beside.submit(self._english.encode, "warm up")
            self._encoder.encode(["warm up"])
            english.result()

    def features_of(self, articles: Iterable[tuple[str, str, str]]) -> list[Features]:
        """Give the features of (title, text, language) triples; each is what it would be alone.

        Never raises for any text. `language` is ISO 639, `und` where unknown. Together they are encoded faster.
        """
        cleaned = [(clean(_sound(title[:2_000])), clean(_sound(text[:TEXT_CHARS])), language) for title, text, language in articles]
        vectors = self._encoder.encode([_beginning(title, text) for title, text, _ in cleaned])
        return [self._features(*article, vector) for article, vector in zip(cleaned, vectors, strict=True)]

    def features(self, title: str, text: str, language: str) -> Features:
        """Give one article's features."""
        return self.features_of([(title, text, language)])[0]

    def _features(self, title: str, text: str, language: str, vector: Vector | None) -> Features:
        title_words, text_words = words_of(title, TITLE_WORDS), words_of(text, SHINGLED_WORDS)
        lead_words = text_words[:LEAD_WORDS]
        stem = stemmer_of(language)
        title_stems, lead_stems = stem([word.folded for word in title_words]), stem([word.folded for word in lead_words])
        counts = dict.fromkeys(title_stems, 0.0)
        for stems, times in ((title_stems, TITLE_WEIGHT), (lead_stems, 1.0)):
            for term in stems:
                counts[term] = counts.get(term, 0.0) + times
        terms = list(counts)[:MAX_TERMS]
        ids = [term_id(term) for term in terms]
        native = self._english.encode(_beginning(title, text)) if language == "en" else None
        return Features(
            features_version=FEATURES_VERSION,
            title_terms=tuple(dict.fromkeys(title_stems)),
            names=_names(title_words, lead_words),
            numbers=tuple(dict.fromkeys(_number(word.folded) for word in (*title_words, *lead_words) if word.number))[:MAX_NUMBERS],
            term_ids=pack(np.array(ids, "<u4")),
            term_weights=pack(np.array([1.0 + math.log(counts[term]) for term in terms], "<f2")),
            term_rarities=pack(np.array(self._rarities(language, ids, terms), "<f2")),
            vector=None if vector is None else pack(vector),
            native_vector=None if native is None else pack(native),
            signature=_signature([word.folded for word in text_words or title_words]),
            words=len(text_words),
        )

    def raw_vectors(self, title: str, text: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Give the encoders' own vectors of a text's beginning, for fitting: the multilingual (512) and the English (384)."""
        beginning = _beginning(clean(_sound(title)), clean(_sound(text[:TEXT_CHARS])))
        return self._encoder.raw([beginning])[0], self._english.raw(beginning)

    def _rarities(self, language: str, ids: Sequence[int], terms: Sequence[str]) -> list[float]:
        background = background_of(language)
        if background is not None:
            return [background.rarity(identity) for identity in ids]
        return [self._encoder.rarity(term) for term in terms]


def term_id(term: str) -> int:
    """Give a term's 32-bit id (CRC-32 of its UTF-8)."""
    return crc32(term.encode())


def pack(array: npt.NDArray[Any]) -> str:
    """Give an array's bytes in base64."""
    return b64encode(array.tobytes()).decode("ascii")


def _sound(text: str) -> str:
    """Replace lone surrogates, which no message can carry."""
    return text.encode("utf-8", "replace").decode()


def _beginning(title: str, text: str) -> str:
    """Give the title and the first words of the text; where words aren't spaced, characters count instead."""
    words = [word[:40] for word in f"{title}. {text[: ENCODED_WORDS * 16]}".split()[:ENCODED_WORDS]]
    limit = ENCODED_WORDS * (8 if title.isascii() else 6)
    return " ".join(words)[:limit]


def _number(word: str) -> str:
    return word.replace(",", "").replace("’", "").rstrip(".")[:20]


def _is_title_case(words: Sequence[Word]) -> bool:
    """Say whether a title capitalises its words as a matter of style, so that a capital means nothing."""
    telling = [word for word in words[1:] if len(word.folded) > 3 and not word.number]
    return len(telling) > 1 and sum(word.capital for word in telling) > 0.6 * len(telling)


def _names(title_words: Sequence[Word], lead_words: Sequence[Word]) -> tuple[str, ...]:
    inner = {word.folded for word in lead_words if word.capital and not word.first}
    lower = {word.folded for word in lead_words if not word.capital}
    plain = not _is_title_case(title_words)
    names = [
        word.folded
        for word in title_words
        if word.capital and not word.number and (word.folded in inner or (plain and not word.first and word.folded not in lower))
    ]
    names += [word.folded for word in lead_words if word.capital and not word.number and word.folded in inner]
    return tuple(dict.fromkeys(names))[:MAX_NAMES]


def _signature(words: Sequence[str]) -> tuple[int, ...]:
    if len(words) < SHINGLE_WORDS:
        return ()
    minhash = RMinHash(num_perm=SIGNATURE_SIZE, seed=SIGNATURE_SEED)
    minhash.update([" ".join(words[place : place + SHINGLE_WORDS]) for place in range(len(words) - SHINGLE_WORDS + 1)])
    return tuple(minhash.digest())
