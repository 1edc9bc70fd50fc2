"""Story and Member: the present state of stories. Topics `stories.v1` and `story_members.v1`, both compacted."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from shared.contracts.article import Publisher
from shared.contracts.base import LanguageCode, Line, Message, Part, UtcTime


class StoryStatus(StrEnum):
    """Where a story is in its life."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"
    """It lives on in `redirect_to`."""
    EMPTY = "empty"
    """Its last article was withdrawn or moved away."""


class StoryLink(Part):
    """The same event told in another language."""

    story_id: UUID
    language: LanguageCode
    article_count: int = Field(default=0, ge=0)


class MemberRef(Part):
    """A member as a story lists it."""

    article_id: UUID
    number: int = Field(ge=1)


class Story(Message):
    """A story at one revision."""

    story_id: UUID
    revision: int = Field(ge=1)
    status: StoryStatus
    headline: Line
    headline_article_id: UUID | None = Field(default=None, description="whose title the headline is")
    language: LanguageCode
    article_count: int = Field(ge=0, description="present members, near-copies included, withdrawn ones not")
    publisher_count: int = Field(ge=0, description="independent: a wire report's copies and sister domains count once")
    first_published_at: UtcTime
    last_published_at: UtcTime
    redirect_to: UUID | None = None
    pinned: bool = False
    links: tuple[StoryLink, ...] = Field(default=(), max_length=50)
    members: tuple[MemberRef, ...] = Field(default=(), max_length=100, description="the newest 100 present members")


class Member(Message):
    """An article's place in a story. A withdrawn article's Member has `present` false and keeps its number."""

    article_id: UUID
    story_id: UUID
    number: int = Field(ge=1, description="citation number: given once, never reused within a story")
    version: int = Field(ge=1, description="the article's version")
    present: bool = True
    wire_group: UUID | None = Field(
        default=None, description="the article_id that this one is a near-copy of, its own for the first; absent: no copies"
    )
    title: Line
    url: str = Field(max_length=2_000)
    publisher: Publisher
    published_at: UtcTime | None = None
    fetched_at: UtcTime
    story_revision: int = Field(ge=1, description="the story's revision that last changed this record")
