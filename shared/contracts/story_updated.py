"""StoryUpdated: what happened to a story. Topic `story_updates.v1`."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from shared.contracts.base import LanguageCode, Line, Message, Part, UtcTime
from shared.contracts.story import StoryStatus


class Reason(StrEnum):
    """Why a story changed. An OPEN list: a reader treats an unknown one as "changed, read the state"."""

    CREATED = "created"
    ARTICLE_ADDED = "article_added"
    ARTICLE_CORRECTED = "article_corrected"
    ARTICLE_REMOVED = "article_removed"
    ARTICLE_MOVED = "article_moved"
    MERGED = "merged"
    SPLIT = "split"
    LINKED = "linked"
    UNLINKED = "unlinked"
    CLOSED = "closed"
    REOPENED = "reopened"
    EDITED = "edited"
    ERASED = "erased"


class Evidence(Part):
    """On what a machine's decision rests."""

    score: float | None = Field(default=None, description="probability that the article belongs, 0 to 1")
    nearest: tuple[UUID, ...] = Field(default=(), max_length=5, description="the members that it is most like")
    note: Line = ""


class Actor(Part):
    """Who decided."""

    kind: str = Field(default="machine", pattern=r"^(machine|editor)$")
    name: Line = ""
    why: Line = ""
    command_id: UUID | None = Field(default=None, description="the editor's command")


class StoryUpdated(Message):
    """One revision of one story. Revisions run 1, 2, 3 … without holes; (story_id, revision) never changes its content."""

    event_id: UUID = Field(description="uuid5 of story_id and revision")
    story_id: UUID
    revision: int = Field(ge=1)
    reason: str = Field(max_length=50, description="an open list: treat an unknown one as 'changed, read the state'")
    status: StoryStatus
    article_count: int = Field(ge=0)
    publisher_count: int = Field(ge=0)
    articles_added: tuple[UUID, ...] = Field(default=(), max_length=5_000)
    articles_removed: tuple[UUID, ...] = Field(default=(), max_length=5_000)
    articles_changed: tuple[UUID, ...] = Field(default=(), max_length=5_000)
    headline: Line
    language: LanguageCode
    first_published_at: UtcTime
    last_published_at: UtcTime
    redirect_to: UUID | None = None
    evidence: Evidence | None = None
    actor: Actor = Actor()
