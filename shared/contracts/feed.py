"""Feed: a source that is polled, as its owner defined it. Topic `feeds.v1`, a tombstone removes it."""

from uuid import UUID

from pydantic import Field

from shared.contracts.base import LanguageCode, Line, Message, UtcTime


class Feed(Message):
    """One feed's definition. What polling found out about it is private to `poll`."""

    feed_id: UUID = Field(description="uuid5 of the feed's URL as registered")
    url: str = Field(max_length=2_000)
    title: Line = ""
    publisher_name: Line | None = Field(default=None, description="overrides the name that pages and the feed give")
    language: LanguageCode | None = Field(default=None, description="a hint, used where detection is unsure")
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2")
    section: str | None = Field(default=None, max_length=100)
    paused: bool = False
    min_interval_s: float | None = Field(default=None, gt=0, description="never polled more often; absent: the worker's setting")
    added_at: UtcTime
