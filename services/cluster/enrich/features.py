"""What clustering sees of an article: hashed terms, names, numbers, vectors and a near-copy signature.

Pure and total: any title and any text give `Features`, the same ones whatever else is in the batch.
"""

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from zlib import crc32

import numpy as np
from rensa import RMinHash

from services.cluster.enrich.encoder import SentenceEncoder
from services.cluster.enrich.stems import Word, clean, stemmer_of, words_of
from shared.contracts import Features

FEATURES_VERSION = 1

TITLE_WORDS = 40
LEAD_WORDS = 150
"""Words of the text whose terms are weighed: news says first what happened."""
BODY_WORDS = 900
"""Words whose mere presence is noted, so that one article's title can be sought in another's text."""
ENCODED_TITLE_WORDS = 24
ENCODED_LEAD_WORDS = 32
"""The encoder is the dearest step (50 µs a word), so it reads the title and the beginning alone."""
TEXT_CHARS = 12_000
BIGRAM_WORDS = 60
MAX_TERMS = 192
MAX_BODY_TERMS = 320
MAX_NAMES = 64
MAX_NUMBERS = 48
SHINGLE_WORDS = 4
SHINGLED_WORDS = 300
SIGNATURE_SIZE = 64
SIGNATURE_SEED = 42

_TITLE_WEIGHT = 2.0
_MARKED_WEIGHT = 1.5
_BIGRAM_WEIGHT = 0.5


def term_id(term: str) -> int:
    """Give the term's 32-bit id (CRC-32 of its UTF-8)."""
    return crc32(term.encode("utf-8", "surrogatepass"))


class FeatureMaker:
    """Makes `Features`. Holds the sentence encoder; one maker per process, not shared between threads."""

    def __init__(self, encoder: SentenceEncoder | None = None) -> None:
        self._encoder = encoder if encoder is not None else SentenceEncoder()

    def features_of(self, articles: Iterable[tuple[str, str, str]]) -> list[Features]:
        """Give the features of (title, text, language) triples; each is what it would be alone."""
        return [self.features(title, text, language) for title, text, language in articles]

    def features(self, title: str, text: str, language: str) -> Features:
        """Give one article's features; never raises for any text. `language` is ISO 639, `und` where unknown."""
        title, text = clean(_sound(title[:2_000])), clean(_sound(text[:TEXT_CHARS]))
        title_words, text_words = words_of(title, TITLE_WORDS), words_of(text, BODY_WORDS)
        stem = stemmer_of(language)
        title_stems, text_stems = stem([word.folded for word in title_words]), stem([word.folded for word in text_words])
        weights, rarities = self._weigh(title_words, title_stems, text_words[:LEAD_WORDS], text_stems[:LEAD_WORDS])
        names = _names(title_words, text_words[:LEAD_WORDS])
        named = set(stem(list(names)))
        ids = [term_id(term) for term in weights]
        body = sorted({term_id(term) for term in text_stems[LEAD_WORDS:]}.difference(ids))[:MAX_BODY_TERMS]
        vectors = self._encoder.encode([_first(title, ENCODED_TITLE_WORDS), _first(text, ENCODED_LEAD_WORDS)])
        encoded = [None if vector is None else pack(vector) for vector in vectors]
        lead = (*title_words, *text_words[:LEAD_WORDS])
        return Features(
            features_version=FEATURES_VERSION,
            title_terms=tuple(dict.fromkeys(title_stems)),
            names=names,
            numbers=tuple(dict.fromkeys(number_of(word.folded) for word in lead if word.number))[:MAX_NUMBERS],
            term_ids=pack(np.array(ids, "<u4")),
            term_weights=pack(np.array(list(weights.values()), "<f2")),
            term_rarities=pack(np.array(rarities, "<f2")),
            unigrams=sum(" " not in term for term in weights),
            name_places=pack(np.array([place for place, term in enumerate(weights) if term in named], "u1")),
            body_ids=pack(np.array(body, "<u4")),
            title_vector=encoded[0],
            lead_vector=encoded[1],
            signature=_signature([word.folded for word in text_words[:SHINGLED_WORDS]] or [word.folded for word in title_words]),
            words=len(text_words),
        )

    def _weigh(
        self, title_words: Sequence[Word], title_stems: Sequence[str], lead_words: Sequence[Word], lead_stems: Sequence[str]
    ) -> tuple[dict[str, float], list[float]]:
        """Give each term's weighted frequency and rarity: the title's terms first and in order, then the lead's, then bigrams."""
        rarity = self._encoder.rarity
        counts: dict[str, float] = {}
        marks: dict[str, float] = {}
        rare: dict[str, float] = {}
        heading = is_title_case(title_words)
        for words, stems, times in ((title_words, title_stems, _TITLE_WEIGHT), (lead_words, lead_stems, 1.0)):
            for word, stem in zip(words, stems, strict=True):
                counts[stem] = counts.get(stem, 0.0) + times
                if stem not in rare:
                    rare[stem] = rarity(word.folded)
                capital = word.capital and not word.first and not (heading and times == _TITLE_WEIGHT)
                if capital or word.number:
                    marks[stem] = _MARKED_WEIGHT
        weights = {stem: (1.0 + math.log(count)) * marks.get(stem, 1.0) for stem, count in counts.items()}
        pairs: dict[str, float] = {}
        for stems, times in ((title_stems, _TITLE_WEIGHT), (lead_stems[:BIGRAM_WORDS], 1.0)):
            for left, right in zip(stems, stems[1:], strict=False):
                pairs[f"{left} {right}"] = pairs.get(f"{left} {right}", 0.0) + times
                rare[f"{left} {right}"] = min(9.0, max(rare[left], rare[right]) + 0.5 * min(rare[left], rare[right]))
        for pair, count in pairs.items():
            weights[pair] = (1.0 + math.log(count)) * _BIGRAM_WEIGHT
        kept = dict(list(weights.items())[:MAX_TERMS])
        return kept, [rare[term] for term in kept]


def number_of(word: str) -> str:
    """Give a number's one form: digits without separators, trailing zeros of a fraction and ordinal endings."""
    digits = word.replace(",", "").replace("’", "").rstrip(".")
    return digits[:20]


def is_title_case(words: Sequence[Word]) -> bool:
    """Say whether a title capitalises its words as a matter of style, so that a capital means nothing."""
    long = [word for word in words[1:] if len(word.folded) > 3 and not word.number]
    return len(long) > 1 and sum(word.capital for word in long) > 0.6 * len(long)


def pack(array: "np.ndarray[tuple[int], np.dtype[np.generic]]") -> str:
    """Give an array's little-endian bytes in base64."""
    return b64encode(array.tobytes()).decode("ascii")


def _names(title_words: Sequence[Word], lead_words: Sequence[Word]) -> tuple[str, ...]:
    inner = {word.folded for word in lead_words if word.capital and not word.first}
    lower = {word.folded for word in lead_words if not word.capital}
    heading = is_title_case(title_words)
    found = [
        word.folded
        for word in title_words
        if word.capital and not word.number and (word.folded in inner or (not heading and not word.first and word.folded not in lower))
    ]
    found += [word.folded for word in lead_words if word.capital and not word.number and word.folded in inner]
    return tuple(dict.fromkeys(found))[:MAX_NAMES]


def _sound(text: str) -> str:
    """Replace lone surrogates, which no message can carry."""
    return text.encode("utf-8", "replace").decode()


def _first(text: str, words: int) -> str:
    """Give the beginning of a text that holds so many words, or four characters a word where the script has no spaces."""
    return " ".join(text[: words * 16].split()[:words])[: words * 8] if text.isascii() else " ".join(text[: words * 12].split()[:words])[: words * 7]


def _signature(words: Sequence[str]) -> tuple[int, ...]:
    if len(words) < SHINGLE_WORDS:
        return ()
    shingles = [" ".join(words[place : place + SHINGLE_WORDS]) for place in range(len(words) - SHINGLE_WORDS + 1)]
    minhash = RMinHash(num_perm=SIGNATURE_SIZE, seed=SIGNATURE_SEED)
    minhash.update(shingles)
    return tuple(minhash.digest())
