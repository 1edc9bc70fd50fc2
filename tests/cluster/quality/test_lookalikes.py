"""Events of one kind on one day, told in the same words, that only names tell apart: earthquakes, matches, results, crashes."""

import random
from pathlib import Path

import pytest

from services.cluster.enrich.features import FeatureMaker
from services.cluster.evaluate.labelled import read_labelled
from services.cluster.evaluate.measure import bcubed
from services.cluster.evaluate.run import run_articles
from shared.contracts import Features

ARTICLES = read_labelled(Path(__file__).with_name("lookalikes.jsonl"))
"""Twenty events, five of a kind, two reports of each by different outlets (one of one)."""


@pytest.fixture(scope="module")
def made() -> dict[str, Features]:
    """Give each article's features by its id."""
    features = FeatureMaker().features_of([(one.title, one.text, one.language) for one in ARTICLES])
    return {one.article_id: own for one, own in zip(ARTICLES, features, strict=True)}


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_names_alone_tell_events_apart(made: dict[str, Features], seed: int | None) -> None:
    """In time order and shuffled without times, each event is a story of its own and both its reports are in it."""
    articles = ARTICLES if seed is None else random.Random(seed).sample(ARTICLES, len(ARTICLES))
    outcome = run_articles(articles, FeatureMaker(), features=[made[one.article_id] for one in articles], use_time=seed is None)
    agreement = bcubed([one.story for one in articles], outcome.stories)
    assert agreement.precision >= 0.9, agreement
    assert agreement.recall >= 0.95, agreement
