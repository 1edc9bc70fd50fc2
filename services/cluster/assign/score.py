"""How likely two articles tell the same event: a logistic model of four similarities, and time as a term of its own."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

FEATURES: Final = ("words", "meaning", "words_above", "meaning_above")
"""What is known of a pair; the order of a row's columns.

`words`: square root of the cosine of weighted terms. `meaning`: cosine of vectors. `_above`: log(1 + by how many standard
deviations the similarity exceeds what the article has with anything in the index), so that one threshold serves a mixed stream
and a stream about one topic alike.
"""


@dataclass(frozen=True, slots=True)
class PairModel:
    """Fitted by `services.cluster.evaluate.fit`. No weight is negative, so more likeness never lowers the probability."""

    intercept: float
    weights: Floats

    def log_odds(self, rows: Floats) -> Floats:
        """Give each row's log-odds without time."""
        odds: Floats = ((rows * self.weights).sum(axis=1) + np.float32(self.intercept)).astype(np.float32)
        return odds


MULTILINGUAL: Final = PairModel(-8.116, np.array((4.095, 0.396, 0.972, 2.133), np.float32))
NATIVE: Final = {"en": PairModel(-6.938, np.array((0.291, 4.082, 0.683, 1.859), np.float32))}
"""For languages whose articles have a vector by an encoder of their own."""

TIME_DEPTH: Final = 3.0
TIME_SCALE_DAYS: Final = 3.0
TIME_UNKNOWN: Final = 0.4
"""Log-odds lost with time: 3(1 − exp(−days/3)); where a time is unknown as much as two reports of one event usually lose (half a day)."""


def time_log_odds(days: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Give what `days` between two articles add to the log-odds; never above zero."""
    return np.where(known, -TIME_DEPTH * (1.0 - np.exp(-np.abs(days) / TIME_SCALE_DAYS)), -TIME_UNKNOWN).astype(np.float32)


APART_DEPTH: Final = 3.0
APART_DEPTH_BY_TITLE: Final = 1.0
APART_BELOW: Final = 0.35
"""Log-odds lost where neither article has anything of the names in the other's title; none is lost from this share of them on.

Look-alikes differ in nothing else: two earthquakes, two matches of one cup, two crashes. Where an article has hardly a text less is lost,
since headlines of one event often name different people.
"""


def apart_log_odds(shared: Floats, told: npt.NDArray[np.bool_]) -> Floats:
    """Give what the share of names adds to the log-odds; never above zero.

    `shared`: from 0 to 1, NaN where it can't be said. `told`: whether both articles have a text.
    """
    missing = np.maximum(0.0, 1.0 - shared / APART_BELOW)
    depth = np.where(told, APART_DEPTH, APART_DEPTH_BY_TITLE)
    return np.where(np.isnan(shared), 0.0, -depth * missing).astype(np.float32)


def probability(odds: Floats) -> Floats:
    """Give the logistic function of log-odds."""
    return (1.0 / (1.0 + np.exp(-np.clip(odds, -30, 30)))).astype(np.float32)
