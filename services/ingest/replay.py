"""Replaying labelled articles: lines of JSON become whole articles in `discoveries.v1`. Reading a line is pure."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from services.ingest.identity import article_host, canonical_url, publisher_of, unlinked_urn
from services.ingest.text import cut, from_html, looks_like_html, title_from_html
from shared.contracts import Discovery, DiscoveryKind, Extraction, Publisher
from shared.contracts.base import EARLIEST, LATEST, describe
from shared.errors import Refused, SluglineError
from shared.kafka.decision import Output
from shared.topics import DISCOVERIES

LINE_LIMIT_BYTES = 16 * 1024 * 1024
"""A longer line is refused unread."""
EXAMPLES = 3
GZIP_MAGIC = b"\x1f\x8b"


class Line(BaseModel):
    """A line of the labelled sets' format."""

    model_config = ConfigDict(extra="ignore")

    schema_version: int = 1
    id: str | int | None = None
    title: str | None = ""
    text: str | None = ""
    published: datetime | None = None
    language: str | None = None
    source: str | None = None
    url: str | None = Field(default=None, validation_alias=AliasChoices("url", "link"))

    @field_validator("published", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value


@dataclass(slots=True)
class Summary:
    """What became of a file's lines."""

    accepted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def refuse(self, number: int, error: Refused) -> None:
        """Count a refused line, and keep the first few of each reason."""
        self.refused[error.reason] = self.refused.get(error.reason, 0) + 1
        examples = self.examples.setdefault(error.reason, [])
        if len(examples) < EXAMPLES:
            examples.append(f"line {number}: {error.detail}")


@contextmanager
def open_lines(path: Path) -> Iterator[BinaryIO]:
    """Open a JSONL file, compressed or not, by what it holds and not by its name. Raises `SluglineError`."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if zipped:
                with gzip.GzipFile(fileobj=raw) as unzipped:
                    yield unzipped  # type: ignore[misc]
            else:
                yield raw
    except (OSError, EOFError) as error:
        raise SluglineError(f"{path} can't be read: {error}") from error


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes | Refused]]:
    """Give numbered lines, blank ones left out; an endless line is refused without being held in memory."""
    number = 0
    while line := file.readline(LINE_LIMIT_BYTES):
        number += 1
        if len(line) == LINE_LIMIT_BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(LINE_LIMIT_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield number, Refused("line_too_long", f"it has more than {LINE_LIMIT_BYTES:,} bytes")
        elif line.strip():
            yield number, line


def read_line(line: bytes, source: str, now: datetime) -> Output:
    """Turn a line into a discovery. `source` names the set, for lines without one. Raises `Refused` that says why not."""
    parsed = _parse(line)
    title, text = parsed.title or "", parsed.text or ""
    for part, value in (
        ("title", title),
        ("text", text),
        ("source", parsed.source or ""),
        ("url", parsed.url or ""),
        ("id", str(parsed.id or "")),
    ):
        _refuse_unprintable(part, value)
    if looks_like_html(title):
        title = title_from_html(title, len(title))
    text, truncated = cut(from_html(text) if looks_like_html(text) else text)
    if not title.strip() and not text.strip():
        raise Refused("no_content", "it has neither a title nor a text")
    published_at = _time(parsed.published)
    url = (parsed.url or "").strip() or None
    item_id = None if parsed.id is None else str(parsed.id).strip() or None
    name = (parsed.source or "").strip() or (None if url else source)
    if url:
        canonical = canonical_url(url)
        publisher = publisher_of(url, name)
    elif item_id and name:
        canonical = unlinked_urn(name, item_id)
        publisher = Publisher(id=name[:255], name=name[:2_000])
    else:
        raise Refused("no_identity", "it has neither a url nor a source for its id" if item_id else "it has neither a url nor an id")
    try:
        discovery = Discovery(
            kind=DiscoveryKind.ARTICLE,
            url=url,
            source=name,
            item_id=item_id,
            title=title,
            text=text,
            truncated=truncated,
            publisher=publisher,
            language=_language(parsed.language),
            published_at=published_at,
            discovered_at=now,
            extraction=Extraction.FULL if text.strip() else Extraction.SUMMARY,
        )
    except ValidationError as error:
        raise Refused("invalid_field", describe(error)) from error
    return Output(DISCOVERIES, article_host(canonical), discovery)


def _parse(line: bytes) -> Line:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refused("invalid_json", str(error)[:200]) from error
    if not isinstance(value, dict):
        hint = "; `jq -c '.[]' FILE` writes an array's objects a line each" if isinstance(value, list) else ""
        raise Refused("invalid_json", f"it is a JSON {type(value).__name__}, not an object{hint}")
    version = value.get("schema_version", 1)
    if version != 1:
        raise Refused("wrong_version", f"schema_version is {str(version)[:20]}, this reads 1")
    try:
        return Line.model_validate(value)
    except ValidationError as error:
        reason = "invalid_time" if all(fault["loc"][:1] == ("published",) for fault in error.errors()) else "invalid_field"
        raise Refused(reason, describe(error)) from error


def _refuse_unprintable(name: str, value: str) -> None:
    if "\0" in value:
        raise Refused("invalid_text", f"its {name} holds a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refused("invalid_text", f"its {name} holds a lone surrogate at character {error.start}") from error


def _time(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        aware = aware.astimezone(UTC)
    except OverflowError as error:
        raise Refused("invalid_time", f"published is {value.isoformat()}") from error
    if not EARLIEST <= aware < LATEST:
        raise Refused("invalid_time", f"published is {value.isoformat()}; times from {EARLIEST.year} to {LATEST.year} are accepted")
    return aware


def _language(code: str | None) -> str | None:
    if not code:
        return None
    primary = code.replace("_", "-").split("-")[0].lower()
    return primary if primary.isascii() and primary.isalpha() and len(primary) in (2, 3) else None
