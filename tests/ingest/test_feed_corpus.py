"""Each document of the corpus gives what its `.expected.json` says: only the fields that stand there are compared."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.ingest.feeds import parse_feed
from services.ingest.feeds.model import FeedItem
from shared.errors import Refused

CORPUS = Path(__file__).parent / "corpus" / "feeds"
NAMES = sorted(path.name.removesuffix(".expected.json") for path in CORPUS.glob("*.expected.json"))
NOW = datetime(2025, 5, 7, 12, tzinfo=UTC)


def document(name: str) -> bytes:
    (path,) = (path for path in CORPUS.glob(f"{name}.*") if not path.name.endswith(".expected.json"))
    return path.read_bytes()


def plain(item: FeedItem) -> dict[str, Any]:
    fields = asdict(item)
    for key in ("published_at", "updated_at"):
        fields[key] = fields[key].isoformat().replace("+00:00", "Z") if fields[key] else None
    fields["authors"] = list(fields["authors"])
    return fields


def assert_item(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for key, value in expected.items():
        if key.endswith("_max_chars"):
            assert len(found[key.removesuffix("_max_chars")]) <= value
        elif key.endswith("_min_chars"):
            assert len(found[key.removesuffix("_min_chars")]) >= value
        else:
            assert found[key] == value, key


@pytest.mark.parametrize("name", NAMES)
def test_a_document_gives_what_is_expected_of_it(name: str) -> None:
    """A feed is read as far as it can be, and refused with its reason where it can't."""
    expected = json.loads((CORPUS / f"{name}.expected.json").read_text())
    body = document(name)
    if "error" in expected:
        with pytest.raises(Refused) as refused:
            parse_feed(body, url=expected["url"], content_type=expected["content_type"], now=NOW)
        assert refused.value.reason == expected["error"]
        assert expected.get("error_detail", "") in refused.value.detail
        return
    parsed = parse_feed(body, url=expected["url"], content_type=expected["content_type"], now=NOW)
    for key, value in expected.get("feed", {}).items():
        assert getattr(parsed, key) == value, key
    items = [plain(item) for item in parsed.items]
    assert len(items) == len(expected["items"]), items
    for found, wanted in zip(items, expected["items"], strict=True):
        assert_item(found, wanted)
    assert [(one.position, one.reason) for one in parsed.refused] == [(one["position"], one["reason"]) for one in expected["refused"]]
    assert [child.url for child in parsed.children] == expected.get("children", [])
    assert_plain(items)


def assert_plain(items: list[dict[str, Any]]) -> None:
    """No text holds what a database or a page can't take."""
    for item in items:
        for text in (item["title"], item["summary"], item["text"], *item["authors"]):
            text.encode("utf-8")
            assert "\0" not in text
