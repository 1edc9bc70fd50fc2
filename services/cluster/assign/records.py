"""The state's records, each one changelog key: a story, a member, its features, an editor's tie, a command, a publisher's owner, the clock.

They are slotted frozen dataclasses, not messages: a partition holds hundreds of thousands, and nobody else reads them.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from sys import intern
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import TypeAdapter

from shared.contracts import Member as MemberMessage
from shared.contracts import MemberRef, Publisher, Story, StoryLink, StoryStatus

STORY_PREFIX: Final = "s:"
MEMBER_PREFIX: Final = "m:"
FEATURES_PREFIX: Final = "f:"
TIE_PREFIX: Final = "t:"
COMMAND_PREFIX: Final = "c:"
OWNER_PREFIX: Final = "o:"
CLOCK_KEY: Final = "clock"


@dataclass(frozen=True, slots=True)
class StoryRecord:
    """A story without its members; they say themselves where they belong."""

    story_id: UUID
    revision: int
    status: StoryStatus
    language: str
    headline: str
    headline_article_id: UUID | None
    headline_size: int
    """Present members when the headline was last weighed."""
    ordinal: int
    """1, 2, 3 … in the order in which the partition's stories were founded: lower is older."""
    next_number: int
    article_count: int
    publisher_count: int
    first_at: datetime
    last_at: datetime
    """Event times of the present members; the last known ones where none is present."""
    arrived_at: datetime
    """When its last new article was fetched."""
    grown_seq: int
    """The sequence number at which it last got an article or was opened."""
    redirect_to: UUID | None = None
    pinned: bool = False
    closed_by_editor: bool = False
    retired: bool = False
    """Closed, and the window in which a late article reopens it is over."""
    links: tuple[tuple[UUID, str, int], ...] = ()
    """Stories of the same event in other languages: id, language, articles."""

    def to_message(self, members: tuple[MemberRef, ...]) -> Story:
        """Give the story as consumers see it. `members`: the newest 100."""
        return Story(
            story_id=self.story_id,
            revision=self.revision,
            status=self.status,
            headline=self.headline,
            headline_article_id=self.headline_article_id,
            language=self.language,
            article_count=self.article_count,
            publisher_count=self.publisher_count,
            first_published_at=self.first_at,
            last_published_at=self.last_at,
            redirect_to=self.redirect_to,
            pinned=self.pinned,
            links=tuple(StoryLink(story_id=other, language=language, article_count=count) for other, language, count in self.links),
            members=members,
        )


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """An article's place. Without a story: it was erased, or withdrawn before it was ever seen; its version is remembered."""

    article_id: UUID
    story_id: UUID | None
    number: int
    version: int
    present: bool
    title: str
    url: str
    publisher_id: str
    publisher_name: str
    owner: str
    """Who stands behind the publisher; sister domains have one owner."""
    language: str
    published_at: datetime | None
    fetched_at: datetime
    event_at: datetime
    seq: int
    """The sequence number of the input that gave its features."""
    story_revision: int
    foundings: int = 0
    """How many stories the article has founded."""
    wire_group: UUID | None = None
    moves: int = 0
    """How often the machine moved it."""
    erased: bool = False

    @property
    def time_known(self) -> bool:
        """Whether the outlet gave a time."""
        return self.published_at is not None

    def to_message(self) -> MemberMessage:
        """Give the member as consumers see it."""
        assert self.story_id is not None
        return MemberMessage(
            article_id=self.article_id,
            story_id=self.story_id,
            number=self.number,
            version=self.version,
            present=self.present,
            wire_group=self.wire_group,
            title=self.title,
            url=self.url,
            publisher=Publisher(id=self.publisher_id, name=self.publisher_name),
            published_at=self.published_at,
            fetched_at=self.fetched_at,
            story_revision=self.story_revision,
        )


@dataclass(frozen=True, slots=True)
class Tie:
    """An editor's word on two articles: they belong together, or apart. Stronger than any score."""

    kind: Literal["must", "cannot"]
    command_id: UUID


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command that took effect, so that its repetition doesn't."""

    at: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class ClockRecord:
    """The partition's clock, and the counters as they stood when it last struck."""

    at: datetime
    seq: int
    ordinal: int
    forgotten_through: datetime | None = None
    """The latest arrival among stories that were forgotten; None: none was."""


STORY: Final[TypeAdapter[StoryRecord]] = TypeAdapter(StoryRecord)
MEMBER: Final[TypeAdapter[MemberRecord]] = TypeAdapter(MemberRecord)
TIE: Final[TypeAdapter[Tie]] = TypeAdapter(Tie)
COMMAND: Final[TypeAdapter[CommandRecord]] = TypeAdapter(CommandRecord)
OWNER: Final[TypeAdapter[str]] = TypeAdapter(str)
CLOCK: Final[TypeAdapter[ClockRecord]] = TypeAdapter(ClockRecord)


def member_from_bytes(value: bytes) -> MemberRecord:
    """Read a member; what many members have in common is kept in memory once. Raises `ValueError`."""
    member = MEMBER.validate_json(value)
    return replace(
        member,
        publisher_id=intern(member.publisher_id),
        publisher_name=intern(member.publisher_name),
        owner=intern(member.owner),
        language=intern(member.language),
    )


def pair_of(one: UUID, other: UUID) -> tuple[UUID, UUID]:
    """Put two articles into the order in which their tie is kept."""
    return (one, other) if one < other else (other, one)


def tie_key(pair: tuple[UUID, UUID]) -> str:
    """Name the changelog record of a tie."""
    return f"{TIE_PREFIX}{pair[0]}:{pair[1]}"


def to_bytes(adapter: TypeAdapter[Any], record: Any) -> bytes:
    """Give a record's JSON; equal records are equal bytes."""
    return adapter.dump_json(record)
