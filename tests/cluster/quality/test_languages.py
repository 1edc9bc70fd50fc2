"""Stories in eighteen languages: made-up news, three articles an event, two earthquakes and two matches of one cup."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.cluster.enrich.background import background_of
from services.cluster.enrich.features import FeatureMaker, term_id
from services.cluster.enrich.stems import stemmer_of, words_of
from services.cluster.evaluate.labelled import LabelledArticle, read_labelled
from services.cluster.evaluate.measure import bcubed
from services.cluster.evaluate.report import united
from services.cluster.evaluate.run import run_articles

NEWS = read_labelled(Path(__file__).with_name("languages.jsonl"))
LANGUAGES = sorted({article.language for article in NEWS})


@pytest.fixture(scope="module")
def maker() -> FeatureMaker:
    return FeatureMaker()


def f1(articles: list[LabelledArticle], maker: FeatureMaker) -> float:
    return bcubed([article.story for article in articles], run_articles(articles, maker).stories).f1


@pytest.mark.parametrize(("leads", "least", "mean"), [(True, 0.8, 0.95), (False, 0.75, 0.9)])
def test_no_language_is_left_behind(maker: FeatureMaker, leads: bool, least: float, mean: float) -> None:
    """A dozen articles are all that the index knows, and look alike by design; with leads and by titles alone."""
    scores = {}
    for language in LANGUAGES:
        own = [article if leads else replace(article, text="") for article in NEWS if article.language == language]
        scores[language] = round(f1(own, maker), 3)
    assert len(scores) == 18
    assert min(scores.values()) >= least, scores
    assert sum(scores.values()) / len(scores) >= mean, scores


def test_one_event_is_one_across_languages(maker: FeatureMaker) -> None:
    """All languages in one stream: stories of an event are linked, others are not; languages that the encoder does not know stay apart."""
    outcome = run_articles(NEWS, maker, cross_lingual=True)
    agreement = bcubed([article.story.split("-")[1] for article in NEWS], united(outcome.stories, outcome.links))
    assert agreement.precision >= 0.9
    assert agreement.recall >= 0.65


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("उत्तरी चिली में तेज भूकंप।", ["उत्तरी", "चिली", "में", "तेज", "भूकंप"]),
        ("வடக்கு சிலியில் நிலநடுக்கம்", ["வடக்கு", "சிலியில்", "நிலநடுக்கம்"]),
        ("أُخلي الساحل", ["أُخلي", "الساحل"]),
        ("רְעִידַת אֲדָמָה", ["רְעִידַת", "אֲדָמָה"]),
    ],
)
def test_signs_on_letters_do_not_cut_words(text: str, words: list[str]) -> None:
    """Vowel signs and accents that stand on letters belong to their words."""
    assert [word.folded for word in words_of(text, 20)] == words


@pytest.mark.parametrize(
    ("language", "common", "rare"),
    [("hi", "में", "भूकंप"), ("fa", "از", "زلزله"), ("ru", "на", "цунами"), ("no", "og", "jordskjelv"), ("en", "the", "ferry")],
)
def test_common_words_weigh_less_than_rare_ones(language: str, common: str, rare: str) -> None:
    """A language's word list, or the table fitted for it, knows its everyday words."""
    background: Any = background_of(language)
    first, second = stemmer_of(language)([common, rare])
    assert background.rarity(term_id(first)) < 2.5
    assert background.rarity(term_id(second)) > 5
    assert background_of("xx") is None
