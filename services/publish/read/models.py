"""The answers. Times are aware and UTC; ids are UUIDs; everything is frozen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID


class Database(Protocol):
    """What a question needs of a pool or a connection."""

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Give all rows."""

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """Give the first row or None."""

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Give the first row's first value or None."""


@dataclass(frozen=True, slots=True)
class Story:
    """A story as a list shows it."""

    story_id: UUID
    revision: int
    status: str
    headline: str
    language: str
    article_count: int
    publisher_count: int
    first_published_at: datetime
    last_published_at: datetime
    changed_at: datetime
    """When its latest revision was appended to the topic."""
    rank: float
    pinned: bool
    lead: str
    """The brief's first sentence that still has a present source; empty where there is none."""
    publishers: tuple[str, ...]
    """Names of up to five outlets, first to report first."""


@dataclass(frozen=True, slots=True)
class Member:
    """An article's place in a story."""

    number: int
    article_id: UUID
    version: int
    """Above 1: corrected or withdrawn since it was first read."""
    present: bool
    title: str
    url: str
    publisher_id: str
    publisher_name: str
    published_at: datetime | None
    fetched_at: datetime
    wire_group: UUID | None
    copy_of: int | None
    """The number of the present member that it repeats nearly word for word."""
    language: str
    image: str | None
    """The article's image, where its row has arrived."""
    story_revision: int
    """The story's revision that last changed this member."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and the numbers of the present members that state it, ascending, one at least."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its sentences, one at least."""

    heading: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """The same event told in another language."""

    story_id: UUID
    language: str
    article_count: int
    headline: str


@dataclass(frozen=True, slots=True)
class StoryDetail:
    """A story with all that its page shows."""

    story: Story
    sections: tuple[Section, ...]
    brief_revision: int | None
    """The story's revision that the brief was made from; below the story's: it is being brought up. None: there is none yet."""
    brief_at: datetime | None
    corrected: bool
    made_by: str
    members: tuple[Member, ...]
    """Present members by number, `member_limit` at most; the cited ones are always among them."""
    member_count: int
    """Present members whose rows have arrived."""
    withdrawn_count: int
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    """The story lives on under another id."""

    story_id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """Where a list stops and goes on: rank and id of its last story."""

    rank: float
    story_id: UUID


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Stories of a feed in its order."""

    stories: tuple[Story, ...]
    next: Page | None
    """Where the next page begins; None at the end."""


@dataclass(frozen=True, slots=True)
class FeedSummary:
    """A feed in the list of feeds."""

    feed: str
    kind: str
    """top, language, country, publisher, section or search."""
    title: str
    """As its operator named it; for the others the code, id or name that they stand for."""
    story_count: int
    """Counted up to 1,000."""
    last_published_at: datetime | None
    """The latest of the five that stand first in it."""
    headline: str
    """The headline that stands first in it."""
    language: str
    """The language of that headline."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """An outlet and how much it reported."""

    publisher_id: str
    name: str
    article_count: int
    """Counted up to 1,000."""
    story_count: int
    """Counted up to 1,000."""


@dataclass(frozen=True, slots=True)
class Article:
    """An article in its latest version; a withdrawn one without its text."""

    article_id: UUID
    version: int
    status: str
    url: str
    canonical_url: str
    publisher_id: str
    publisher_name: str
    title: str
    text: str
    truncated: bool
    summary: str
    authors: tuple[str, ...]
    image: str | None
    section: str | None
    language: str
    published_at: datetime | None
    fetched_at: datetime
    extraction: str
    story_id: UUID | None
    number: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """One revision of a story."""

    revision: int
    event_id: UUID
    reason: str
    status: str
    article_count: int
    publisher_count: int
    articles_added: tuple[UUID, ...]
    articles_removed: tuple[UUID, ...]
    articles_changed: tuple[UUID, ...]
    headline: str
    redirect_to: UUID | None
    evidence: Mapping[str, Any] | None
    actor_kind: str
    actor_name: str
    actor_why: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between a revision and now."""

    since: int
    revision: int
    """The latest revision whose history has arrived."""
    complete: bool
    """False where history since then is no longer kept."""
    articles_added: tuple[UUID, ...]
    articles_removed: tuple[UUID, ...]
    articles_changed: tuple[UUID, ...]
    """Corrected, or withdrawn and yet listed; without those added."""
    numbers_added: frozenset[int]
    """Numbers of present members that are new or changed since: a sentence that cites only these is new."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A story that a search found."""

    story: Story
    score: float
    snippet: tuple[tuple[str, bool], ...]
    """Pieces of the brief or of an article, each with whether it is a found word."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found."""

    hits: tuple[Hit, ...]
    next: Page | None
    guessed: bool
    """True: nothing has these words, and the stories have similar ones."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What a worker of publish last said of itself."""

    worker: str
    seen_at: datetime
    ready: bool
    waits: str
    lag: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the data is."""

    now: datetime
    """The database's clock."""
    newest_fetched_at: datetime | None
    """When the newest article was fetched."""
    newest_appended_at: datetime | None
    """When the newest record that the rows hold was appended, over all topics."""
    behind: int
    """Records that are in the topics and not in the rows, as last seen."""
    briefs_waiting: int
    """Stories whose brief is to be made, counted up to 1,000."""
    oldest_brief_wait_s: float
    workers: tuple[WorkerStatus, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A reader's report of a wrong grouping."""

    report_id: int
    story_id: UUID
    article_id: UUID | None
    story_revision: int | None
    words: str
    reported_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    headline: str | None
    article_title: str | None
