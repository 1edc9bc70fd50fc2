"""Citations of real stories are as a reader labelled them, where the stories are: their texts are not part of the project."""

import json
from pathlib import Path

import pytest

from bench.brief_citations import bootstrap, precision_and_recall, read_judged, wilson, write_pairs, write_sentences
from tests.brief.made_up import labelled_stories

STORIES = Path(__file__).parents[3] / "shared" / "data"
KEYS = Path(__file__).parent / "labelled_real.csv"
PRECISION = 0.93
RECALL = 0.63
"""What is missed is told in other words: see docs/briefs.md."""
NATURAL = Path(__file__).parent / "labelled_natural.csv"
PRINTED_PRECISION = 0.965
OTHERS_PRECISION = 0.845
NATURAL_RECALL = 0.84
NATURAL_RECALL_OF_OTHERS = 0.57


@pytest.mark.skipif(not STORIES.exists(), reason="the labelled stories are not part of the project")
def test_citations_of_real_stories_are_as_a_reader_labelled_them() -> None:
    judged = list(read_judged(KEYS, STORIES))
    precision, recall = precision_and_recall(judged)
    assert len(judged) >= 400
    assert precision >= PRECISION, [each.statement.text for each in judged if each.cited and not each.states]
    assert recall >= RECALL, [each.statement.text for each in judged if each.states and not each.cited]


@pytest.mark.skipif(not STORIES.exists(), reason="the labelled stories are not part of the project")
def test_random_citations_and_sentences_of_real_stories_are_as_a_reader_labelled_them() -> None:
    judged = list(read_judged(NATURAL, STORIES))
    printed = [each for each in judged if each.pair.startswith("citation")]
    others = [each for each in judged if not each.pair.startswith("story") and not each.own and not each.copied]
    told = [each for each in judged if each.pair.startswith("story")]
    assert len(printed) >= 195
    assert len(others) >= 135
    assert len(told) >= 270
    assert precision_and_recall(printed)[0] >= PRINTED_PRECISION
    assert precision_and_recall(others)[0] >= OTHERS_PRECISION
    assert precision_and_recall(told)[1] >= NATURAL_RECALL
    assert precision_and_recall([each for each in told if not each.own])[1] >= NATURAL_RECALL_OF_OTHERS


def test_sentences_are_drawn_with_all_articles_of_their_stories(tmp_path: Path) -> None:
    stories = _write_stories(tmp_path)
    write_sentences([stories], tmp_path, stories=3, seed=1, without=[])
    keys, texts = tmp_path / "keys.csv", (tmp_path / "texts.txt").read_text(encoding="utf-8")
    rows = keys.read_text(encoding="utf-8").splitlines()
    assert texts.count("\nSENTENCE ") >= 3
    keys.write_text("\n".join([rows[0], *(f"{row}1" for row in rows[1:])]) + "\n", encoding="utf-8")
    judged = list(read_judged(keys, tmp_path))
    assert len(judged) == len(rows) - 1
    assert sum(each.own for each in judged) == texts.count("\nSENTENCE ")
    assert all(each.cited for each in judged if each.own)
    low, high = bootstrap(judged)
    assert 0.0 < low <= precision_and_recall(judged)[1] <= high <= 1.0


def test_an_interval_of_a_share_holds_what_it_should() -> None:
    low, high = wilson(193, 200)
    assert (round(low, 3), round(high, 3)) == (0.930, 0.983)
    assert wilson(0, 0) == (0.0, 1.0)


def test_pairs_are_drawn_labelled_and_scored(tmp_path: Path) -> None:
    """The texts to read say nothing of the program's answer, and keys hold no text."""
    stories = _write_stories(tmp_path)
    write_pairs([stories], tmp_path, stories=3, seed=1, without=[])
    keys, texts = tmp_path / "keys.csv", (tmp_path / "texts.txt").read_text(encoding="utf-8")
    rows = keys.read_text(encoding="utf-8").splitlines()
    assert texts.count("\nPAIR ") == len(rows) - 1 >= 6
    keys.write_text("\n".join([rows[0], *(f"{row}1" for row in rows[1:])]) + "\n", encoding="utf-8")
    judged = list(read_judged(keys, tmp_path))
    assert len(judged) == len(rows) - 1
    assert precision_and_recall(judged)[0] == 1.0
    write_pairs([stories], tmp_path / "more", stories=100, seed=1, without=[keys])
    assert not {row.split(",")[2] for row in rows[1:]} & set((tmp_path / "more" / "keys.csv").read_text(encoding="utf-8").split(","))


def _write_stories(folder: Path) -> Path:
    stories = folder / "told.jsonl"
    with stories.open("w", encoding="utf-8") as lines:
        for name, (_, sources) in enumerate(labelled_stories("labelled_wire.toml")):
            for each in sources:
                article = {"id": f"{name}/{each.number}", "story": str(name), "title": each.title, "text": each.text}
                lines.write(json.dumps(article | {"language": "en", "published": None, "source": each.publisher_id}) + "\n")
    return stories
