"""What one input does, as it is being decided: records laid over the state, and the revisions that follow."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from services.cluster.assign.headline import CANDIDATES, Title, choose_headline
from services.cluster.assign.records import ClockRecord, MemberRecord, StoryRecord, pair_of
from services.cluster.assign.roster import Roster
from services.cluster.assign.state import Assigned, Effects, State, shelf_of
from services.cluster.assign.ties import Ties
from shared import ids
from shared.contracts import Actor, Evidence, Features, Reason, StoryStatus, StoryUpdated
from shared.kafka.decision import Output
from shared.topics import STORIES, STORY_MEMBERS, STORY_UPDATES

LISTED_ARTICLES = 5_000
"""Articles that one event lists in each of its fields."""
HEADLINE_GROWTH = 2.0
"""A story that has grown by this factor since its headline was weighed has it weighed again."""

MACHINE = Actor()


class Draft:
    """Collects an input's effects and outputs; used as a context, which leaves the state as it was.

    Rosters are changed in place and changed back at the end: copying one would cost as much as its story is large.
    """

    def __init__(self, state: State, partition: int) -> None:
        self.state = state
        self.rules = state.rules
        self.effects = Effects()
        self.seq = state.seq
        self.ordinal = state.ordinal
        self._partition = partition
        self._outputs: list[Output] = []
        self._rosters: dict[UUID, Roster] = {}
        self._journal: list[tuple[Roster, MemberRecord, bool]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for roster, member, added in reversed(self._journal):
            if added:
                roster.discard(member)
            else:
                roster.add(member)

    # What is

    def story(self, story_id: UUID) -> StoryRecord | None:
        """Give a story as it is by now."""
        changed = self.effects.stories
        if changed and story_id in changed:  # a UUID's hash is dear, and mostly nothing has changed
            return changed[story_id]
        return self.state.stories.get(story_id)

    def live_story(self, story_id: UUID) -> StoryRecord | None:
        """Give the story where an id lives by now, redirects followed."""
        story = self.story(self.state.home_of(story_id))
        while story is not None and story.redirect_to is not None:
            story = self.story(story.redirect_to)
        return story

    def member(self, article_id: UUID) -> MemberRecord | None:
        """Give a member as it is by now."""
        changed = self.effects.members
        if changed and article_id in changed:
            return changed[article_id]
        return self.state.members.get(article_id)

    def roster(self, story_id: UUID) -> Roster:
        """Give a story's members as they are by now."""
        roster = self._rosters.get(story_id)
        if roster is None:
            known = self.state.rosters.get(story_id)
            roster = self._rosters[story_id] = Roster() if known is None else known
        return roster

    def members_of(self, story_id: UUID) -> list[MemberRecord]:
        """List a story's members by number, those that are not present too."""
        return [member for article_id in self.roster(story_id).everyone() if (member := self.member(article_id)) is not None]

    @property
    def ties(self) -> Ties:
        """Editors' ties as they were before this input."""
        return self.state.ties

    # What changes

    def next_seq(self) -> int:
        """Count this input."""
        self.seq += 1
        return self.seq

    def put_member(self, member: MemberRecord) -> None:
        """Put a member where it says that it belongs."""
        self.take_out(member.article_id)
        if member.story_id is not None:
            self.roster(member.story_id).add(member)
            self._journal.append((self.roster(member.story_id), member, True))
        self.effects.members[member.article_id] = member

    def take_out(self, article_id: UUID) -> None:
        """Take a member out of its story; whoever does puts it somewhere else."""
        member = self.member(article_id)
        if member is not None and member.story_id is not None:
            roster = self.roster(member.story_id)
            roster.discard(member)
            self._journal.append((roster, member, False))
            self.effects.members[article_id] = replace(member, story_id=None)

    def forget_member(self, article_id: UUID) -> None:
        """Forget all about an article."""
        self.take_out(article_id)
        self.effects.members[article_id] = None
        self.drop_features(article_id)
        self.drop_ties(article_id)

    def drop_ties(self, article_id: UUID) -> None:
        """Forget an article's ties."""
        for other in self.ties.of(article_id):
            self.effects.ties[pair_of(article_id, other)] = None

    def keep_features(self, member: MemberRecord, features: Features) -> None:
        """Hold what finds an article again, where its story is still sought."""
        if self.is_sought(member):
            self.effects.features[member.article_id] = features

    def drop_features(self, article_id: UUID) -> None:
        """Let an article be found no more."""
        if article_id in self.state.shelves or self.effects.features.get(article_id) is not None:
            self.effects.features[article_id] = None

    def found(
        self, members: Sequence[MemberRecord], reason: Reason, language: str, *, actor: Actor = MACHINE, evidence: Evidence | None = None
    ) -> UUID:
        """Found a story with members that are in none; the first of them is its founder."""
        founder = replace(members[0], foundings=members[0].foundings + 1)
        story_id = ids.story_id(founder.article_id, founder.foundings)
        self.ordinal += 1
        self.effects.stories[story_id] = StoryRecord(
            story_id=story_id,
            revision=0,
            status=StoryStatus.OPEN,
            language=language,
            headline="",
            headline_article_id=None,
            headline_size=0,
            ordinal=self.ordinal,
            next_number=1,
            article_count=0,
            publisher_count=0,
            first_at=founder.event_at,
            last_at=founder.event_at,
            arrived_at=founder.fetched_at,
            grown_seq=self.seq,
        )
        self.revise(story_id, reason, joining=(founder, *members[1:]), actor=actor, evidence=evidence)
        return story_id

    def revise(
        self,
        story_id: UUID,
        reason: Reason,
        *,
        joining: Sequence[MemberRecord] = (),
        back: Sequence[MemberRecord] = (),
        changed: Sequence[MemberRecord] = (),
        left: Sequence[UUID] = (),
        gone: Sequence[MemberRecord] = (),
        actor: Actor = MACHINE,
        evidence: Evidence | None = None,
        **fields: Any,
    ) -> None:
        """Give a story its next revision.

        `joining` get numbers; `back` are present again and `gone` no longer, by the numbers they have; `changed` were
        corrected; `left` were taken out before. `fields` of the story's record are set.
        """
        story = self.story(story_id)
        assert story is not None
        revision = story.revision + 1
        placed = []
        number = story.next_number
        for member in joining:
            placed.append(replace(member, story_id=story_id, number=number, story_revision=revision))
            number += 1
        placed += [replace(member, story_revision=revision) for member in (*back, *gone, *changed)]
        for member in placed:
            self.put_member(member)
        placed += self._mark_first_copies(placed, revision)
        story = self._weighed(story, story_id, grown=joining or back, next_number=number, revision=revision, **fields)
        self.effects.stories[story_id] = story
        added = [member for member in (*joining, *back) if member.present]
        self._tell(story, reason, added, [*left, *(member.article_id for member in gone)], changed, actor, evidence)
        self._outputs.extend(Output(STORY_MEMBERS, str(member.article_id), member.to_message(), self._partition) for member in placed)

    def erase_member(self, article_id: UUID) -> None:
        """Tell consumers to forget an article's place."""
        self._outputs.append(Output(STORY_MEMBERS, str(article_id), None, self._partition))

    def is_sought(self, member: MemberRecord) -> bool:
        """Say whether new articles are compared with a member's."""
        story = None if member.story_id is None else self.story(member.story_id)
        return story is not None and member.present and shelf_of(story) is not None

    def set_clock(self, clock: ClockRecord) -> None:
        """Set the partition's clock."""
        self.effects.clock = clock

    def decision(self) -> Assigned:
        """Give all that follows from the input."""
        return Assigned(tuple(self._outputs), self.effects.changes(), self.effects)

    def _mark_first_copies(self, placed: Iterable[MemberRecord], revision: int) -> list[MemberRecord]:
        """Name the wire group of an article whose first near-copy has come to its story."""
        marked = []
        for member in placed:
            group = member.wire_group
            if group is None or group == member.article_id:
                continue
            first = self.member(group)
            if first is not None and first.story_id == member.story_id and first.wire_group is None:
                first = replace(first, wire_group=group, story_revision=revision)
                self.put_member(first)
                marked.append(first)
        return marked

    def _weighed(self, story: StoryRecord, story_id: UUID, *, grown: Sequence[MemberRecord], **fields: Any) -> StoryRecord:
        roster = self.roster(story_id)
        if "status" not in fields:
            if not roster.present:
                fields["status"] = StoryStatus.EMPTY
            elif story.status is StoryStatus.EMPTY:
                fields["status"] = StoryStatus.CLOSED if story.closed_by_editor else StoryStatus.OPEN
        if roster.present:
            fields["first_at"], fields["last_at"] = roster.first_at, roster.last_at
        if grown:
            fields["arrived_at"] = max(story.arrived_at, *(member.fetched_at for member in grown))
        opened = fields.get("status", story.status) is StoryStatus.OPEN and story.status is not StoryStatus.OPEN
        if grown or opened:
            fields["grown_seq"] = self.seq
        if opened:
            fields |= {"retired": False, "closed_by_editor": False}
        fields |= self._headline(story, roster)
        return replace(story, article_count=len(roster.present), publisher_count=roster.sources.count, **fields)

    def _headline(self, story: StoryRecord, roster: Roster) -> dict[str, Any]:
        """Give what changes of a story's headline: it stays unless its article left, was corrected, or the story has outgrown it."""
        if not roster.present:
            return {}
        current = None if story.headline_article_id is None else self.member(story.headline_article_id)
        stands = current is not None and current.story_id == story.story_id and current.present
        if stands and len(roster.present) < HEADLINE_GROWTH * story.headline_size:
            assert current is not None
            return {} if current.title == story.headline else {"headline": current.title}
        members = [member for article_id in roster.first(CANDIDATES) if (member := self.member(article_id)) is not None]
        if stands and current not in members:
            members.append(current)  # type: ignore[arg-type]
        titles = [Title(member.article_id, member.title, member.wire_group or member.article_id) for member in members]
        chosen = choose_headline(titles, story.headline_article_id if stands else None, self.rules.headline_margin)
        return {"headline": chosen.title, "headline_article_id": chosen.article_id, "headline_size": len(roster.present)}

    def _tell(
        self,
        story: StoryRecord,
        reason: Reason,
        added: Sequence[MemberRecord],
        removed: Sequence[UUID],
        changed: Sequence[MemberRecord],
        actor: Actor,
        evidence: Evidence | None,
    ) -> None:
        update = StoryUpdated(
            event_id=ids.event_id(story.story_id, story.revision),
            story_id=story.story_id,
            revision=story.revision,
            reason=reason,
            status=story.status,
            article_count=story.article_count,
            publisher_count=story.publisher_count,
            articles_added=tuple(member.article_id for member in added[:LISTED_ARTICLES]),
            articles_removed=tuple(removed[:LISTED_ARTICLES]),
            articles_changed=tuple(member.article_id for member in changed[:LISTED_ARTICLES]),
            headline=story.headline,
            language=story.language,
            first_published_at=story.first_at,
            last_published_at=story.last_at,
            redirect_to=story.redirect_to,
            evidence=evidence,
            actor=actor,
        )
        self._outputs.append(Output(STORY_UPDATES, str(story.story_id), update, self._partition))
        self._outputs.append(Output(STORIES, str(story.story_id), story.to_message(self.roster(story.story_id).newest()), self._partition))
