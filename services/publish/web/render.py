"""Render templates: one Jinja environment with autoescaping on, and assets under names that change with their bytes."""

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.publish.web import words
from services.publish.web.describe import pieces
from services.publish.web.views import Frame

HERE = Path(__file__).parent
PAGE = "base.html"
FRAGMENT = "fragment.html"
"""The content alone, which a live page swaps in."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file as it is served: its bytes, its media type and the name that holds its hash."""

    name: str
    path: str
    media_type: str
    body: bytes
    digest: str


@cache
def assets() -> dict[str, Asset]:
    """Read the static files once; the keys are their plain names."""
    found: dict[str, Asset] = {}
    for file in sorted((HERE / "static").iterdir()):
        body = file.read_bytes()
        digest = hashlib.sha256(body).hexdigest()[:12]
        media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if media_type.startswith("text/") or media_type.endswith(("javascript", "+xml")):
            media_type += "; charset=utf-8"
        found[file.name] = Asset(file.name, f"/static/{file.stem}.{digest}{file.suffix}", media_type, body, digest)
    return found


def _feed_format(title: str) -> str:
    return title.rsplit(" ", maxsplit=2)[-1] if not title.endswith("JSON Feed") else "JSON Feed"


@cache
def environment() -> Environment:
    """Make the environment; every expression is escaped, an unknown name raises."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=64,
    )
    env.filters.update(
        ago=words.ago,
        utc=words.utc,
        long_date=words.long_date,
        number_of=words.number_of,
        number_up_to=words.number_up_to,
        stamp=lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}",
        short=words.short,
        language_name=words.language_name,
        lang=lambda code: "" if code == "und" else code,
        quoted=lambda text: quote(str(text), safe=""),
        feed_format=_feed_format,
        pieces=pieces,
    )
    env.globals["asset"] = lambda name: assets()[name].path
    return env


def render(template: str, frame: Frame, *, fragment: bool = False, **values: Any) -> bytes:
    """Render a page, or its content alone, to UTF-8; a lone surrogate in an outlet's text becomes a question mark."""
    layout = FRAGMENT if fragment else PAGE
    return environment().get_template(template).render(frame=frame, layout=layout, **values).encode("utf-8", "replace")
