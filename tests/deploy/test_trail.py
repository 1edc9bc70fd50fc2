"""Whoever gives a command that may change something is noted; secrets are not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import trail


def noted(file: Path, *arguments: str, **environment: str) -> dict[str, str] | None:
    trail.note(arguments, {"SLUGLINE_TRAIL": str(file), **environment})
    line: dict[str, str] | None = json.loads(file.read_text().splitlines()[-1]) if file.exists() else None
    return line


def test_a_command_is_noted_with_who_and_against_what(tmp_path: Path) -> None:
    line = noted(
        tmp_path / "trail",
        "offsets",
        "reset",
        "assign",
        SUDO_USER="mara",
        SLUGLINE_KAFKA_BOOTSTRAP_SERVERS="kafka:9092",
        SLUGLINE_KAFKA_USERNAME="ops",
    )
    assert line is not None
    assert line["who"].startswith("mara as ")
    assert (line["command"], line["kafka"], line["kafka_user"]) == ("slugline offsets reset assign", "kafka:9092", "ops")
    assert (tmp_path / "trail").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "asking", ["topics check", "offsets show", "stories list", "db version", "doctor --json", "run assign", "--version", "feeds add --help"]
)
def test_what_only_asks_is_not_noted(tmp_path: Path, asking: str) -> None:
    assert noted(tmp_path / "trail", *asking.split()) is None


def test_a_secret_is_not_noted(tmp_path: Path) -> None:
    line = noted(tmp_path / "trail", "webhooks", "add", "--secret", "hush", "--token=hush", "--url=https://desk:hush@elsewhere.example")
    assert line is not None
    assert line["command"] == "slugline webhooks add --secret *** --token=*** --url=https://desk:***@elsewhere.example"
    line = noted(tmp_path / "trail", "feeds", "remove", "HTTPS://desk:hu@sh@outlet.example/rss?to=a@b.example")
    assert line is not None
    assert line["command"].endswith("remove https://desk:***@outlet.example/rss?to=a@b.example")


def test_a_command_that_can_not_be_noted_is_not_begun(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "topics", "apply"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin", "SLUGLINE_TRAIL": str(tmp_path / "missing" / "trail")},
    )
    assert told.returncode == 1
    assert told.stderr.startswith("slugline: who gave this command can't be noted")
