"""What the clock does: quiet stories close, closed ones can be reopened no longer, and old ones are forgotten."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.cluster.assign.draft import Draft
from services.cluster.assign.look import look_at_latest
from services.cluster.assign.records import ClockRecord, StoryRecord
from shared.contracts import Clock, Evidence, Reason, StoryStatus

MEMBERS_A_STORY = 10
"""A sweep touches at most so many members for each story that it may touch."""


def strike(draft: Draft, clock: Clock) -> None:
    """Handle a clock input; one that is not later than the last changes nothing."""
    state, rules = draft.state, draft.rules
    before = state.clock
    if before is not None and clock.at <= before.at:
        return
    look_at_latest(draft)
    forgotten = None if before is None else before.forgotten_through
    budget = rules.sweep_limit * MEMBERS_A_STORY
    for story_id in state.story_turns.due(clock.at, rules.sweep_limit):
        story = draft.story(story_id)
        assert story is not None
        budget -= 1 if story.status is StoryStatus.OPEN else draft.roster(story_id).size + 1
        forgotten = _turn(draft, story, forgotten)
        if budget <= 0:
            break
    for article_id in state.orphan_turns.due(clock.at, rules.sweep_limit):
        draft.forget_member(article_id)
    for command_id, command in state.commands.items():
        if command.at + timedelta(days=rules.keep_days) <= clock.at:
            draft.effects.commands[command_id] = None
    draft.set_clock(ClockRecord(clock.at, draft.seq, draft.ordinal, forgotten))


def _turn(draft: Draft, story: StoryRecord, forgotten: datetime | None) -> datetime | None:
    """Do the next thing in a story's life; give the latest arrival among forgotten stories."""
    if story.status is StoryStatus.OPEN:
        evidence = Evidence(note=f"nothing new since {story.last_at.isoformat()}")
        draft.revise(story.story_id, Reason.CLOSED, status=StoryStatus.CLOSED, evidence=evidence)
        return forgotten
    members = draft.members_of(story.story_id)
    if story.status is StoryStatus.CLOSED and not story.retired:
        for member in members:
            draft.drop_features(member.article_id)
        draft.effects.stories[story.story_id] = replace(story, retired=True)
        return forgotten
    for member in members:
        draft.forget_member(member.article_id)
    draft.effects.stories[story.story_id] = None
    return story.arrived_at if forgotten is None else max(forgotten, story.arrived_at)
