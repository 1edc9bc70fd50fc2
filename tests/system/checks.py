"""What must hold of topics and rows once everything is through, whatever was killed meanwhile."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.publish.materialise.decode import decode
from services.publish.materialise.tables import BY_TOPIC, Table
from shared.contracts import Article, ArticleStatus, Brief, DeadLetter, Member, Story, StoryStatus, StoryUpdated
from shared.ids import event_id
from shared.kafka.decision import SourceRecord
from shared.topics import ARTICLES, DEAD_LETTERS, STORIES, STORY_BRIEFS, STORY_MEMBERS, STORY_UPDATES, Topic
from tests.topics import read_records


@dataclass
class Told:
    """All that the topics say."""

    records: Mapping[str, Sequence[Any]]
    letters: list[DeadLetter] = field(default_factory=list)
    articles: dict[UUID, Article] = field(default_factory=dict)
    versions: dict[UUID, list[int]] = field(default_factory=lambda: defaultdict(list))
    updates: list[StoryUpdated] = field(default_factory=list)
    stories: dict[UUID, Story] = field(default_factory=dict)
    members: dict[UUID, Member] = field(default_factory=dict)
    briefs: dict[UUID, Brief] = field(default_factory=dict)

    def members_of(self, story_id: UUID) -> list[Member]:
        """Give a story's present members by number."""
        found = [member for member in self.members.values() if member.story_id == story_id and member.present]
        return sorted(found, key=lambda member: member.number)


async def read_all(broker: str) -> Told:
    """Read the topics, but for what has become dead letters."""
    letters = [DeadLetter.from_bytes(record.value) for record in await read_records(broker, DEAD_LETTERS)]
    dead = {(letter.topic, letter.partition, letter.offset) for letter in letters}
    records = {}
    for topic in (ARTICLES, STORY_UPDATES, STORIES, STORY_MEMBERS, STORY_BRIEFS):
        found = await read_records(broker, topic)
        records[topic.name] = [record for record in found if (record.topic, record.partition, record.offset) not in dead]
    told = Told(records, letters=letters)
    for record in told.records[ARTICLES.name]:
        if record.value is not None:
            article = Article.from_bytes(record.value)
            told.versions[article.article_id].append(article.version)
            told.articles[article.article_id] = article
    told.updates = [StoryUpdated.from_bytes(record.value) for record in told.records[STORY_UPDATES.name]]
    told.stories = _latest(told, STORIES, Story, "story_id")
    told.members = _latest(told, STORY_MEMBERS, Member, "article_id")
    told.briefs = _latest(told, STORY_BRIEFS, Brief, "story_id")
    return told


def _latest(told: Told, topic: Topic, kind: type[Any], key: str) -> dict[UUID, Any]:
    latest: dict[UUID, Any] = {}
    for record in told.records[topic.name]:
        identity = UUID(record.key.decode())
        if record.value is None:
            latest.pop(identity, None)
        else:
            message = kind.from_bytes(record.value)
            assert getattr(message, key) == identity
            latest[identity] = message
    return latest


def check_topics(told: Told, article_ids: Iterable[UUID]) -> None:
    """Assert what the topics promise, of exactly these articles."""
    wanted = set(article_ids)
    assert set(told.articles) == wanted
    for article_id, versions in told.versions.items():
        # A version comes again, whole, when another feed is found to carry it; none is left out and none goes back.
        assert versions == sorted(versions), article_id
        assert sorted(set(versions)) == list(range(1, max(versions) + 1)), article_id
    _check_updates(told)
    assert set(told.members) == wanted, "every article is in exactly one story"
    for article_id, member in told.members.items():
        article = told.articles[article_id]
        assert member.version == article.version
        assert member.present == (article.status is ArticleStatus.PUBLISHED)
        assert told.stories[member.story_id].status is not StoryStatus.MERGED
    for story_id, story in told.stories.items():
        present = told.members_of(story_id)
        assert story.article_count == len(present)
        assert [(ref.article_id, ref.number) for ref in story.members] == [(one.article_id, one.number) for one in present][-100:]
        assert 0 <= story.publisher_count <= story.article_count
        if story.redirect_to is not None:
            assert story.redirect_to in told.stories
    numbers = Counter((member.story_id, member.number) for member in told.members.values())
    assert set(numbers.values()) <= {1}, "a citation number names one article"
    for story_id, brief in told.briefs.items():
        cited = {number for section in brief.sections for sentence in section.sentences for number in sentence.citations}
        assert cited <= {member.number for member in told.members_of(story_id)}
        assert brief.story_revision == told.stories[story_id].revision


def _check_updates(told: Told) -> None:
    revisions: dict[UUID, list[StoryUpdated]] = defaultdict(list)
    place: dict[UUID, UUID] = {}
    for update in told.updates:
        revisions[update.story_id].append(update)
        assert update.event_id == event_id(update.story_id, update.revision)
        for article_id in update.articles_removed:
            if place.get(article_id) == update.story_id:
                del place[article_id]
        for article_id in update.articles_added:
            place[article_id] = update.story_id
    assert set(revisions) == set(told.stories)
    for story_id, of_story in revisions.items():
        assert [update.revision for update in of_story] == list(range(1, len(of_story) + 1)), "dense, without hole or double"
        last, story = of_story[-1], told.stories[story_id]
        for name in ("revision", "status", "article_count", "publisher_count", "headline", "redirect_to", "last_published_at"):
            assert getattr(last, name) == getattr(story, name), (story_id, name)
    present = {article_id: member.story_id for article_id, member in told.members.items() if member.present}
    assert present.items() <= place.items(), "the log of events leads to the same memberships"


async def check_rows(told: Told, rows: Any) -> None:
    """Assert that the rows say what the topics say, no more and no less."""
    for topic in (ARTICLES, STORIES, STORY_MEMBERS, STORY_UPDATES, STORY_BRIEFS):
        table = BY_TOPIC[topic.name]
        wanted = sorted(_told_rows(table, told.records[topic.name]), key=repr)
        found = await rows.fetch(f"SELECT {', '.join(name for name, _ in _compared(table))} FROM {table.name}")
        assert sorted((tuple(map(_comparable, row)) for row in found), key=repr) == wanted, table.name
    cited_strangers = await rows.fetchval(
        "SELECT count(*) FROM story_briefs b, jsonb_array_elements(b.sections) s, jsonb_array_elements(s -> 'sentences') t,"
        " jsonb_array_elements(t -> 'citations') c WHERE NOT EXISTS (SELECT FROM story_members m"
        " WHERE m.story_id = b.story_id AND m.present AND m.number = c::integer)"
    )
    assert cited_strangers == 0
    assert await rows.fetchval("SELECT count(*) FROM brief_failures") == 0


_PLAIN = ("uuid", "integer", "boolean", "bigint", "timestamptz", "text")


def _compared(table: Table) -> list[tuple[str, int]]:
    return [(column.name, place) for place, column in enumerate(table.columns) if column.told and column.type in _PLAIN]


def _told_rows(table: Table, records: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Say which rows records come to, the slow and plain way: the last that replaces another stays."""
    kept: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for record in records:
        source = SourceRecord(record.topic, record.partition, record.offset, record.key, record.value, record.timestamp)
        change = decode(source)
        if change.row is None:
            kept = {key: row for key, row in kept.items() if key[0] != change.record_key}
            continue
        key = table.row_key(change.row)
        if key not in kept or table.replaces(kept[key], change.row):
            kept[key] = change.row
    return [tuple(_comparable(row[place]) for _, place in _compared(table)) for row in kept.values()]


def _comparable(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def explain(letters: Iterable[DeadLetter]) -> list[str]:
    """Put dead letters into lines, for the message of a failed assertion."""
    return [f"{letter.stage} {letter.topic}[{letter.partition}]@{letter.offset} {letter.reason}: {letter.error}" for letter in letters]
