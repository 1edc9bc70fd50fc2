"""Near-copies: which article repeats which nearly word for word."""

from array import array
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.contracts import Features

CONTAINED: Final = 0.5
"""Share of the shorter text's shingles that the longer one must hold: survives changed headlines, cuts and added lines."""
SIMILAR: Final = 0.2
"""Jaccard similarity below which a signature can't tell a cut copy from chance."""
MIN_WORDS: Final = 40
"""A shorter text is a copy only of its like: few shingles are soon shared by chance."""
SHINGLED_WORDS: Final = 300
"""Words whose shingles enrich signs."""


@dataclass(frozen=True, slots=True)
class Print:
    """A text's fingerprint: the MinHash signature (uint32, Broder 1997) of its word shingles and how many words were shingled."""

    signature: bytes
    words: int


def print_of(features: Features) -> Print | None:
    """Take the fingerprint out of features; None where there was no text to sign."""
    if not features.signature:
        return None
    return Print(array("I", features.signature).tobytes(), min(features.words, SHINGLED_WORDS))


def containment(one: Print, other: Print) -> float:
    """Give the share of the shorter text that the longer holds, 0 where they are no near-copies.

    Sets of a ≤ b shingles whose Jaccard similarity is J share J(a + b)/(1 + J) of them.
    """
    if len(one.signature) != len(other.signature):
        return 0.0
    equal = np.frombuffer(one.signature, np.uint32) == np.frombuffer(other.signature, np.uint32)
    similarity = float(np.count_nonzero(equal)) / len(equal)
    shorter, longer = sorted((max(one.words, 1), max(other.words, 1)))
    if similarity < (SIMILAR if shorter >= MIN_WORDS else 0.9):
        return 0.0
    held = min(1.0, similarity * (shorter + longer) / ((1 + similarity) * shorter))
    return held if held >= CONTAINED else 0.0
