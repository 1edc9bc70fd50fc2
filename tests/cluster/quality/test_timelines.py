"""Headlines alone of five made-up affairs that run for months: events of one affair share its names, and differ in what happened."""

from pathlib import Path

from services.cluster.enrich.features import FeatureMaker
from services.cluster.evaluate.labelled import read_labelled
from services.cluster.evaluate.measure import bcubed
from services.cluster.evaluate.run import run_articles


def test_events_of_one_affair_are_told_apart_by_headlines_alone() -> None:
    """Written by somebody who did not know the program; neither precision nor recall is bought with the other."""
    articles = read_labelled(Path(__file__).with_name("timelines.jsonl"))
    found = bcubed([article.story for article in articles], run_articles(articles, FeatureMaker()).stories)
    assert len(articles) == 319
    assert found.precision > 0.85, found
    assert found.recall > 0.82, found
