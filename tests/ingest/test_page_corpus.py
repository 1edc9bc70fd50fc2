"""Each page of the corpus is read as its `.expected.json` says: only the fields that stand there are compared."""

import json
import zlib
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.ingest.extraction.extract import extract
from shared.contracts import TEXT_LIMIT_BYTES
from shared.errors import Refused

CORPUS = Path(__file__).parent / "corpus" / "pages"
NAMES = sorted(path.name.removesuffix(".expected.json") for path in CORPUS.glob("*.expected.json"))
NOW = datetime(2025, 5, 7, 12, tzinfo=UTC)


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", NAMES)
def test_a_page_gives_what_is_expected_of_it(name: str) -> None:
    """Text and metadata are found, stubs and walls recognised, and what is no page refused with its reason."""
    expected = json.loads((CORPUS / f"{name}.expected.json").read_text())
    body = (CORPUS / f"{name}.html").read_bytes()
    if "error" in expected:
        with pytest.raises(Refused) as refused:
            extract(body, url=expected["url"], content_type=expected["content_type"], now=NOW)
        assert refused.value.reason == expected["error"]
        return
    page = extract(body, url=expected["url"], content_type=expected["content_type"], now=NOW)
    found = {key: plain(value) for key, value in asdict(page).items()}
    wanted = dict(expected["fields"])
    for part in wanted.pop("contains", ()):
        assert part in page.text
    for part in wanted.pop("lacks", ()):
        assert part not in page.text
    assert {key: found[key] for key in wanted} == wanted
    assert "\0" not in page.text + page.title
    (page.text + page.title + page.summary).encode("utf-8")


def test_a_long_text_is_cut_on_a_character() -> None:
    """The text never exceeds the contract's limit, and says so when it was cut."""
    paragraphs = "".join(
        f"<p>{''.join(f'Am Tag {day} läuft Fähre {ship} über Grund, größer wird die Not, sagt der Kapitän. ' for ship in range(10))}</p>"
        for day in range(400)
    )
    body = f"<html><head><title>Fähre</title></head><body><article>{paragraphs}</article></body></html>".encode()
    page = extract(body, url="https://harbour.example/long", content_type="text/html", now=NOW)
    assert page.truncated
    assert TEXT_LIMIT_BYTES - 1_000 < len(page.text.encode()) <= TEXT_LIMIT_BYTES


@pytest.mark.parametrize("body", [bytes(range(256)) * 100, zlib.compress(b"<p>The ferry</p>" * 9_000, 1) * 9])
def test_what_is_binary_is_no_page_whatever_its_type_says(body: bytes) -> None:
    with pytest.raises(Refused, match="not_html"):
        extract(body, url="https://harbour.example/x", content_type="text/html; charset=utf-8", now=NOW)


def test_a_file_without_url_is_believed_in_its_canonical_link() -> None:
    """Where nobody knows where a page comes from, it may say so itself."""
    body = b'<html><head><title>T</title><link rel="canonical" href="https://www.harbour.example/x/"></head><body><p>x</p></body></html>'
    assert extract(body, url="", content_type=None, now=NOW).canonical_url == "https://harbour.example/x"
