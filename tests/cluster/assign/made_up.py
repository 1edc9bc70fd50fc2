"""Made-up inputs, an index that is easy to reason about, and a consumer that checks all that consumers may rely on."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from services.cluster.assign.decide import AssignLogic
from services.cluster.assign.index import Link
from services.cluster.assign.owners import SHIPPED, read_owners
from services.cluster.assign.proposals import Merge, Move, Proposal, Split, View
from services.cluster.config import StoryRules
from shared import ids
from shared.contracts import (
    ArticleStatus,
    Clock,
    Command,
    CommandOp,
    CrossLink,
    EnrichedArticle,
    Features,
    InputKind,
    Member,
    Publisher,
    Story,
    StoryInput,
    StoryStatus,
    StoryUpdated,
)
from shared.kafka.decision import Decision, Output, SourceRecord
from shared.topics import STORIES, STORY_INPUTS, STORY_MEMBERS, STORY_UPDATES

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _shared(one: Features, other: Features) -> float:
    own, theirs = set(one.title_terms), set(other.title_terms)
    return len(own & theirs) / max(1, len(own | theirs))


class ExactIndex:
    """Links articles by the share of title terms that they have in common: knows nothing of order, so it is exact."""

    def __init__(self, language: str = "und") -> None:
        self.held: dict[uuid.UUID, Features] = {}

    def add(self, article_id: uuid.UUID, features: Features, event_at: datetime, *, time_known: bool) -> None:
        self.held[article_id] = features

    def remove(self, article_id: uuid.UUID) -> None:
        del self.held[article_id]

    def hand_over(self, article_id: uuid.UUID, to: "ExactIndex") -> None:
        to.held[article_id] = self.held.pop(article_id)

    def links_of(self, article_id: uuid.UUID) -> list[Link]:
        return [link for link in self.links(self.held[article_id], NOON, time_known=True) if link.article_id != article_id]

    def likeness(self, article_id: uuid.UUID, others: Sequence[uuid.UUID]) -> npt.NDArray[np.float32]:
        return np.array([_shared(self.held[article_id], self.held[other]) for other in others], np.float32)

    def links(self, features: Features, event_at: datetime, *, time_known: bool) -> list[Link]:
        found = [Link(article_id, _shared(features, held)) for article_id, held in self.held.items()]
        return sorted((link for link in found if link.probability > 0), key=lambda link: (-link.probability, link.article_id))[:40]


def no_second_look(view: View) -> Iterable[Proposal]:
    return ()


def eager_look(view: View) -> Iterator[Proposal]:
    """Propose for each recent article whatever its links to articles elsewhere suggest, so that all that may happen does."""
    for article_id in view.recent:
        story_id = view.story_of(article_id)
        assert story_id is not None
        links = view.index.links_of(article_id)
        for link in links:
            other_id = view.story_of(link.article_id)
            assert other_id is not None
            if other_id != story_id and link.probability >= 0.6:
                if view.size_of(story_id) + view.size_of(other_id) > 5:
                    yield Move(article_id, other_id, link.probability, (link.article_id,))
                else:
                    yield Merge(story_id, other_id, link.probability, (link.article_id,))
        if not links:
            yield Move(article_id, None, 0.1)
        unlike = [
            other for other in view.members_of(story_id, 10) if other != article_id and other not in {link.article_id for link in links}
        ]
        if unlike:
            yield Split(story_id, tuple(unlike), 0.2)


def eager_around(view: View) -> Iterator[Proposal]:
    """Propose to bring home whatever a new article is linked to."""
    [new] = view.recent
    own = view.story_of(new)
    for link in view.links:
        if view.story_of(link.article_id) != own:
            yield Move(link.article_id, own, link.probability, (new,))


def rules(**values: Any) -> StoryRules:
    return StoryRules.load(**values)


def article_uuid(number: int) -> uuid.UUID:
    return ids.article_id(f"https://outlet.example/{number}")


def features(terms: str, *, signature: Sequence[int] = (), words: int = 0) -> Features:
    return Features(features_version=1, title_terms=tuple(terms.split()), signature=tuple(signature), words=words)


def article(
    number: int,
    terms: str = "quake norland",
    *,
    version: int = 1,
    withdrawn: bool = False,
    outlet: str | None = None,
    language: str = "en",
    hours: float = 0,
    fetched_hours: float | None = None,
    timed: bool = True,
    title: str | None = None,
    signature: Sequence[int] = (),
    words: int = 0,
) -> StoryInput:
    """Make an article's input. `hours` after noon it was published, and fetched then too unless told otherwise."""
    fetched_at = NOON + timedelta(hours=hours if fetched_hours is None else fetched_hours)
    domain = outlet or f"outlet{number}.example"
    return StoryInput(
        kind=InputKind.ARTICLE,
        article=EnrichedArticle(
            article_id=article_uuid(number),
            version=version,
            status=ArticleStatus.WITHDRAWN if withdrawn else ArticleStatus.PUBLISHED,
            title=terms if title is None else title,
            url=f"https://{domain}/{number}",
            publisher=Publisher(id=domain, name=domain),
            language=language,
            published_at=NOON + timedelta(hours=hours) if timed else None,
            fetched_at=fetched_at,
            features=None if withdrawn else features(terms, signature=signature, words=words),
        ),
    )


def clock(hours: float) -> StoryInput:
    return StoryInput(kind=InputKind.CLOCK, clock=Clock(at=NOON + timedelta(hours=hours)))


def command(op: CommandOp, number: int = 1, *, articles: Iterable[int] = (), **fields: Any) -> StoryInput:
    return StoryInput(
        kind=InputKind.COMMAND,
        command=Command(
            command_id=uuid.uuid5(ids.NAMESPACE, f"command:{number}"),
            op=op,
            article_ids=tuple(article_uuid(number) for number in articles),
            actor="ada",
            why="so it is",
            at=NOON,
            **fields,
        ),
    )


def link(story_id: uuid.UUID, other: int, *, linked: bool = True) -> StoryInput:
    return StoryInput(
        kind=InputKind.LINK,
        link=CrossLink(
            story_id=story_id,
            other_story_id=ids.story_id(article_uuid(other), 1),
            other_language="es",
            linked=linked,
            score=0.9,
            at=NOON,
        ),
    )


def record_of(story_input: StoryInput, offset: int = 0) -> SourceRecord:
    return SourceRecord(STORY_INPUTS.name, 3, offset, None, story_input.to_bytes(), 0)


class Consumer:
    """Follows the three topics and asserts, at every event, what DESIGN promises of them."""

    def __init__(self, story_rules: StoryRules | None = None) -> None:
        self.stories: dict[uuid.UUID, Story] = {}
        self.members: dict[uuid.UUID, Member] = {}
        self.updates: list[StoryUpdated] = []
        self.events: set[uuid.UUID] = set()
        self.numbers: dict[tuple[uuid.UUID, int], uuid.UUID] = {}

    def take(self, outputs: Iterable[Output]) -> list[StoryUpdated]:
        began = len(self.updates)
        for output in outputs:
            assert output.partition == 3
            if output.topic is STORY_UPDATES:
                assert isinstance(output.value, StoryUpdated)
                self._update(output.value)
            elif output.topic is STORIES:
                assert isinstance(output.value, Story)
                assert output.key == str(output.value.story_id)
                self.stories[output.value.story_id] = output.value
            else:
                self._member(output)
        return self.updates[began:]

    def _update(self, update: StoryUpdated) -> None:
        before = self.stories.get(update.story_id)
        assert update.revision == (1 if before is None else before.revision + 1), "revisions are dense"
        assert update.event_id == ids.event_id(update.story_id, update.revision)
        assert update.event_id not in self.events
        self.events.add(update.event_id)
        self.updates.append(update)

    def _member(self, output: Output) -> None:
        assert output.topic is STORY_MEMBERS
        article_id = uuid.UUID(output.key)
        if output.value is None:
            self.members.pop(article_id, None)
            return
        member = output.value
        assert isinstance(member, Member)
        assert member.article_id == article_id
        assert self.numbers.setdefault((member.story_id, member.number), article_id) == article_id, "numbers are never reused"
        self.members[article_id] = member

    def check(self) -> None:
        """Assert what holds between any two inputs."""
        latest = {update.story_id: update for update in self.updates}
        by_story: dict[uuid.UUID, list[Member]] = defaultdict(list)
        for member in self.members.values():
            by_story[member.story_id].append(member)
            assert self.stories[member.story_id].status is not StoryStatus.MERGED, "a member's story lives"
            assert member.story_revision <= self.stories[member.story_id].revision
        for story_id, story in self.stories.items():
            present = sorted((member for member in by_story[story_id] if member.present), key=lambda member: member.number)
            update = latest[story_id]
            assert (update.revision, update.status, update.article_count, update.publisher_count, update.headline, update.redirect_to) == (
                story.revision,
                story.status,
                story.article_count,
                story.publisher_count,
                story.headline,
                story.redirect_to,
            )
            assert story.article_count == len(present), "counts equal members"
            assert story.publisher_count == independent(present)
            assert [(ref.article_id, ref.number) for ref in story.members] == [(m.article_id, m.number) for m in present][-100:]
            assert (story.status is StoryStatus.EMPTY) <= (not present)
            assert (story.status is StoryStatus.MERGED) == (story.redirect_to is not None)
            if story.status is StoryStatus.OPEN:
                assert present
            if present:
                times = [min(m.published_at or m.fetched_at, m.fetched_at) for m in present if m.published_at]
                assert story.headline in {m.title for m in present if m.article_id == story.headline_article_id}
                assert story.first_published_at <= min(times, default=story.first_published_at)
                assert story.last_published_at >= max(times, default=story.last_published_at)
            if story.redirect_to is not None:
                assert self.home(story_id).status is not StoryStatus.MERGED

    def home(self, story_id: uuid.UUID) -> Story:
        """Follow redirects; there is no circle."""
        seen = set()
        while (story := self.stories[story_id]).redirect_to is not None:
            assert story_id not in seen
            seen.add(story_id)
            story_id = story.redirect_to
        return story

    def story_of(self, number: int) -> Story:
        return self.stories[self.members[article_uuid(number)].story_id]


def independent(present: Sequence[Member]) -> int:
    """Count independent sources the slow way."""
    table = read_owners(SHIPPED)
    owner_of = {member.article_id: table.get(member.publisher.id, member.publisher.id) for member in present}
    owners_of: dict[uuid.UUID, set[str]] = defaultdict(set)
    for member in present:
        if member.wire_group is not None:
            owners_of[member.wire_group].add(owner_of[member.article_id])
    shared = {group for group, owners in owners_of.items() if len(owners) > 1}
    own = {owner_of[member.article_id] for member in present if member.wire_group not in shared}
    return min(len(shared) + len(own), len(set(owner_of.values())))


class Partition:
    """One partition's logic with its changelog and a consumer, driven as its owner drives it."""

    def __init__(
        self,
        story_rules: StoryRules | None = None,
        make_index: Any = ExactIndex,
        second_look: Any = no_second_look,
        around_look: Any = no_second_look,
    ) -> None:
        self.rules = story_rules or rules()
        self.parts = {"make_index": make_index, "second_look": second_look, "apart_look": no_second_look, "around_look": around_look}
        self.logic = AssignLogic(3, self.rules, **self.parts)
        self.changelog: dict[str, bytes] = {}
        self.consumer = Consumer()
        self.bytes: list[tuple[str, str, bytes | None]] = []
        self.offset = 0
        self.unfollowed: dict[str, bytes | None] = {}
        """What changed since the standby followed last, as one transaction holds it."""

    def take(self, *inputs: StoryInput) -> list[StoryUpdated]:
        """Handle inputs; give the events of the last one."""
        events: list[StoryUpdated] = []
        for story_input in inputs:
            decision = self.logic.decide(record_of(story_input, self.offset))
            self.offset += 1
            self.logic.apply(decision)
            self.note(decision)
            events = self.consumer.take(decision.outputs)
            self.consumer.check()
        return events

    def note(self, decision: Decision) -> None:
        self.bytes += [
            (output.topic.name, output.key, None if output.value is None else output.value.to_bytes()) for output in decision.outputs
        ]
        self.unfollowed.update(decision.changes)
        for key, value in decision.changes.items():
            if value is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = value

    def restart(self) -> None:
        """Throw the logic away and restore it from the changelog."""
        self.logic = AssignLogic(3, self.rules, **self.parts)
        for key, value in self.changelog.items():
            self.logic.restore(key, value)
        self.logic.restored()

    def followed_by(self, standby: AssignLogic) -> None:
        """Let a standby take over what has changed."""
        standby.follow(self.unfollowed)
        self.unfollowed = {}

    def story_id(self, number: int) -> uuid.UUID:
        return self.consumer.members[article_uuid(number)].story_id
