"""Citations of real stories are as a reader labelled them, where the stories are: their texts are not part of the project."""

import json
from pathlib import Path

import pytest

from bench.brief_citations import precision_and_recall, read_judged, write_pairs
from tests.brief.made_up import labelled_stories

STORIES = Path(__file__).parents[3] / "shared" / "data"
KEYS = Path(__file__).parent / "labelled_real.csv"
PRECISION = 0.93
RECALL = 0.63
"""What is missed is told in other words: see docs/briefs.md."""


@pytest.mark.skipif(not STORIES.exists(), reason="the labelled stories are not part of the project")
def test_citations_of_real_stories_are_as_a_reader_labelled_them() -> None:
    judged = list(read_judged(KEYS, STORIES))
    precision, recall = precision_and_recall(judged)
    assert len(judged) >= 400
    assert precision >= PRECISION, [each.statement.text for each in judged if each.cited and not each.states]
    assert recall >= RECALL, [each.statement.text for each in judged if each.states and not each.cited]


def test_pairs_are_drawn_labelled_and_scored(tmp_path: Path) -> None:
    """The texts to read say nothing of the program's answer, and keys hold no text."""
    stories = tmp_path / "told.jsonl"
    with stories.open("w", encoding="utf-8") as lines:
        for name, (_, sources) in enumerate(labelled_stories("labelled_wire.toml")):
            for each in sources:
                article = {"id": f"{name}/{each.number}", "story": str(name), "title": each.title, "text": each.text}
                lines.write(json.dumps(article | {"language": "en", "published": None, "source": each.publisher_id}) + "\n")
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
