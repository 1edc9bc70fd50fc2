"""What poll knows about a feed, as its changelog keeps it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from shared.contracts import Feed
from shared.contracts.base import Part, UtcTime

FEED_PREFIX = "f:"
SEEN_PREFIX = "s:"


class FeedStatus(StrEnum):
    """How a feed does."""

    NEW = "new"
    OK = "ok"
    FAILING = "failing"
    GONE = "gone"
    """It answered 410; it is polled again only when its owner registers it anew."""


class FeedState(Part):
    """A feed's definition and how polling it goes. Small, since each poll writes it."""

    feed: Feed
    url: str = Field(description="where it is polled: the feed's URL, or where it has permanently moved")
    status: FeedStatus = FeedStatus.NEW
    title: str = ""
    etag: str | None = None
    last_modified: str | None = None
    interval_s: float
    next_poll_at: UtcTime
    last_poll_at: UtcTime | None = None
    last_success_at: UtcTime | None = None
    last_item_at: UtcTime | None = Field(default=None, description="when it last gave a new or changed item")
    failures: int = Field(default=0, description="polls failed in a row")
    last_error: str | None = None
    items_found: int = 0
    gaps: int = Field(default=0, description="polls whose window had moved past all that was seen")
    finds: int = Field(default=0, description="polls that found new or changed items")
    longest_quiet_s: float | None = Field(default=None, description="the longest time between two finds, fading over eight weeks")
    items_a_day: float | None = Field(default=None, description="new and changed ones, averaged over two weeks")

    @property
    def due_at(self) -> datetime | None:
        """Give when it is polled next; None while it is paused or gone."""
        return None if self.feed.paused or self.status is FeedStatus.GONE else self.next_poll_at


class SeenItems(Part):
    """Fingerprints of a feed's items by hashed key, oldest first."""

    items: dict[str, str] = Field(default={})


def feed_key(feed_id: UUID) -> str:
    """Give the changelog key of a feed's state."""
    return f"{FEED_PREFIX}{feed_id}"


def seen_key(feed_id: UUID) -> str:
    """Give the changelog key of a feed's seen items."""
    return f"{SEEN_PREFIX}{feed_id}"
