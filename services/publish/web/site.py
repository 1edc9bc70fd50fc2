"""What all routes share: the settings, the database, the stream, what was last known of freshness, and the frame of a page."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from starlette.requests import Request

from services.publish import read
from services.publish.web import present, views
from services.publish.web.config import WebSettings
from services.publish.web.database import Connections
from services.publish.web.fanout import Fanout
from shared.errors import Unreachable

_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
FEEDS_WANTED_S = 60.0
"""The list of feeds is counted anew while someone asked for it within so long."""
FEEDS_KEPT_S = 4.0
FEEDS_SHARE = 20
"""Counting may take one twentieth of the database's time, however long it takes."""
SEARCHES = 2
"""Searches at the same time: a word that every article has takes tens of milliseconds, and must not hold all connections."""
FEED_FORMATS = (("rss", "RSS"), ("atom", "Atom"), ("json", "JSON Feed"))


@dataclass(slots=True)
class Site:
    """One web service's parts. `now` gives aware UTC time, `clock` monotonic seconds."""

    settings: WebSettings
    connections: Connections
    fanout: Fanout
    now: Callable[[], datetime]
    clock: Callable[[], float]
    freshness: views.Freshness = field(default_factory=views.Freshness)
    waits: dict[str, str] = field(default_factory=dict)
    """What the service waits for, by part; empty: it is ready."""
    feeds: tuple[read.FeedSummary, ...] | None = None
    """The list of feeds, counted beside the requests since that takes tens of milliseconds; None before it was first asked for."""
    feeds_asked_s: float = float("-inf")
    feeds_due_s: float = float("-inf")
    publishers: dict[str, tuple[float, read.Publisher]] = field(default_factory=dict)
    """Outlets whose counts have reached their end, each with when it was asked for; see `lookup.about_publisher`."""
    searching: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SEARCHES))

    async def look(self) -> None:
        """Find out how old the data is and whether the database is well; keeps what was known where that can't be told."""
        waits = await self.connections.waits_for()
        if waits is None:
            try:
                async with self.connections.read() as db:
                    found = await read.freshness(db)
                    await self._count_feeds(db)
                self.freshness = present.freshness(found, self.now(), late_after_s=self.settings.late_after_s)
            except Unreachable as error:
                waits = str(error)
        self.waits = {} if waits is None else {"database": waits}
        if waits is None and not self.fanout.connected:
            self.waits["stream"] = "the database's signals are not heard yet"

    async def _count_feeds(self, db: read.Database) -> None:
        began_s = self.clock()
        if began_s - self.feeds_asked_s < FEEDS_WANTED_S and began_s >= self.feeds_due_s:
            self.feeds = await read.feeds(db)
            took_s = self.clock() - began_s
            self.feeds_due_s = began_s + FEEDS_KEPT_S + FEEDS_SHARE * took_s

    def base_url(self, request: Request) -> str:
        """Give what readers reach this site by, without a slash at the end."""
        if self.settings.web_public_url:
            return self.settings.web_public_url
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            host = f"{self.settings.web_host}:{self.settings.web_port}"
        return f"{request.url.scheme}://{host}"

    def frame(
        self,
        request: Request,
        title: str,
        *,
        description: str = "",
        feed: str | None = None,
        feed_title: str = "",
        story_id: UUID | None = None,
        revision: int | None = None,
        live: bool = False,
        query: str = "",
        noindex: bool = False,
    ) -> views.Frame:
        """Frame a page; `feed` or `story_id` say what it can be followed as."""
        path = request.url.path
        followed = f"/stories/{story_id}" if story_id else f"/feeds/{feed}" if feed else None
        name = "This story" if story_id else feed_title
        links = tuple((_MEDIA[form], f"{name} as {words}", f"{followed}.{form}") for form, words in FEED_FORMATS) if followed else ()
        stream = (f"/api/stream?story={story_id}&rows=1" if story_id else f"/api/stream?feed={feed}&rows=1&revisions=0") if live else None
        return views.Frame(
            title=title,
            now=self.now(),
            path=path,
            freshness=self.freshness,
            description=description,
            stream=stream,
            fragment=f"{path}?fragment=1" if live else None,
            feeds=links,
            query=query,
            story_id=story_id,
            revision=revision,
            noindex=noindex,
        )


_MEDIA = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}
