"""Discovery: something an outlet may have published. Topic `discoveries.v1`."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field, model_validator

from shared.contracts.article import Extraction, Publisher
from shared.contracts.base import LanguageCode, Line, Message, PlainText, UtcTime


class DiscoveryKind(StrEnum):
    """What is known so far."""

    ITEM = "item"
    """A feed's item: its page is still to be fetched."""
    ARTICLE = "article"
    """A whole article, from POST, replay, or a page whose canonical URL belongs to another owner; nothing is fetched."""


class Discovery(Message):
    """An item as the feed gave it, or a whole article. Its identity is settled by `fetch`, its one owner."""

    kind: DiscoveryKind
    feed_id: UUID | None = Field(default=None, description="absent for POST and replay")
    url: str | None = Field(default=None, max_length=2_000)
    source: Line | None = Field(default=None, description="the outlet's name; with item_id the identity where there is no url")
    item_id: str | None = Field(default=None, max_length=2_000, description="the item's guid or the line's id")
    title: Line = ""
    summary: PlainText = Field(default="", max_length=5_000)
    text: PlainText = Field(default="", description="the item's full text where the feed or sender gives one")
    truncated: bool = False
    authors: tuple[Line, ...] = Field(default=(), max_length=50)
    image: str | None = Field(default=None, max_length=2_000)
    section: Line | None = None
    publisher: Publisher | None = None
    language: LanguageCode | None = None
    published_at: UtcTime | None = None
    discovered_at: UtcTime = Field(description="when it was polled, posted or replayed")
    extraction: Extraction | None = Field(default=None, description="for a whole article: how its text was had")
    extraction_note: Line | None = Field(default=None, description="for a whole article: why its text is not whole")

    @model_validator(mode="after")
    def _has_identity(self) -> "Discovery":
        if self.url is None and (self.source is None or self.item_id is None):
            msg = "needs a url, or a source and an item_id"
            raise ValueError(msg)
        return self
