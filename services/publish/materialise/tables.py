"""Which table each topic fills, and how a message becomes a row."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json

from services.publish.feeds.rank import rank
from shared.contracts import Article, Brief, Feed, Member, Message, Story, StoryUpdated
from shared.kafka.decision import SourceRecord
from shared.topics import ARTICLES, FEEDS, STORIES, STORY_BRIEFS, STORY_MEMBERS, STORY_UPDATES, Topic

Row = tuple[Any, ...]


class Keeps(Enum):
    """Which of two rows of one key stays."""

    HIGHER = "higher"
    """The one of the higher version; the first where they are equal."""
    NOT_LOWER = "not lower"
    """The one of the higher version; the last where they are equal."""
    LAST = "last"
    FIRST = "first"


@dataclass(frozen=True, slots=True)
class Column:
    """A column, its type, and whether it counts when two rows are compared."""

    name: str
    type: str
    told: bool = True
    """False: where or when the record stood, which a repeated record has anew."""

    @property
    def parameter(self) -> str:
        """The type of one value as a parameter: lists are handed over as text, since an array of lists is taken for a matrix."""
        return "text" if self.type.endswith("[]") or self.type == "jsonb" else self.type


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table that one topic fills."""

    name: str
    topic: Topic
    contract: type[Message]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    record_key: Callable[[Any], UUID]
    """The id in the message that the record's key must equal."""
    row: Callable[[Any, SourceRecord], Row]
    keeps: Keeps
    version: str | None = None
    """The column that `keeps` compares."""
    deletable: bool = True
    """Whether a record without a value deletes the row."""

    def position(self, column: str) -> int:
        """Give a column's place in the row."""
        return next(place for place, found in enumerate(self.columns) if found.name == column)

    def row_key(self, row: Row) -> Row:
        """Give a row's primary key."""
        return tuple(row[self.position(name)] for name in self.key)

    def replaces(self, old: Row, new: Row) -> bool:
        """Say whether `new`, which came later, takes the place of `old`; the statement that writes rows decides alike."""
        if self.keeps is Keeps.FIRST:
            return False
        if self.version is not None:
            place = self.position(self.version)
            if new[place] != old[place]:
                return bool(new[place] > old[place])
        return self.keeps is not Keeps.HIGHER and self._told(new) != self._told(old)

    def _told(self, row: Row) -> Row:
        return tuple(value for column, value in zip(self.columns, row, strict=True) if column.told)


LATEST_MS: Final = 4_102_444_800_000
"""The year 2100: a producer may give a record any timestamp."""


def appended_at(record: SourceRecord) -> datetime:
    """Give when a record was appended, within what Postgres and Python can hold."""
    return datetime.fromtimestamp(min(max(record.timestamp_ms, 0), LATEST_MS) / 1000, tz=UTC)


def array(values: tuple[Any, ...]) -> str:
    """Write a one-dimensional array as Postgres reads it."""
    quoted = ('"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return "{" + ",".join(quoted) + "}"


def _feed(feed: Feed, _: SourceRecord) -> Row:
    return (
        feed.feed_id,
        feed.url,
        feed.title,
        feed.publisher_name,
        feed.language,
        feed.country,
        feed.section,
        feed.paused,
        feed.added_at,
    )


def _article(article: Article, record: SourceRecord) -> Row:
    return (
        article.article_id,
        article.version,
        article.status.value,
        article.url,
        article.canonical_url,
        array(article.appearances),
        article.publisher.id,
        article.publisher.name,
        article.title,
        article.text,
        article.truncated,
        article.summary,
        array(article.authors),
        article.image,
        article.section,
        article.language,
        article.published_at,
        article.fetched_at,
        article.content_hash,
        article.extraction.value,
        appended_at(record),
    )


def _story(story: Story, record: SourceRecord) -> Row:
    return (
        story.story_id,
        story.revision,
        story.status.value,
        story.headline,
        story.headline_article_id,
        story.language,
        story.article_count,
        story.publisher_count,
        story.first_published_at,
        story.last_published_at,
        story.redirect_to,
        story.pinned,
        to_json(story.links).decode(),
        rank(story.publisher_count, story.first_published_at, story.last_published_at),
        record.partition,
        record.offset,
        appended_at(record),
    )


def _member(member: Member, _: SourceRecord) -> Row:
    return (
        member.article_id,
        member.story_id,
        member.number,
        member.version,
        member.present,
        member.wire_group,
        member.title,
        member.url,
        member.publisher.id,
        member.publisher.name,
        member.published_at,
        member.fetched_at,
        member.story_revision,
    )


def _update(update: StoryUpdated, record: SourceRecord) -> Row:
    return (
        update.story_id,
        update.revision,
        update.event_id,
        update.reason,
        update.status.value,
        update.article_count,
        update.publisher_count,
        array(update.articles_added),
        array(update.articles_removed),
        array(update.articles_changed),
        update.headline,
        update.language,
        update.first_published_at,
        update.last_published_at,
        update.redirect_to,
        None if update.evidence is None else update.evidence.model_dump_json(),
        update.actor.model_dump_json(),
        record.partition,
        record.offset,
        appended_at(record),
    )


def _brief(brief: Brief, record: SourceRecord) -> Row:
    lines = [line for section in brief.sections for line in (section.heading, *(sentence.text for sentence in section.sentences))]
    return (
        brief.story_id,
        brief.story_revision,
        to_json(brief.sections).decode(),
        brief.corrected,
        brief.made_by,
        appended_at(record),
        "\n".join(lines),
    )


SOURCE_FEEDS: Final = Table(
    name="source_feeds",
    topic=FEEDS,
    contract=Feed,
    columns=(
        Column("feed_id", "uuid"),
        Column("url", "text"),
        Column("title", "text"),
        Column("publisher_name", "text"),
        Column("language", "text"),
        Column("country", "text"),
        Column("section", "text"),
        Column("paused", "boolean"),
        Column("added_at", "timestamptz"),
    ),
    key=("feed_id",),
    record_key=lambda feed: feed.feed_id,
    row=_feed,
    keeps=Keeps.LAST,
)
ARTICLE_ROWS: Final = Table(
    name="articles",
    topic=ARTICLES,
    contract=Article,
    columns=(
        Column("article_id", "uuid"),
        Column("version", "integer"),
        Column("status", "text"),
        Column("url", "text"),
        Column("canonical_url", "text"),
        Column("appearances", "uuid[]"),
        Column("publisher_id", "text"),
        Column("publisher_name", "text"),
        Column("title", "text"),
        Column("text", "text"),
        Column("truncated", "boolean"),
        Column("summary", "text"),
        Column("authors", "text[]"),
        Column("image", "text"),
        Column("section", "text"),
        Column("language", "text"),
        Column("published_at", "timestamptz"),
        Column("fetched_at", "timestamptz"),
        Column("content_hash", "text"),
        Column("extraction", "text"),
        Column("appended_at", "timestamptz", told=False),
    ),
    key=("article_id",),
    record_key=lambda article: article.article_id,
    row=_article,
    # The same version comes again with more appearances when other feeds carry the article too.
    keeps=Keeps.NOT_LOWER,
    version="version",
)
STORY_ROWS: Final = Table(
    name="stories",
    topic=STORIES,
    contract=Story,
    columns=(
        Column("story_id", "uuid"),
        Column("revision", "integer"),
        Column("status", "text"),
        Column("headline", "text"),
        Column("headline_article_id", "uuid"),
        Column("language", "text"),
        Column("article_count", "integer"),
        Column("publisher_count", "integer"),
        Column("first_published_at", "timestamptz"),
        Column("last_published_at", "timestamptz"),
        Column("redirect_to", "uuid"),
        Column("pinned", "boolean"),
        Column("links", "jsonb"),
        Column("rank", "double precision"),
        Column("source_partition", "integer", told=False),
        Column("source_offset", "bigint", told=False),
        Column("appended_at", "timestamptz", told=False),
    ),
    key=("story_id",),
    record_key=lambda story: story.story_id,
    row=_story,
    keeps=Keeps.HIGHER,
    version="revision",
)
MEMBER_ROWS: Final = Table(
    name="story_members",
    topic=STORY_MEMBERS,
    contract=Member,
    columns=(
        Column("article_id", "uuid"),
        Column("story_id", "uuid"),
        Column("number", "integer"),
        Column("version", "integer"),
        Column("present", "boolean"),
        Column("wire_group", "uuid"),
        Column("title", "text"),
        Column("url", "text"),
        Column("publisher_id", "text"),
        Column("publisher_name", "text"),
        Column("published_at", "timestamptz"),
        Column("fetched_at", "timestamptz"),
        Column("story_revision", "integer"),
    ),
    key=("article_id",),
    record_key=lambda member: member.article_id,
    row=_member,
    # An article may move between stories, whose revisions can't be compared; its own version never falls.
    keeps=Keeps.NOT_LOWER,
    version="version",
)
UPDATE_ROWS: Final = Table(
    name="story_updates",
    topic=STORY_UPDATES,
    contract=StoryUpdated,
    columns=(
        Column("story_id", "uuid"),
        Column("revision", "integer"),
        Column("event_id", "uuid"),
        Column("reason", "text"),
        Column("status", "text"),
        Column("article_count", "integer"),
        Column("publisher_count", "integer"),
        Column("articles_added", "uuid[]"),
        Column("articles_removed", "uuid[]"),
        Column("articles_changed", "uuid[]"),
        Column("headline", "text"),
        Column("language", "text"),
        Column("first_published_at", "timestamptz"),
        Column("last_published_at", "timestamptz"),
        Column("redirect_to", "uuid"),
        Column("evidence", "jsonb"),
        Column("actor", "jsonb"),
        Column("source_partition", "integer", told=False),
        Column("source_offset", "bigint", told=False),
        Column("appended_at", "timestamptz", told=False),
    ),
    key=("story_id", "revision"),
    record_key=lambda update: update.story_id,
    row=_update,
    keeps=Keeps.FIRST,
    deletable=False,
)
BRIEF_ROWS: Final = Table(
    name="story_briefs",
    topic=STORY_BRIEFS,
    contract=Brief,
    columns=(
        Column("story_id", "uuid"),
        Column("story_revision", "integer"),
        Column("sections", "jsonb"),
        Column("corrected", "boolean"),
        Column("made_by", "text"),
        Column("appended_at", "timestamptz", told=False),
        Column("plain", "text"),
    ),
    key=("story_id",),
    record_key=lambda brief: brief.story_id,
    row=_brief,
    keeps=Keeps.NOT_LOWER,
    version="story_revision",
)

ALL: Final = (SOURCE_FEEDS, ARTICLE_ROWS, STORY_ROWS, MEMBER_ROWS, UPDATE_ROWS, BRIEF_ROWS)
BY_TOPIC: Final = {table.topic.name: table for table in ALL}
