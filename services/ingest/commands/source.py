"""What `feeds check` and `ingest extract` read: a file, standard input or a URL."""

import re
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from services.ingest.config import IngestSettings
from services.ingest.http import Fetched, Fetcher
from shared.errors import Refused

_Settings = TypeVar("_Settings", bound=IngestSettings)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|//")


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes, where they came from, and the answer they came in."""

    body: bytes
    url: str
    content_type: str | None = None
    fetched: Fetched | None = None


def is_url(source: str) -> bool:
    """Tell a URL from a file's name."""
    return _URL.match(source) is not None


async def read_source(
    source: str, *, url: str, content_type: str | None, accept: str, max_bytes: int, settings: IngestSettings
) -> Document:
    """Read a document. Raises `Refused`: as the fetcher does, file_not_found, unreadable, http_status."""
    if is_url(source):
        async with Fetcher(settings) as fetcher:
            answer = await fetcher.get(source, accept=accept, max_bytes=max_bytes)
        if answer.status >= 400:
            raise Refused("http_status", f"{source} answers with status {answer.status}")
        return Document(answer.body, url or answer.final_url, content_type or answer.content_type, answer)
    try:
        if source == "-":
            body = sys.stdin.buffer.read(max_bytes + 1)
        else:
            with Path(source).open("rb") as file:  # noqa: ASYNC230 — a command reads one file and has nothing else to do
                body = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise Refused("file_not_found", f"there is no file {source!r}; a URL begins with http:// or https://") from error
    except OSError as error:
        raise Refused("unreadable", f"{source!r} can't be read: {error.strerror}") from error
    return Document(body, url, content_type)


def with_allowed(settings: _Settings, allow: list[str] | None) -> _Settings:
    """Add the hosts that a command's `--allow` opens."""
    return settings.model_copy(update={"fetch_allow": (*settings.fetch_allow, *allow)}) if allow else settings


def shown_time(value: datetime | None) -> str | None:
    """Give a time as JSON has it."""
    return value.isoformat().replace("+00:00", "Z") if value else None


def refusal(source: str, error: Refused) -> dict[str, Any]:
    """Give the JSON for a document that is refused as a whole."""
    detail = error.detail
    if error.reason == "address_refused":
        detail += "; --allow HOST opens it for this command, SLUGLINE_FETCH_ALLOW for the workers"
    return {"source": source, "error": {"reason": error.reason, "detail": detail}}
