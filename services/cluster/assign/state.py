"""One partition's stories in memory: the records of its changelog and what is derived from them."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from services.cluster.assign import records
from services.cluster.assign.calendar import Calendar
from services.cluster.assign.proposals import SecondLook
from services.cluster.assign.records import ClockRecord, CommandRecord, MemberRecord, StoryRecord, Tie
from services.cluster.assign.roster import Roster
from services.cluster.assign.shelves import Index, Shelf, Shelves
from services.cluster.assign.ties import Ties
from services.cluster.assign.wire import Print, print_of
from services.cluster.config import StoryRules
from shared.contracts import Features, StoryStatus
from shared.kafka.decision import Decision


@dataclass(slots=True)
class Effects:
    """The records that an input leaves different. None: gone."""

    stories: dict[UUID, StoryRecord | None] = field(default_factory=dict)
    members: dict[UUID, MemberRecord | None] = field(default_factory=dict)
    features: dict[UUID, Features | None] = field(default_factory=dict)
    ties: dict[tuple[UUID, UUID], Tie | None] = field(default_factory=dict)
    commands: dict[UUID, CommandRecord | None] = field(default_factory=dict)
    owners: dict[str, str | None] = field(default_factory=dict)
    clock: ClockRecord | None = None

    def changes(self) -> dict[str, bytes | None]:
        """Give the changelog records, in an order that depends on the input alone."""
        changes: dict[str, bytes | None] = {}
        for article_id, features in self.features.items():
            changes[f"{records.FEATURES_PREFIX}{article_id}"] = None if features is None else features.model_dump_json().encode()
        for prefix, adapter, by_id in _BY_ID:
            for identity, record in getattr(self, by_id).items():
                changes[f"{prefix}{identity}"] = _encoded(adapter, record)
        for pair, tie in self.ties.items():
            changes[records.tie_key(pair)] = _encoded(records.TIE, tie)
        if self.clock is not None:
            changes[records.CLOCK_KEY] = _encoded(records.CLOCK, self.clock)
        return changes


_BY_ID = (
    (records.MEMBER_PREFIX, records.MEMBER, "members"),
    (records.STORY_PREFIX, records.STORY, "stories"),
    (records.COMMAND_PREFIX, records.COMMAND, "commands"),
    (records.OWNER_PREFIX, records.OWNER, "owners"),
)


def _encoded(adapter: TypeAdapter[Any], record: Any) -> bytes | None:
    return None if record is None else records.to_bytes(adapter, record)


@dataclass(frozen=True, slots=True)
class Assigned(Decision):
    """A decision that also holds its changes as records, so that taking it over parses nothing."""

    effects: Effects = field(default_factory=Effects)


class State:
    """The stories of one partition. `take` is the only way in which it changes."""

    def __init__(
        self,
        rules: StoryRules,
        make_index: Callable[[str], Index],
        second_look: SecondLook,
        apart_look: SecondLook,
        around_look: SecondLook,
        shipped_owners: Mapping[str, str],
    ) -> None:
        self.rules = rules
        self.second_look = second_look
        self.apart_look = apart_look
        self.around_look = around_look
        self.stories: dict[UUID, StoryRecord] = {}
        self.members: dict[UUID, MemberRecord] = {}
        self.rosters: dict[UUID, Roster] = {}
        self.prints: dict[UUID, Print] = {}
        self.ties = Ties()
        self.commands: dict[UUID, CommandRecord] = {}
        self.owners: dict[str, str] = {}
        self._shipped_owners = shipped_owners
        self.clock: ClockRecord | None = None
        self.seq = 0
        """How many articles' features and commands took effect so far."""
        self.ordinal = 0
        """How many stories were founded so far."""
        self.shelves = Shelves(make_index)
        self.story_turns = Calendar()
        self.orphan_turns = Calendar()
        self.growth: OrderedDict[UUID, None] = OrderedDict()
        """Open stories, the one that has not grown for longest first."""
        self._homes: dict[UUID, UUID] = {}
        self._came: dict[int, UUID] = {}
        """Articles by the sequence number at which they came, back to the last second look."""

    def home_of(self, story_id: UUID) -> UUID:
        """Follow redirects to the story that lives; an unknown id is its own."""
        path = []
        while (record := self.stories.get(story_id)) is not None and record.redirect_to is not None:
            path.append(story_id)
            story_id = self._homes.get(story_id, record.redirect_to)
        for passed in path:
            self._homes[passed] = story_id
        return story_id

    def recent_articles(self) -> list[UUID]:
        """List the articles that came, or came anew, since the last second look, oldest first."""
        last = self.seq - self.rules.second_look_every
        came = (self._came[seq] for seq in range(last + 1, self.seq + 1) if seq in self._came)
        return [article_id for article_id in came if article_id in self.members]

    def latest_article(self) -> UUID | None:
        """Give the article that came last, or came anew; None where it is gone."""
        article_id = self._came.get(self.seq)
        return article_id if article_id in self.members else None

    def owner_of(self, publisher_id: str) -> str:
        """Say who stands behind a publisher: as editors said, else by the shipped table, else itself."""
        return self.owners.get(publisher_id) or self._shipped_owners.get(publisher_id, publisher_id)

    def due_at(self, story: StoryRecord) -> datetime:
        """Say when a story that gets nothing more has been quiet for long enough to close."""
        return max(
            story.last_at + timedelta(hours=self.rules.close_after_h), story.arrived_at + timedelta(hours=self.rules.arrival_grace_h)
        )

    def take(self, effects: Effects) -> None:
        """Take an input's effects over."""
        for article_id, member in effects.members.items():
            self._take_member(article_id, member)
        for story_id, story in sorted(effects.stories.items(), key=lambda item: _grown(item[1])):
            self._take_story(story_id, story)
        for article_id, member in effects.members.items():
            if member is not None and member.story_id is not None:
                self.shelves.move(article_id, shelf_of(self.stories[member.story_id]))
        for article_id, features in effects.features.items():
            self._take_features(article_id, features)
        for pair, tie in effects.ties.items():
            self.ties.set(pair, tie)
        for command_id, command in effects.commands.items():
            if command is None:
                self.commands.pop(command_id, None)
            else:
                self.commands[command_id] = command
                self.seq = max(self.seq, command.seq)
        for publisher_id, owner in effects.owners.items():
            if owner is None:
                self.owners.pop(publisher_id, None)
            else:
                self.owners[publisher_id] = owner
        if effects.clock is not None:
            self.clock = effects.clock

    def fill(self, effects: Effects, features: dict[UUID, bytes]) -> None:
        """Take over a whole changelog, as read. Leaves what one has who took its inputs one by one.

        `features`: JSON by article; it is emptied on the way, so that memory does not hold them twice.
        """
        for article_id, member in sorted(effects.members.items(), key=_came):
            self._take_member(article_id, member)
        for story_id in sorted(effects.stories, key=lambda story_id: _grown(effects.stories[story_id])):
            self._take_story(story_id, effects.stories[story_id])
        for article_id in sorted(features, key=lambda article_id: (self.members[article_id].seq, article_id)):
            self._take_features(article_id, Features.model_validate_json(features.pop(article_id)))
        self.take(Effects(ties=effects.ties, commands=effects.commands, owners=effects.owners, clock=effects.clock))
        self._count_on(effects.clock)

    def follow(self, effects: Effects) -> None:
        """Take over what several inputs together left different, as a standby does. Leaves what one has who took them one by one."""
        self.take(replace(effects, members=dict(sorted(effects.members.items(), key=_came))))
        self._count_on(effects.clock)

    def _count_on(self, clock: ClockRecord | None) -> None:
        if clock is not None:
            self.seq = max(self.seq, clock.seq)
            self.ordinal = max(self.ordinal, clock.ordinal)

    def _take_member(self, article_id: UUID, member: MemberRecord | None) -> None:
        before = self.members.get(article_id)
        if before is not None and before.story_id is not None:
            roster = self.rosters[before.story_id]
            roster.discard(before)
            if not roster.size:
                del self.rosters[before.story_id]
        if member is None:
            self.members.pop(article_id, None)
            self.orphan_turns.put(article_id, None)
            return
        self.members[article_id] = member
        self._note_coming(before, member)
        if member.story_id is not None:
            self.rosters.setdefault(member.story_id, Roster()).add(member)
        orphan = member.story_id is None and not member.erased
        self.orphan_turns.put(article_id, member.fetched_at + timedelta(days=self.rules.keep_days) if orphan else None)

    def _note_coming(self, before: MemberRecord | None, member: MemberRecord) -> None:
        if before is not None and before.seq != member.seq:
            self._came.pop(before.seq, None)
        self.seq = max(self.seq, member.seq)
        if member.seq > 0:
            self._came[member.seq] = member.article_id
        while self._came and (eldest := next(iter(self._came))) <= self.seq - self.rules.second_look_every:
            del self._came[eldest]

    def _take_story(self, story_id: UUID, story: StoryRecord | None) -> None:
        before = self.stories.get(story_id)
        if story is None:
            self.stories.pop(story_id, None)
            self.story_turns.put(story_id, None)
            self.growth.pop(story_id, None)
            return
        self.stories[story_id] = story
        self.ordinal = max(self.ordinal, story.ordinal)
        self.seq = max(self.seq, story.grown_seq)
        self.story_turns.put(story_id, self._turn_of(story))
        if story.status is not StoryStatus.OPEN:
            self.growth.pop(story_id, None)
        elif before is None or story_id not in self.growth or before.grown_seq != story.grown_seq:
            self.growth[story_id] = None
            self.growth.move_to_end(story_id)
        if before is not None and shelf_of(before) is not shelf_of(story) and story_id in self.rosters:
            for article_id in self.rosters[story_id].everyone():
                self.shelves.move(article_id, shelf_of(story))

    def _take_features(self, article_id: UUID, features: Features | None) -> None:
        if features is None:
            self.prints.pop(article_id, None)
            self.shelves.remove(article_id)
            return
        fingerprint = print_of(features)
        if fingerprint is None:
            self.prints.pop(article_id, None)
        else:
            self.prints[article_id] = fingerprint
        member = self.members[article_id]
        assert member.story_id is not None
        shelf = shelf_of(self.stories[member.story_id])
        assert shelf is not None
        self.shelves.put(article_id, member.language, shelf, features, member.event_at, time_known=member.time_known)

    def _turn_of(self, story: StoryRecord) -> datetime | None:
        """When the story's next turn in life comes: it closes, its window to reopen ends, or it is forgotten."""
        due_at = self.due_at(story)
        if story.status is StoryStatus.MERGED:
            return None
        if story.status is StoryStatus.OPEN:
            return due_at
        if story.status is StoryStatus.CLOSED and not story.retired:
            return due_at + timedelta(hours=self.rules.reopen_window_h)
        return due_at + timedelta(hours=self.rules.reopen_window_h, days=self.rules.keep_days)


def shelf_of(story: StoryRecord) -> Shelf | None:
    """Say where a story's present members are sought."""
    if story.status is StoryStatus.OPEN:
        return Shelf.OPEN
    return Shelf.CLOSED if story.status is StoryStatus.CLOSED and not story.retired else None


def _came(item: tuple[UUID, MemberRecord | None]) -> tuple[int, UUID]:
    article_id, member = item
    return (0 if member is None else member.seq, article_id)


def _grown(story: StoryRecord | None) -> tuple[int, int]:
    return (0, 0) if story is None else (story.grown_seq, story.ordinal)
