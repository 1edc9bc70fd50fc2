"""Features are total, small, and the same whatever else is encoded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cluster.assign.index import decode
from services.cluster.enrich.features import FeatureMaker
from shared.contracts import Features

MESSAGE_LIMIT_BYTES = 6_000

LANGUAGES = {
    "ar": "ضرب زلزال قوي شرق البلاد صباح اليوم",
    "de": "Ein schweres Erdbeben erschüttert den Osten des Landes",
    "el": "Ισχυρός σεισμός στα ανατολικά της χώρας",
    "es": "Un fuerte terremoto sacude el este del país",
    "fr": "Un violent séisme secoue l'est du pays",
    "he": "רעידת אדמה חזקה במזרח המדינה",
    "hi": "देश के पूर्व में तेज भूकंप",
    "ja": "東部で強い地震がありました",
    "ko": "동부에서 강한 지진이 발생했다",
    "pl": "Silne trzęsienie ziemi na wschodzie kraju",
    "ru": "Сильное землетрясение на востоке страны",
    "sw": "Tetemeko kubwa la ardhi mashariki mwa nchi",
    "th": "แผ่นดินไหวรุนแรงทางตะวันออกของประเทศ",
    "tr": "Ülkenin doğusunda şiddetli deprem",
    "vi": "Động đất mạnh ở miền đông đất nước",
    "zh": "该国东部发生强烈地震",
}


@pytest.fixture(scope="module")
def maker() -> FeatureMaker:
    return FeatureMaker()


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_any_language_gives_terms_and_a_vector(maker: FeatureMaker, language: str) -> None:
    """Spaced or not, with a stemmer or without, a title has terms and a meaning."""
    features = maker.features(LANGUAGES[language], LANGUAGES[language] + ". " + LANGUAGES[language], language)
    assert len(features.title_terms) >= 4
    assert features.vector is not None


@pytest.mark.parametrize(
    ("title", "text"),
    [("", ""), ("x", ""), ("", "word"), ("!!! ???", "..."), ("a" * 2_000, "b" * 200_000), ("T", "word " * 400_000), ("\ud800", "\udfff x"), ("地" * 2000, "震" * 100_000)],
)  # fmt: skip
def test_hostile_texts_give_small_features(maker: FeatureMaker, title: str, text: str) -> None:
    """Empty, endless or broken texts never raise, and their message stays small."""
    features = maker.features(title, text, "en")
    assert len(features.model_dump_json()) < MESSAGE_LIMIT_BYTES
    assert Features.model_validate_json(features.model_dump_json()) == features
    assert len(decode(features).ids) == len(decode(features).weights)


@settings(max_examples=60, deadline=None)
@given(title=st.text(max_size=80), text=st.text(max_size=400), language=st.sampled_from(["en", "ja", "ar", "und", "zzz"]))
def test_any_text_at_all(maker: FeatureMaker, title: str, text: str, language: str) -> None:
    """No text raises, and a second time gives the same."""
    once = maker.features(title, text, language)
    assert once == maker.features(title, text, language)


def test_features_do_not_depend_on_the_batch(maker: FeatureMaker) -> None:
    """Alone, in a batch, in another order: the very same bytes."""
    articles = [(text, text * 3, language) for language, text in LANGUAGES.items()]
    alone = [maker.features(*article) for article in articles]
    assert maker.features_of(articles) == alone
    assert maker.features_of(reversed(articles)) == list(reversed(alone))
    assert FeatureMaker().features_of(articles[:5]) == alone[:5]


def test_translations_mean_alike(maker: FeatureMaker) -> None:
    """The vector of a translation is nearer than that of another event in the same language."""

    def vector(title: str, language: str) -> np.ndarray:
        return decode(maker.features(title, "", language)).vector.astype(np.float64)

    quake = vector("A strong earthquake shakes the east of the country", "en")
    other = vector("The central bank raises interest rates again", "en")
    for language in ("de", "es", "fr", "ru", "zh", "ja", "ko", "tr"):
        assert quake @ vector(LANGUAGES[language], language) > quake @ other
