"""Which of outlets' pictures a page shows: those that its Content-Security-Policy lets a browser load. Pure."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

ANYWHERE: Final = "https:"
_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*"
_ORIGIN: Final = re.compile(rf"(https?)://(\*\.)?({_HOST})(:\d{{1,5}})?", re.ASCII)
_PORTS: Final = {"http": 80, "https": 443}


def check_source(source: str) -> str:
    """Give a source as it is written in the policy. Raises `ValueError` for what is none."""
    if source != ANYWHERE and not _ORIGIN.fullmatch(source):
        raise ValueError(
            f"{source!r} is neither https: (anywhere) nor an origin such as https://outlet.example or https://*.outlet.example"
        )
    return source.lower()


def may_load(url: str, sources: Sequence[str]) -> bool:
    """Tell whether a browser may load a picture from this address; `url` is one that `safe_href` gave."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    return any(_matches(source, parts.scheme, host, port) for source in sources)


def _matches(source: str, scheme: str, host: str, port: int) -> bool:
    if source == ANYWHERE:
        return scheme == "https"
    found = _ORIGIN.fullmatch(source)
    if found is None or found[1] != scheme or port != (int(found[4][1:]) if found[4] else _PORTS[scheme]):
        return False
    return host.endswith("." + found[3]) if found[2] else host == found[3]
