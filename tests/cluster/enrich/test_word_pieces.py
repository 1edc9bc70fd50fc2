"""Word pieces are those that the model was trained with: ids recorded from the package `tokenizers` 0.23.3."""

import json
from zipfile import ZipFile

import pytest

from services.cluster.enrich.english import MODEL, TOKENS
from services.cluster.enrich.word_pieces import WordPieces

RECORDED = {
    "Ferry runs aground off Skarholm: 41 passengers brought ashore": (
        [7115, 3216, 29406, 2125, 24053, 25032, 4747, 2213, 1024, 4601, 5467, 2716, 16145]
    ),
    "naïve Café İstanbul ΣΑΣ": [15743, 7668, 9960, 1173, 14608, 29733],
    'U.S.-China "deal" — $3.5bn, 20% up': (
        [1057, 1012, 1055, 1012, 1011, 2859, 1000, 3066, 1000, 1517, 1002, 1017, 1012, 1019, 24700, 1010, 2322, 1003, 2039]
    ),
    "東京で地震 5.1": [1879, 1755, 1665, 1802, 100, 1019, 1012, 1015],
    "unbelievablyantidisestablishment": [4895, 8671, 2666, 3567, 6321, 4630, 28173, 8583, 2696, 16558, 21808],
    "x" * 101: [100],
    "a\tb\u00a0c\u200bd\x00e\ufffdf": [1037, 1038, 3729, 12879],
    "😀 ok 한국": [100, 7929, 1469, 30006, 30021, 29991, 30014, 30020],
    "\ufb01n Straße": [1984, 2078, 2358, 27807],
    "": [],
}


@pytest.fixture(scope="module")
def pieces() -> WordPieces:
    with ZipFile(MODEL) as jar:
        return WordPieces(json.loads(jar.read("all-minilm-l6-v2-q-tokenizer.json"))["model"]["vocab"], TOKENS)


def test_texts_have_the_recorded_pieces(pieces: WordPieces) -> None:
    """Also when their words are known from before."""
    for _ in range(2):
        assert {text: pieces.ids_of(text) for text in RECORDED} == {text: [101, *ids, 102] for text, ids in RECORDED.items()}


@pytest.mark.parametrize("text", ["word " * 100, "unbelievablyantidisestablishment " * 9])
def test_a_long_text_is_cut(pieces: WordPieces, text: str) -> None:
    """Within a word, too; the end is told all the same."""
    ids = pieces.ids_of(text)
    assert (len(ids), ids[0], ids[-1]) == (TOKENS, 101, 102)
