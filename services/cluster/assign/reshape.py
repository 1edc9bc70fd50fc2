"""How articles go from story to story: merges, moves and splits, whoever decides them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.cluster.assign.draft import MACHINE, Draft
from services.cluster.assign.records import MemberRecord, StoryRecord
from shared.contracts import Actor, Evidence, Reason, StoryStatus


def merge(draft: Draft, gone: StoryRecord, into: StoryRecord, *, actor: Actor = MACHINE, evidence: Evidence | None = None) -> None:
    """Merge a story into another: it redirects for ever, and its members get the other's next numbers."""
    members = _taken_out(draft, draft.members_of(gone.story_id))
    draft.revise(
        gone.story_id,
        Reason.MERGED,
        left=[member.article_id for member in members if member.present],
        status=StoryStatus.MERGED,
        redirect_to=into.story_id,
        links=(),
        pinned=False,
        actor=actor,
        evidence=evidence,
    )
    links = dict.fromkeys((*into.links, *(link for link in gone.links if link[0] not in {held[0] for held in into.links})))
    fields: dict[str, Any] = {"links": tuple(links)[:50], "pinned": into.pinned or gone.pinned}
    if gone.status is StoryStatus.OPEN and into.status is StoryStatus.CLOSED and not into.closed_by_editor:
        fields["status"] = StoryStatus.OPEN
    draft.revise(into.story_id, Reason.MERGED, joining=members, actor=actor, evidence=evidence, **fields)
    _drop_unsought(draft, members)


def move(
    draft: Draft,
    members: Sequence[MemberRecord],
    into: StoryRecord,
    *,
    actor: Actor = MACHINE,
    evidence: Evidence | None = None,
) -> None:
    """Move members into a story. One that loses all that were present is merged into it, so that its id still leads somewhere."""
    by_story: dict[UUID, list[MemberRecord]] = {}
    for member in members:
        assert member.story_id is not None
        by_story.setdefault(member.story_id, []).append(member)
    joining: list[MemberRecord] = []
    for story_id, leaving in by_story.items():
        story = draft.story(story_id)
        assert story is not None
        present = sum(member.present for member in leaving)
        if present == len(draft.roster(story_id).present):
            merge(draft, story, into, actor=actor, evidence=evidence)
            renewed = draft.story(into.story_id)
            assert renewed is not None
            into = renewed
            continue
        taken = _taken_out(draft, leaving)
        draft.revise(
            story_id, Reason.ARTICLE_MOVED, left=[member.article_id for member in taken if member.present], actor=actor, evidence=evidence
        )
        joining += taken
    if joining:
        draft.revise(into.story_id, Reason.ARTICLE_MOVED, joining=joining, actor=actor, evidence=evidence)
        _drop_unsought(draft, joining)


def split(
    draft: Draft, story: StoryRecord, members: Sequence[MemberRecord], *, actor: Actor = MACHINE, evidence: Evidence | None = None
) -> UUID:
    """Split members off into a story of their own, founded by the one with the lowest number."""
    taken = _taken_out(draft, members)
    draft.revise(
        story.story_id, Reason.SPLIT, left=[member.article_id for member in taken if member.present], actor=actor, evidence=evidence
    )
    note = Evidence(note=f"from {story.story_id}") if evidence is None else evidence
    return draft.found(taken, Reason.SPLIT, story.language, actor=actor, evidence=note)


def _taken_out(draft: Draft, members: Sequence[MemberRecord]) -> list[MemberRecord]:
    """Take members out of their stories; by number, those of one story."""
    ordered = sorted(members, key=lambda member: (str(member.story_id), member.number))
    for member in ordered:
        draft.take_out(member.article_id)
    return [replace(member, story_id=None) for member in ordered]


def _drop_unsought(draft: Draft, members: Sequence[MemberRecord]) -> None:
    """Take members that came to a story which is sought no more off the shelves."""
    for member in members:
        placed = draft.member(member.article_id)
        if placed is not None and not draft.is_sought(placed):
            draft.drop_features(member.article_id)
