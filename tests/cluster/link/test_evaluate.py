"""`slugline evaluate --cross-lingual`: linked stories count as one."""

import json
from pathlib import Path

from typer.testing import CliRunner

from services.cluster.evaluate.cli import evaluate_app
from tests.cluster.link.events import EVENTS


def test_linked_stories_count_as_one(tmp_path: Path) -> None:
    """Told in many languages, an event is many stories without links and nearly one with them."""
    file = tmp_path / "events.jsonl"
    lines = [
        {
            "id": f"{event}:{language}",
            "story": event,
            "title": title,
            "text": lead,
            "language": language,
            "published": "2026-03-02T12:00:00Z",
        }
        for event, by_language in EVENTS.items()
        for language, (title, lead) in by_language.items()
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plain, linked = (
        json.loads(CliRunner().invoke(evaluate_app, [str(file), "--json", *options]).stdout) for options in ([], ["--cross-lingual"])
    )
    assert plain["files"][0]["stories"] > len(EVENTS) * 3
    assert linked["files"][0]["stories"] < len(EVENTS) * 1.5
    assert plain["macro"]["bcubed"]["f1"] < 0.5
    assert linked["macro"]["bcubed"]["f1"] > 0.85
