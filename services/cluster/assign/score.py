"""How likely two articles tell the same event: pair features to a probability, with time as a term of its own."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

TIME_DEPTH = 3.0
TIME_SCALE_DAYS = 3.0
TIME_UNKNOWN = 0.75
"""Log-odds lost with time: −3(1 − exp(−days/3)), −0.75 where a time is unknown."""

FEATURES = (
    "tfidf",
    "title",
    "title_vector",
    "lead_vector",
    "cross_vector",
    "centred",
    "rare",
    "title_cover_min",
    "title_cover_max",
    "names",
    "name_cover_min",
    "name_cover_max",
    "numbers_shared",
    "numbers_conflict",
    "body",
    "tfidf_z",
    "title_z",
    "vector_z",
    "tfidf_share",
    "vector_share",
    "words_min",
    "words_max",
)
"""What is known of a pair; the order of a row's columns."""


def log_odds(rows: Floats) -> Floats:
    """Give each row's log-odds without time."""
    column = {name: rows[:, place] for place, name in enumerate(FEATURES)}
    return 9.0 * column["tfidf"] + 3.0 * column["title"] + 6.0 * column["centred"] - 4.5  # type: ignore[no-any-return]


def time_log_odds(days: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Give what time adds to the log-odds; never above zero."""
    return np.where(known, -TIME_DEPTH * (1.0 - np.exp(-np.abs(days) / TIME_SCALE_DAYS)), -TIME_UNKNOWN).astype(np.float32)


def probability(log_odds: Floats) -> Floats:
    """Give the logistic function of the log-odds."""
    return (1.0 / (1.0 + np.exp(-np.clip(log_odds, -30, 30)))).astype(np.float32)
