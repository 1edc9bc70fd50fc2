"""The recorded web's events, in whatever order its articles come: look-alikes stay apart, reports of one event meet."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from deploy.recorded_web import render
from deploy.recorded_web.content import Variant, load
from deploy.recorded_web.edition import Edition
from deploy.recorded_web.play import Play
from services.cluster.enrich.features import FeatureMaker
from services.cluster.evaluate.labelled import LabelledArticle
from services.cluster.evaluate.measure import bcubed
from services.cluster.evaluate.run import run_articles
from services.ingest.extraction.extract import extract

EPOCH = datetime(2026, 11, 24, 12, tzinfo=UTC)
AFTER_ALL = timedelta(seconds=400)
LOOK_ALIKES = (("quake-marasoa", "quake-quilpata"), ("vote-pensions", "vote-rents"))
ORDERS = 12
DELAYS = 200
DELAYED_S = 100


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


def test_an_events_first_report_does_not_stay_with_a_look_alike() -> None:
    """English reports as fetch reads them, each up to 100 s late: in 3 of these orders one stayed where nothing brought it home."""
    content = load()
    edition = Edition.prepare(content, Play(EPOCH), 80)
    appears = {}
    for story, plan in content.articles():
        if content.outlet(plan.outlet).language == "en":
            page = edition.page(story, plan, AFTER_ALL)
            body = render.article(edition, page, (), Variant.CANONICAL)
            read = extract(body, url=page.url, content_type="text/html; charset=utf-8", now=EPOCH + timedelta(days=1))
            article = LabelledArticle(page.url, story.name, page.title, read.text, page.published_at, "en", plan.outlet, page.url)
            appears[article] = plan.appears.total_seconds()
    made = dict(zip(appears, FeatureMaker().features_of([(one.title, one.text, "en") for one in appears]), strict=True))
    for seed in range(DELAYS):
        chance = random.Random(seed)
        delayed = sorted(appears, key=lambda one, chance=chance: appears[one] + chance.uniform(0, DELAYED_S))  # type: ignore[misc]
        stories = run_articles(delayed, FeatureMaker(), features=[made[one] for one in delayed]).stories
        for pair in LOOK_ALIKES:
            first, second = ({story for one, story in zip(delayed, stories, strict=True) if one.story == name} for name in pair)
            assert not first & second, (seed, pair)
