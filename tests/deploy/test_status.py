"""`slugline status`: what it sees of a real broker and database, and what it says of parts that are silent or late."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console
from typer.testing import CliRunner

from deploy.local.ports import free_ports
from deploy.status import StatusSettings, app, look, problems, screen
from services.publish import schema
from shared.errors import InvalidMessage, InvalidSetting
from shared.kafka.dead_letters import dead_letter
from shared.kafka.decision import Output, SourceRecord
from shared.topics import ARTICLES, DISCOVERIES, FEEDS
from tests.publish.made_up import article, feed
from tests.topics import write

WELL: dict[str, Any] = {
    "at": "2026-03-02T12:00:00+00:00",
    "version": "1.0",
    "services": {"poll": {"ready": True, "waits": {}}},
    "stages": [{"stage": "poll", "topic": "feeds.v1", "lag": 0, "lag_s": 0.0, "begun": True, "expired": []}],
    "rows": {
        "open_stories": 2,
        "stories": 5,
        "last_article_at": datetime(2026, 3, 2, 11, 59, tzinfo=UTC),
        "articles_last_hour": 40,
        "last_change_at": None,
        "briefs_waiting": 0,
        "behind": 0,
        "behind_s": None,
        "database_bytes": 12_000_000,
        "freshness_s": {"en": 61},
        "workers": {"materialise": {"ready": True, "waits": "", "lag": 0, "seen_s": 2.0}},
    },
    "feeds": {"by_state": {"ok": 7}, "stopped": False, "blocked": []},
    "dead_letters": {"open": 1, "by_reason": {"fetch: fetch_failed": 1}, "last_at": None},
    "disk": {"folder": "/data", "free_bytes": 60e9, "total_bytes": 100e9},
}


def shown(found: dict[str, Any]) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(screen(found))
    return captured.get()


def test_all_is_well_on_one_screen() -> None:
    assert problems(WELL) == []
    text = shown(WELL | {"problems": []})
    for said in (
        "all is well",
        "poll",
        "ready",
        "60 s ago",
        "40 in the last hour",
        "2 open, 5 in all",
        "7 ok",
        "fetch_failed 1",
        "12.0 MB",
        "60.0 GB",
    ):
        assert said in text
    assert len(text.splitlines()) < 30, "it is one screen"


def test_each_trouble_is_named_with_what_to_do() -> None:
    found = WELL | {
        "services": {"fetch": {"ready": False, "waits": {"service": "does not answer"}}},
        "stages": [
            {"stage": "assign", "topic": "story_inputs.v1", "lag": 9, "lag_s": 600.0, "begun": True, "expired": []},
            {"stage": "enrich", "topic": "articles.v1", "lag": 9, "lag_s": 0.0, "begun": True, "expired": [3]},
        ],
        "rows": {"error": "the database: no"},
        "feeds": {"by_state": {}, "stopped": True, "blocked": []},
        "disk": {"folder": "/data", "free_bytes": 1e9, "total_bytes": 100e9},
    }
    told = problems(found)
    for said in (
        "fetch: does not answer",
        "assign is 10 min behind",
        "offsets show enrich",
        "the database: no",
        "resume-all",
        "nearly full",
    ):
        assert any(said in one for one in told), said
    assert "the database: no" in shown(found | {"problems": told})


@pytest.mark.stack
async def test_it_sees_what_waits_and_since_when(clean_topics: str, postgres: str) -> None:
    settings = StatusSettings(kafka_bootstrap_servers=clean_topics, database_url=postgres)
    await schema.migrate(settings)
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    letter = dead_letter("fetch", SourceRecord(DISCOVERIES.name, 0, 0, None, b"{", now_ms), InvalidMessage("no"))
    await write(
        clean_topics,
        [Output(FEEDS, str(feed().feed_id), feed()), *(Output(ARTICLES, str(UUID(int=n)), article(str(n))) for n in range(3)), letter],
    )
    found = await look(settings)
    assert {one["stage"]: one["lag"] for one in found["stages"]} == {"poll": 1, "fetch": 0, "enrich": 3, "assign": 0}
    assert 0 < next(one["lag_s"] for one in found["stages"] if one["stage"] == "enrich") < 60
    assert found["feeds"]["by_state"] == {"new": 1}
    assert found["dead_letters"]["by_reason"] == {"fetch: invalid_message": 1}
    assert (found["rows"]["stories"], found["rows"]["database_bytes"] > 0) == (0, True)
    shown(found)


@pytest.mark.stack
async def test_a_database_that_is_away_hides_nothing_else(clean_topics: str) -> None:
    [port] = free_ports(1)
    found = await look(StatusSettings(kafka_bootstrap_servers=clean_topics, database_url=f"postgresql://127.0.0.1:{port}/none"))
    assert "error" in found["rows"]
    assert [one["stage"] for one in found["stages"]] == ["poll", "fetch", "enrich", "assign"]
    assert any(one.startswith("rows: ") for one in found["problems"])
    shown(found)


def test_services_elsewhere_are_named_by_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUGLINE_STATUS_SERVICES", "fetch=http://fetch:9100, web=http://web:8080/")
    assert StatusSettings.load().status_services == {"fetch": "http://fetch:9100", "web": "http://web:8080"}
    monkeypatch.setenv("SLUGLINE_STATUS_SERVICES", "fetch")
    with pytest.raises(InvalidSetting, match="name=http"):
        StatusSettings.load()


def test_without_broker_and_database_it_says_so_in_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    one, other = free_ports(2)
    monkeypatch.setenv("SLUGLINE_DATA", str(tmp_path))
    monkeypatch.setenv("SLUGLINE_KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{one}")
    monkeypatch.setenv("SLUGLINE_DATABASE_URL", f"postgresql://127.0.0.1:{other}/none")
    result = CliRunner().invoke(app, ["--json"])
    assert result.exit_code == 1
    found = json.loads(result.stdout.splitlines()[-1])
    assert {"stages", "rows", "feeds", "dead_letters"} <= {
        name for name, part in found.items() if isinstance(part, dict) and "error" in part
    }
