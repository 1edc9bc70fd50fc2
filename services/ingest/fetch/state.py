"""What fetch knows about an article, as its changelog keeps it."""

from uuid import UUID

from pydantic import Field

from shared.contracts import Article, ArticleStatus, Discovery, Publisher
from shared.contracts.base import Part, UtcTime

ARTICLE_PREFIX = "a:"
PENDING_PREFIX = "p:"
ALIAS_PREFIX = "u:"
FRESH_PREFIX = "f:"


class ArticleState(Part):
    """An article's identity and latest version, without its text."""

    article_id: UUID
    canonical_url: str
    url: str
    version: int
    status: ArticleStatus
    content_hash: str
    appearances: tuple[UUID, ...] = ()
    publisher: Publisher
    language: str
    published_at: UtcTime | None = None
    first_fetched_at: UtcTime
    last_seen_at: UtcTime
    etag: str | None = None
    last_modified: str | None = None
    fetched: bool = Field(default=False, description="it has a page of ours to look at again; a posted or replayed one has not")
    checks_done: int = 0
    next_check_at: UtcTime | None = None
    missing_since: UtcTime | None = Field(default=None, description="first of the checks in a row that answered 404")


class Origin(Part):
    """The record that an input came in, for a dead letter."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    traceparent: str | None = Field(default=None, description="the span that fetching the page continues, where that is traced")


class Pending(Part):
    """A page that is to be fetched. Its key is the id that the discovered URL has before anything is known of the page."""

    discovery: Discovery
    canonical_url: str
    feed_ids: tuple[UUID, ...] = ()
    origin: Origin
    tries: int = 0
    not_before: UtcTime
    last_error: str | None = None


class Alias(Part):
    """A discovered URL whose page said that it is another article's. `elsewhere`: that one has another owner."""

    canonical_url: str
    elsewhere: bool = False
    last_seen_at: UtcTime


class Fresh(Part):
    """A just published article, whole, so that further appearances can be added without fetching it again."""

    article: Article


def article_key(article_id: UUID) -> str:
    """Give the changelog key of an article's state."""
    return f"{ARTICLE_PREFIX}{article_id}"


def pending_key(article_id: UUID) -> str:
    """Give the changelog key of a pending fetch."""
    return f"{PENDING_PREFIX}{article_id}"


def alias_key(article_id: UUID) -> str:
    """Give the changelog key of an alias."""
    return f"{ALIAS_PREFIX}{article_id}"


def fresh_key(article_id: UUID) -> str:
    """Give the changelog key of a fresh article."""
    return f"{FRESH_PREFIX}{article_id}"
