"""Labelled articles: JSON lines, plain or gzipped."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from shared.errors import InvalidSetting


@dataclass(frozen=True, slots=True)
class LabelledArticle:
    """An article and the story that it belongs to by its label. `published_at` is aware, None where unknown."""

    article_id: str
    story: str
    title: str
    text: str
    published_at: datetime | None
    language: str
    source: str
    url: str


def read_labelled(path: Path) -> list[LabelledArticle]:
    """Read a file, in time order; articles without a time follow, in file order. Raises `InvalidSetting` for what can't be read."""
    try:
        with _opened(path) as lines:
            articles = list(_parsed(path, lines))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path}: {error}; give JSON lines with story, title and text, plain or gzipped") from error
    if not articles:
        raise InvalidSetting(f"{path} holds no article; give JSON lines with story, title and text")
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(articles, key=lambda article: article.published_at or latest)


def _opened(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _parsed(path: Path, lines: TextIO) -> Iterator[LabelledArticle]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            yield LabelledArticle(
                article_id=str(fields.get("id") or number),
                story=str(fields["story"]),
                title=_text(fields.get("title")),
                text=_text(fields.get("text")),
                published_at=_time(fields.get("published")),
                language=_language(fields.get("language")),
                source=_text(fields.get("source")),
                url=_text(fields.get("url")),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidSetting(f"{path}, line {number}: {type(error).__name__} {error}; a line needs story and title") from error


def _text(value: Any) -> str:
    return value.replace("\0", " ") if isinstance(value, str) else ""


def _language(value: Any) -> str:
    code = value.split("-")[0].lower() if isinstance(value, str) else ""
    return code if code.isascii() and code.isalpha() and 2 <= len(code) <= 3 else "und"


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
