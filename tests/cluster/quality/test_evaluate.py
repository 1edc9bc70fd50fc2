"""`slugline evaluate`: its output, its determinism, and floors on labelled sets where there are any."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cluster.enrich.features import FeatureMaker
from services.cluster.evaluate.cli import evaluate_app
from services.cluster.evaluate.labelled import read_labelled
from services.cluster.evaluate.measure import bcubed
from services.cluster.evaluate.run import run_articles
from shared.errors import InvalidSetting

LABELLED = Path(__file__).parents[4] / "shared" / "data"
"""Where CI lays labelled sets; none of their text is part of the project."""

EVENTS = {
    "ferry": (
        "Ferry rams the pier at Bellport, twelve hurt",
        "Twelve hurt as Bellport ferry hits pier",
        "Bellport pier struck by ferry; a dozen injured",
    ),
    "budget": (
        "Parliament passes the budget after a night of debate",
        "Budget clears parliament by four votes",
        "After all-night debate parliament approves budget",
    ),
    "whale": ("Stranded whale freed off Corvo", "Corvo rescuers free stranded whale", "Whale stranded at Corvo swims again"),
    "vaccine": (
        "Malaria vaccine trial halves infections in Jundal",
        "Jundal malaria trial: vaccine cuts infections by half",
        "New malaria vaccine halves cases in Jundal trial",
    ),
}


def made_up(*, timed: bool) -> list[dict[str, Any]]:
    """Give twelve titles about four events."""
    return [
        {
            "id": f"{event}{teller}",
            "story": event,
            "title": title,
            "text": "",
            "published": f"2026-03-0{day}T1{teller}:00:00Z" if timed else None,
            "language": "en",
        }
        for day, (event, titles) in enumerate(EVENTS.items(), 1)
        for teller, title in enumerate(titles)
    ]


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


@pytest.mark.parametrize("timed", [True, False])
def test_json_has_the_figures(tmp_path: Path, timed: bool) -> None:
    """Options may follow the files; four events are four stories; twice gives the same."""
    path = written(tmp_path / "made_up.jsonl.gz", made_up(timed=timed))
    options = [str(path), str(path), "--json", "--explain", "2"]
    result = CliRunner().invoke(evaluate_app, options)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    first, second = printed["files"]
    assert first["bcubed"] == second["bcubed"]
    assert first["bcubed"]["f1"] >= 0.9
    assert printed["macro"]["bcubed"]["f1"] == pytest.approx(first["bcubed"]["f1"])
    assert {"pairwise", "v_measure", "stories", "singletons", "articles_per_second", "peak_memory_mb"} <= first.keys()


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The error says which line and what is missing."""
    path = tmp_path / "broken.jsonl"
    path.write_text('{"story": "a", "title": "b"}\n{"title": "c"}\n')
    with pytest.raises(InvalidSetting, match="line 2"):
        read_labelled(path)


@pytest.mark.skipif(not LABELLED.exists(), reason="no labelled sets here")
@pytest.mark.parametrize(("name", "articles", "floor"), [("kagi", 700, 0.83), ("wikinews", 535, 0.76), ("neus", 700, 0.83)])
def test_quality_stays_above_its_floor(name: str, articles: int, floor: float) -> None:
    """BCubed F1 on labelled sets, a little under what was reached (docs/clustering.md)."""
    read = read_labelled(LABELLED / f"{name}.jsonl.gz")[:articles]
    outcome = run_articles(read, FeatureMaker())
    assert bcubed([article.story for article in read], outcome.stories).f1 >= floor
