"""How rare terms are in a language's news at large, fitted once and shipped."""

from functools import cache
from importlib.resources import files

import numpy as np

FITTED = ("en",)


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
    """Read the table of a language (ISO 639-1), None where none was fitted."""
    if language not in FITTED:
        return None
    with files(__package__).joinpath(f"background_{language}.npz").open("rb") as stream, np.load(stream) as fitted:
        idf = dict(zip(fitted["ids"].tolist(), fitted["idf"].tolist(), strict=True))
        return Background(idf, float(fitted["rarest"]))
