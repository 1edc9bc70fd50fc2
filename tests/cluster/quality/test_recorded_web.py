"""The recorded web's events, in whatever order its articles come: look-alikes stay apart, reports of one event meet."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from deploy.recorded_web.content import load
from deploy.recorded_web.edition import Edition
from deploy.recorded_web.play import Play
from services.cluster.enrich.features import FeatureMaker
from services.cluster.evaluate.labelled import LabelledArticle
from services.cluster.evaluate.measure import bcubed
from services.cluster.evaluate.run import run_articles

EPOCH = datetime(2026, 11, 24, 12, tzinfo=UTC)
AFTER_ALL = timedelta(seconds=400)
LOOK_ALIKES = (("quake-marasoa", "quake-quilpata"), ("vote-pensions", "vote-rents"))
ORDERS = 12


@pytest.fixture(scope="module")
def articles() -> list[LabelledArticle]:
    content = load()
    edition = Edition.prepare(content, Play(EPOCH), 80)
    found = []
    for story, plan in content.articles():
        page, language = edition.page(story, plan, AFTER_ALL), content.outlet(plan.outlet).language
        event = f"{story.name}:{language}"
        found.append(LabelledArticle(page.url, event, page.title, page.text, page.published_at, language, plan.outlet, page.url))
    return found


def test_events_are_told_apart_in_any_order(articles: list[LabelledArticle]) -> None:
    """Shuffled a dozen times: the pairs made to be confused never share a story, and few others do."""
    made = dict(zip(articles, FeatureMaker().features_of([(one.title, one.text, one.language) for one in articles]), strict=True))
    figures = []
    for seed in range(ORDERS):
        shuffled = random.Random(seed).sample(articles, len(articles))
        outcome = run_articles(shuffled, FeatureMaker(), features=[made[one] for one in shuffled])
        homes: dict[str, set[UUID]] = defaultdict(set)
        for one, story in zip(shuffled, outcome.stories, strict=True):
            homes[one.story].add(story)
        for first, second in LOOK_ALIKES:
            for language in ("en", "es", "de"):
                assert not homes[f"{first}:{language}"] & homes[f"{second}:{language}"], (seed, first, language)
        figures.append(bcubed([one.story for one in shuffled], outcome.stories).f1)
    assert min(figures) > 0.9, figures
    assert sum(figures) / ORDERS > 0.95, figures
