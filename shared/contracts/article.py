"""Article: one published article in its latest known version. Topic `articles.v1`."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from shared.contracts.base import LanguageCode, Line, Message, Part, PlainText, UtcTime


class Extraction(StrEnum):
    """How much of the article's text is here."""

    FULL = "full"
    SUMMARY = "summary"
    BLOCKED = "blocked"


class ArticleStatus(StrEnum):
    """Whether the outlet still stands by the article."""

    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Publisher(Part):
    """The outlet that published an article."""

    id: str = Field(max_length=255, description="registrable domain, or the source's name where there is no URL")
    name: Line


class Article(Message):
    """One version of an article. Whoever has seen a version ignores it and lower ones."""

    article_id: UUID = Field(description="uuid5 of the canonical URL")
    version: int = Field(ge=1, description="1, 2, 3 … given by the article's one owner; higher means corrected or withdrawn")
    status: ArticleStatus = ArticleStatus.PUBLISHED
    url: str = Field(max_length=2_000, description="where a reader finds it")
    canonical_url: str = Field(max_length=2_000)
    appearances: tuple[UUID, ...] = Field(default=(), max_length=200, description="ids of the feeds that carried it, first to last")
    publisher: Publisher
    title: Line
    text: PlainText = ""
    truncated: bool = Field(default=False, description="the text was cut at 200,000 bytes")
    summary: PlainText = Field(default="", max_length=5_000)
    authors: tuple[Line, ...] = Field(default=(), max_length=50)
    image: str | None = Field(default=None, max_length=2_000)
    section: Line | None = None
    language: LanguageCode = Field(description="detected at version 1 and kept")
    published_at: UtcTime | None = None
    fetched_at: UtcTime = Field(description="when this version was fetched, posted or replayed")
    content_hash: str = Field(max_length=64, description="of title and text without boilerplate; equal means unchanged")
    extraction: Extraction = Extraction.FULL
    extraction_note: Line | None = Field(
        default=None,
        description="why this is not the page's whole text: paywall, short, consent, challenge, login, error_page, or why the page could "
        "not be fetched (http_403: …, robots_disallowed: …), so that the text is the feed's; open",
    )
