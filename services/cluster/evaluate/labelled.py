"""Labelled articles: JSON lines, plain or gzipped."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TextIO

from shared.contracts.base import EARLIEST, LATEST
from shared.errors import InvalidSetting

_WANTED = "give JSON lines, plain or gzipped, each an object with story, title and text"
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


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


def read_labelled(path: Path, warn: Callable[[str], None] = lambda _: None) -> list[LabelledArticle]:
    """Read a file, in time order; articles without a time follow, in file order.

    `warn` is told of times that can't be read, which count as unknown. Raises `InvalidSetting` for a file or line that can't be read.
    """
    unread: list[int] = []
    try:
        with _opened(path) as lines:
            articles = list(_parsed(path, lines, unread))
    except UnicodeDecodeError as error:
        raise InvalidSetting(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); {_WANTED}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidSetting(f"{path}: {getattr(error, 'strerror', None) or error}; {_WANTED}") from error
    if not articles:
        raise InvalidSetting(f"{path} holds no article; {_WANTED}")
    if unread:
        warn(f"{path}: {len(unread)} times can't be read and count as unknown, the first in line {unread[0]}; give ISO 8601")
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(articles, key=lambda article: article.published_at or latest)


def _opened(path: Path) -> TextIO:
    """Open a text, unpacked where its first bytes say that it is gzipped, whatever its name."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt", encoding="utf-8-sig") if packed else path.open(encoding="utf-8-sig")


def _parsed(path: Path, lines: TextIO, unread: list[int]) -> Iterator[LabelledArticle]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidSetting(f"{path}, line {number} is not JSON: {error}; {_WANTED}") from error
        if not isinstance(fields, dict):
            raise InvalidSetting(f"{path}, line {number} holds a {type(fields).__name__}, not an object; {_WANTED}")
        story = fields.get("story")
        if not isinstance(story, str | int) or story == "":
            raise InvalidSetting(f"{path}, line {number} has no story, the label of the event that the article tells; {_WANTED}")
        published = fields.get("published")
        published_at = _time(published)
        if published_at is None and published not in (None, ""):
            unread.append(number)
        yield LabelledArticle(
            article_id=_text(str(fields.get("id") or number)),
            story=_text(str(story)),
            title=_text(fields.get("title")),
            text=_text(fields.get("text")),
            published_at=published_at,
            language=_language(fields.get("language")),
            source=_text(fields.get("source")),
            url=_text(fields.get("url")),
        )


def _text(value: Any) -> str:
    """Give a text without what no message can carry: control characters and halves of surrogate pairs."""
    return _CONTROLS.sub(" ", value) if isinstance(value, str) else ""


def _language(value: Any) -> str:
    code = re.split("[-_]", value)[0].lower() if isinstance(value, str) else ""
    return code if code.isascii() and code.isalpha() and 2 <= len(code) <= 3 else "und"


def _time(value: Any) -> datetime | None:
    """Read ISO 8601, a mail's date or seconds since 1970; None for anything else and for times that no message can carry."""
    try:
        if isinstance(value, int | float):
            time = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str):
            time = _iso_or_mail(value.strip())
        else:
            return None
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return time if EARLIEST <= time < LATEST else None


def _iso_or_mail(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return parsedate_to_datetime(value)
