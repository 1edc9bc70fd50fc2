"""`feeds check` and `ingest extract` print what would be published, as programs and people read it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from services.ingest import opml, registry
from services.ingest.cli import feeds_app, ingest_app
from services.ingest.control import Control
from shared.ids import article_id

CORPUS = Path(__file__).parent / "corpus"
runner = CliRunner()


def run_json(app: Any, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    result = runner.invoke(app, [*arguments, "--json"])
    assert result.exit_code == exit_code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_check_prints_each_item_and_its_feed() -> None:
    """All items in order, with their identity, texts and times."""
    found = run_json(feeds_app, "check", str(CORPUS / "feeds" / "rss20_plain.xml"))
    assert (
        found["feed"] | {"title": "Harbour Ledger", "link": "https://harbour.example/", "language": "en-GB", "format": "rss20"}
        == found["feed"]
    )
    (item,) = found["items"]
    assert item["id"] == "hl-1"
    assert item["article_id"] == str(article_id("https://harbour.example/ferry"))
    assert (item["url"], item["canonical_url"]) == ("https://harbour.example/ferry", "https://harbour.example/ferry")
    assert (item["title"], item["published_at"], item["authors"]) == ("Ferry aground off Skarholm", "2025-05-06T08:00:00Z", ["Jane Doe"])
    assert (item["summary"], item["content_text"], item["refused"]) == ("Two tugs pulled the ship free.", "", None)


def test_check_says_why_items_are_refused() -> None:
    """Refused items stand among the others, each with its reason."""
    found = run_json(feeds_app, "check", str(CORPUS / "feeds" / "no_ids_no_links.xml"))
    assert [item["refused"] and item["refused"]["reason"] for item in found["items"]] == [
        "no_identity", "no_identity", "no_identity", None, "no_text", "url_refused", None, "url_refused", "url_refused",
    ]  # fmt: skip
    assert (found["published"], found["refused"]) == (2, 7)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (str(CORPUS / "feeds" / "html_instead.html"), "html_page"),
        (str(CORPUS / "feeds" / "empty.xml"), "empty"),
        ("/nowhere/at-all.xml", "file_not_found"),
        (str(CORPUS), "unreadable"),
        ("http://127.0.0.1:9/feed", "address_refused"),
        ("ftp://harbour.example/feed", "scheme_refused"),
    ],
)
def test_check_refuses_a_document_with_its_reason(source: str, reason: str) -> None:
    """As JSON, with exit code 1."""
    found = run_json(feeds_app, "check", source, exit_code=1)
    assert found["error"]["reason"] == reason


def test_check_is_readable_by_people() -> None:
    """A table, with the reasons."""
    result = runner.invoke(feeds_app, ["check", str(CORPUS / "feeds" / "repeated_items.xml")], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "2 would be published, 1 refused" in result.output
    assert "repeated" in result.output


def test_extract_prints_what_would_be_published() -> None:
    """Everything that an article has."""
    found = run_json(
        ingest_app, "extract", str(CORPUS / "pages" / "json_ld.html"), "--url", "https://www.harbour.example/news/ferry-aground"
    )
    expected = {
        "title": "Ferry runs aground off Skarholm",
        "authors": ["Jane Doe", "John Roe"],
        "published_at": "2025-05-06T08:00:00Z",
        "language": "en",
        "image": "https://www.harbour.example/img/f.jpg",
        "canonical_url": "https://harbour.example/news/ferry-aground",
        "extraction": "full",
    }
    assert found | expected == found
    assert found["text"].startswith("The harbour authority said")


def test_extract_refuses_what_is_no_page() -> None:
    """With exit code 1."""
    assert run_json(ingest_app, "extract", str(CORPUS / "pages" / "pdf.html"), exit_code=1)["error"]["reason"] == "not_html"


def test_only_the_exported_addresses_have_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be imported again keeps them and says so on stderr; titles and `feeds status` show asterisks."""
    url = "https://reader:s3cret@outlet.example/rss"
    feed = registry.new_feed(url, now=datetime.now(UTC))

    async def answer(found: object, *_: object) -> object:
        return found

    monkeypatch.setattr(registry, "registered", lambda _: answer({feed.feed_id: registry.Registered(feed, None)}))
    monkeypatch.setattr("services.ingest.commands.feeds.read_control", lambda _: answer(Control()))
    exported = runner.invoke(feeds_app, ["export"])
    (outline,) = opml.read(exported.stdout_bytes)
    assert (outline.url, outline.title) == (url, "https://reader:***@outlet.example/rss")
    assert "addresses hold a password: 1." in exported.stderr
    monkeypatch.setattr("services.ingest.commands.feeds.console", Console(width=200))
    for arguments in (["status", "--json"], ["status"], ["list"]):
        shown = runner.invoke(feeds_app, arguments).output
        assert "s3cret" not in shown
        assert "reader:***" in shown
