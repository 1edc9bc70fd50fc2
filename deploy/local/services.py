"""The table of what a local Slugline runs beside its broker and database."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Service:
    """One long-running process, started as `slugline run NAME`; `environment` is what it is told beyond the rest."""

    name: str
    does: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        """The command that runs it."""
        return [sys.executable, "-m", "deploy.cli", "run", self.name]


OWNERS: Final = ("poll", "fetch", "assign")
"""Have a name in their consumer group: when one was killed, the next takes over at once and waits for no session to run out."""
WEB: Final = "web"
RECORDED_WEB: Final = "recorded-web"

SERVICES: Final = (
    Service("poll", "asks feeds what is new"),
    Service("fetch", "fetches and reads article pages"),
    Service("enrich", "terms, vectors, names"),
    Service("assign", "puts articles into stories"),
    Service("link", "finds the same story in other languages"),
    Service("materialise", "writes rows"),
    Service("brief", "writes cited briefs"),
    Service("webhooks", "tells other programs"),
    Service(WEB, "the page"),
)

COMMON_ENVIRONMENT: Final[Mapping[str, str]] = {
    "PYTHONUNBUFFERED": "1",
    "SLUGLINE_LOG_FORMAT": "json",
    # A process each, so a thread each: measured ten times faster on a busy machine than the libraries' own choice.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}

DEMO_ENVIRONMENT: Final[Mapping[str, str]] = {
    # The recorded web's outlets have names below .localhost, which no outlet on the internet can have.
    "SLUGLINE_FETCH_ALLOW": "*.localhost,127.0.0.1",
    # A feed's first interval, until its habit is known; no feed is asked sooner than it allows.
    "SLUGLINE_POLL_INTERVAL_FIRST_S": "5",
    # Looked at again after one, three and ten minutes, so that a visitor sees the correction and the withdrawal.
    "SLUGLINE_RECHECK_AFTER_H": "0.017,0.05,0.167",
}
