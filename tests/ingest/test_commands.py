"""`feeds check` and `ingest extract` print what would be published, as programs and people read it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.ingest.cli import feeds_app, ingest_app
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
