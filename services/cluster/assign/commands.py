"""What an editor's command does. Raises `Refused` with a stable reason where it can't be done; nothing where it is so already."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

from services.cluster.assign.draft import Draft
from services.cluster.assign.records import CommandRecord, MemberRecord, StoryRecord, Tie, pair_of
from services.cluster.assign.reshape import merge, move, split
from services.cluster.assign.ties import ties_between
from shared.contracts import Actor, Command, CommandOp, Reason, StoryStatus
from shared.errors import Refused

MERGED_ARTICLES = 5_000
"""Articles that one merge takes over at most: an event lists no more."""
ANCHORS = 8
"""Members of a story, the first ones, that an article moved away is tied against: some of them stay whatever else happens."""
ANCHORS_OF_MANY = 2
MANY = 50


def take_command(draft: Draft, command: Command) -> None:
    """Handle a command. One that took effect already changes nothing."""
    if command.command_id in draft.state.commands:
        return
    seq = draft.next_seq()
    if _HANDLERS[command.op](draft, command):
        draft.effects.commands[command.command_id] = CommandRecord(command.at, seq)


def _merge(draft: Draft, command: Command) -> bool:
    gone, into = _story(draft, command, command.story_id, "story_id"), _story(draft, command, command.into_story_id, "into_story_id")
    if gone.story_id == into.story_id:
        return False
    leaving, staying = _ids(draft, gone), _ids(draft, into)
    _limit(command, len(leaving))
    _untie(draft, leaving, staying, "cannot", command)
    if staying:
        _tie(draft, ((article_id, staying[0]) for article_id in leaving), "must", command)
    merge(draft, gone, into, actor=_actor(command))
    return True


def _move(draft: Draft, command: Command) -> bool:
    into = _story(draft, command, command.into_story_id, "into_story_id")
    members = [member for member in _members(draft, command) if member.story_id != into.story_id]
    if not members:
        return False
    moved, staying = [member.article_id for member in members], _ids(draft, into)
    _untie(draft, moved, staying, "cannot", command)
    for story_id in dict.fromkeys(member.story_id for member in members):
        _part(draft, [member.article_id for member in members if member.story_id == story_id], story_id, command)
    if staying:
        _tie(draft, ((article_id, staying[0]) for article_id in moved), "must", command)
    move(draft, members, into, actor=_actor(command))
    return True


def _split(draft: Draft, command: Command) -> bool:
    story = _story(draft, command, command.story_id, "story_id")
    members = _members(draft, command)
    strange = [member.article_id for member in members if member.story_id != story.story_id]
    if strange:
        raise Refused("not_a_member", f"split {command.command_id}: article {strange[0]} is not in story {story.story_id}")
    if sum(member.present for member in members) in {0, story.article_count}:
        raise Refused("nothing_left", f"split {command.command_id}: a part of story {story.story_id} would have no article")
    parted = [member.article_id for member in members]
    _part(draft, parted, story.story_id, command)
    _tie(draft, ((article_id, parted[0]) for article_id in parted[1:]), "must", command)
    split(draft, story, members, actor=_actor(command))
    return True


def _close(draft: Draft, command: Command) -> bool:
    story = _story(draft, command, command.story_id, "story_id")
    if story.closed_by_editor:
        return False
    draft.revise(story.story_id, Reason.CLOSED, status=StoryStatus.CLOSED, closed_by_editor=True, actor=_actor(command))
    return True


def _pin(draft: Draft, command: Command) -> bool:
    story = _story(draft, command, command.story_id, "story_id")
    pinned = command.op is CommandOp.PIN
    if story.pinned is pinned:
        return False
    draft.revise(story.story_id, Reason.EDITED, pinned=pinned, actor=_actor(command))
    return True


def _erase(draft: Draft, command: Command) -> bool:
    members = [member for member in _members(draft, command) if not member.erased]
    if not members:
        return False
    erased = {member.article_id for member in members}
    for story_id in dict.fromkeys(member.story_id for member in members):
        leaving = [member for member in members if member.story_id == story_id]
        for member in leaving:
            draft.drop_features(member.article_id)
            draft.drop_ties(member.article_id)
            draft.take_out(member.article_id)
            draft.put_member(_blank(member))
        if story_id is not None:
            left = [member.article_id for member in leaving if member.present]
            draft.revise(story_id, Reason.ERASED, left=left, actor=_actor(command), **_blank_headline(draft, story_id, erased))
            for member in leaving:
                draft.erase_member(member.article_id)
    for story in list(draft.state.stories.values()):
        if story.status is StoryStatus.MERGED and story.headline_article_id in erased:
            draft.revise(story.story_id, Reason.ERASED, headline="", headline_article_id=None, status=story.status, actor=_actor(command))
    return True


def _own(draft: Draft, command: Command) -> bool:
    """Say who stands behind a publisher from now on; members that are there keep their owner, or every count would change at once."""
    publisher_id = (command.publisher_id or "").lower()
    if not publisher_id:
        raise Refused("invalid_command", f"{command.op} {command.command_id} needs a publisher_id")
    if draft.state.owners.get(publisher_id) == (command.owner or None):
        return False
    draft.effects.owners[publisher_id] = command.owner or None
    return True


def _blank(member: MemberRecord) -> MemberRecord:
    """Keep of an erased article only what makes its redelivery harmless."""
    return replace(
        member,
        story_id=None,
        number=0,
        present=False,
        title="",
        url="",
        publisher_id="",
        publisher_name="",
        owner="",
        published_at=None,
        wire_group=None,
        erased=True,
    )


def _blank_headline(draft: Draft, story_id: UUID, erased: set[UUID]) -> dict[str, Any]:
    """Drop an erased article's title from a story that has no other."""
    story = draft.story(story_id)
    assert story is not None
    if story.headline_article_id in erased and not draft.roster(story_id).present:
        return {"headline": "", "headline_article_id": None}
    return {}


def _story(draft: Draft, command: Command, story_id: UUID | None, field: str) -> StoryRecord:
    if story_id is None:
        raise Refused("invalid_command", f"{command.op} {command.command_id} needs a {field}")
    story = draft.live_story(story_id)
    if story is None:
        raise Refused("unknown_story", f"{command.op} {command.command_id}: story {story_id} is not known here, or was forgotten")
    return story


def _members(draft: Draft, command: Command) -> list[MemberRecord]:
    """Give the members that a command names, in the order of their stories and numbers."""
    if not command.article_ids:
        raise Refused("invalid_command", f"{command.op} {command.command_id} needs article_ids")
    members = []
    for article_id in dict.fromkeys(command.article_ids):
        member = draft.member(article_id)
        if member is None or (member.story_id is None and command.op is not CommandOp.ERASE):
            raise Refused("unknown_article", f"{command.op} {command.command_id}: article {article_id} is in no story here")
        members.append(member)
    return sorted(members, key=lambda member: (str(member.story_id), member.number))


def _limit(command: Command, count: int) -> None:
    if count > MERGED_ARTICLES:
        raise Refused("too_large", f"{command.op} {command.command_id} moves {count:,} articles; at most {MERGED_ARTICLES:,} go at once")


def _ids(draft: Draft, story: StoryRecord) -> list[UUID]:
    return draft.roster(story.story_id).everyone()


def _actor(command: Command) -> Actor:
    return Actor(kind="machine" if command.machine else "editor", name=command.actor, why=command.why, command_id=command.command_id)


def _tie(draft: Draft, pairs: Iterable[tuple[UUID, UUID]], kind: str, command: Command) -> None:
    if command.machine:
        return
    for one, other in pairs:
        draft.effects.ties[pair_of(one, other)] = Tie("must" if kind == "must" else "cannot", command.command_id)


def _untie(draft: Draft, ones: Sequence[UUID], others: Sequence[UUID], kind: str, command: Command) -> None:
    few, many = sorted((ones, others), key=len)
    for pair in ties_between(draft.ties, few, frozenset(many), kind):
        if command.machine:
            how = "together" if kind == "must" else "apart"
            raise Refused("kept_by_editor", f"{command.op} {command.command_id}: an editor keeps articles {pair[0]} and {pair[1]} {how}")
        draft.effects.ties[pair] = None


def _part(draft: Draft, leaving: Sequence[UUID], story_id: UUID | None, command: Command) -> None:
    """Keep articles apart from those that stay in their story."""
    assert story_id is not None
    gone = frozenset(leaving)
    staying = [article_id for article_id in draft.roster(story_id).everyone() if article_id not in gone]
    _untie(draft, leaving, staying, "must", command)
    anchors = staying[: ANCHORS if len(leaving) < MANY else ANCHORS_OF_MANY]
    _tie(draft, ((one, other) for one in leaving for other in anchors), "cannot", command)


_HANDLERS: Mapping[CommandOp, Callable[[Draft, Command], bool]] = MappingProxyType(
    {
        CommandOp.MERGE: _merge,
        CommandOp.MOVE: _move,
        CommandOp.SPLIT: _split,
        CommandOp.CLOSE: _close,
        CommandOp.PIN: _pin,
        CommandOp.UNPIN: _pin,
        CommandOp.ERASE: _erase,
        CommandOp.OWN: _own,
    }
)
