"""The second look: what came meanwhile is seen again, and mistakes are repaired as ordinary revisions.

The proposals are `second_look`'s; here is what may be done of them. Editors' ties are never broken, an article is moved a
few times at most, and one look changes no more than so many stories.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from services.cluster.assign.draft import Draft
from services.cluster.assign.index import Link
from services.cluster.assign.join import join_at
from services.cluster.assign.proposals import Merge, Move, Proposal, Split, View
from services.cluster.assign.records import MemberRecord, StoryRecord
from services.cluster.assign.reshape import merge, move, split
from services.cluster.assign.shelves import Shelf
from services.cluster.assign.ties import ties_between
from shared.contracts import Evidence, StoryStatus


def look_at_latest(draft: Draft) -> bool:
    """Split the story of the article that came last if it is two by now. Says whether anything changed."""
    latest = draft.state.latest_article()
    member = None if latest is None else draft.member(latest)
    if member is None or member.article_id not in draft.state.shelves or _open_story(draft, member.article_id) is None:
        return False
    proposals = list(draft.state.apart_look(_view(draft, member.language, [member.article_id])))
    return any(_repair(draft, proposal) for proposal in proposals)


def look_around(draft: Draft, member: MemberRecord, links: Sequence[Link]) -> None:
    """Let what a new article is linked to go where it belongs, now that the article has come and is placed."""
    if not links:
        return
    view = replace(_view(draft, member.language, [member.article_id]), links=tuple(links))
    for proposal in draft.state.around_look(view):
        _repair(draft, proposal)


def look_again(draft: Draft) -> bool:
    """Repair what can be repaired, if it is time. Says whether anything changed."""
    state = draft.state
    if state.seq == 0 or state.seq % draft.rules.second_look_every:
        return False
    changed = 0
    recent: dict[str, list[UUID]] = {}
    for article_id in state.recent_articles():
        member = state.members.get(article_id)
        if member is not None and _open_story(draft, article_id) is not None and article_id in state.shelves:
            recent.setdefault(member.language, []).append(article_id)
    for language in sorted(recent):
        for proposal in state.second_look(_view(draft, language, recent[language])):
            if changed == draft.rules.second_look_repairs:
                return True
            changed += _repair(draft, proposal)
    return changed > 0


def _view(draft: Draft, language: str, recent: list[UUID]) -> View:
    index = draft.state.shelves.index(language, Shelf.OPEN)
    assert index is not None

    def members_of(story_id: UUID, limit: int) -> list[UUID]:
        roster = draft.roster(story_id)
        return [article_id for article_id in roster.first(2 * limit) if article_id in draft.state.shelves][:limit]

    return View(index, tuple(recent), _story_of(draft), members_of, lambda story_id: len(draft.roster(story_id)), join_at(language))


def _story_of(draft: Draft) -> Callable[[UUID], UUID | None]:
    def story_of(article_id: UUID) -> UUID | None:
        story = _open_story(draft, article_id)
        return None if story is None else story.story_id

    return story_of


def _open_story(draft: Draft, article_id: UUID) -> StoryRecord | None:
    member = draft.member(article_id)
    story = None if member is None or member.story_id is None or not member.present else draft.story(member.story_id)
    return story if story is not None and story.status is StoryStatus.OPEN else None


def _repair(draft: Draft, proposal: Proposal) -> bool:
    evidence = Evidence(score=round(proposal.score, 4), nearest=proposal.nearest[:5], note="second look")
    if isinstance(proposal, Merge):
        return _merge(draft, draft.live_story(proposal.story_id), draft.live_story(proposal.other_id), evidence)
    if isinstance(proposal, Move):
        return _move(draft, proposal, evidence)
    return _split(draft, proposal, evidence)


def _merge(draft: Draft, one: StoryRecord | None, other: StoryRecord | None, evidence: Evidence) -> bool:
    if one is None or other is None or one.story_id == other.story_id or one.language != other.language:
        return False
    if StoryStatus.OPEN is not one.status or StoryStatus.OPEN is not other.status:
        return False
    into, gone = sorted((one, other), key=lambda story: story.ordinal)
    if draft.roster(gone.story_id).size > draft.rules.machine_merge_limit or _kept_apart(draft, gone, into):
        return False
    merge(draft, gone, into, evidence=evidence)
    return True


def _kept_apart(draft: Draft, one: StoryRecord, other: StoryRecord) -> bool:
    """Say whether an editor keeps any two articles of the stories apart."""
    few, many = sorted((draft.roster(one.story_id), draft.roster(other.story_id)), key=lambda roster: roster.size)
    tied = [article_id for article_id in few.everyone() if article_id in draft.ties]
    return bool(tied) and bool(ties_between(draft.ties, tied, frozenset(many.everyone()), "cannot"))


def _move(draft: Draft, proposal: Move, evidence: Evidence) -> bool:
    story, member = _open_story(draft, proposal.article_id), draft.member(proposal.article_id)
    if story is None or member is None or member.moves >= draft.rules.machine_moves_limit or _held(draft, story, [member]):
        return False
    alone = len(draft.roster(story.story_id)) == 1
    if proposal.into is None:
        if alone:
            return False
        split(draft, story, [replace(member, moves=member.moves + 1)], evidence=evidence)
        return True
    into = draft.live_story(proposal.into)
    if alone:
        return _merge(draft, story, into, evidence)
    if into is None or into.status is not StoryStatus.OPEN or into.story_id == story.story_id or into.language != story.language:
        return False
    if member.article_id in draft.ties and ties_between(
        draft.ties, [member.article_id], frozenset(draft.roster(into.story_id).everyone()), "cannot"
    ):
        return False
    move(draft, [replace(member, moves=member.moves + 1)], into, evidence=evidence)
    return True


def _split(draft: Draft, proposal: Split, evidence: Evidence) -> bool:
    story = draft.live_story(proposal.story_id)
    if story is None or story.status is not StoryStatus.OPEN:
        return False
    chosen = [member for article_id in proposal.article_ids if (member := draft.member(article_id)) is not None]
    members = [member for member in chosen if member.story_id == story.story_id and member.present]
    if not members or len(members) == len(draft.roster(story.story_id)) or _held(draft, story, members):
        return False
    if any(member.moves >= draft.rules.machine_moves_limit for member in members):
        return False
    split(draft, story, [replace(member, moves=member.moves + 1) for member in members], evidence=evidence)
    return True


def _held(draft: Draft, story: StoryRecord, leaving: list[MemberRecord]) -> bool:
    """Say whether an editor ties any of the articles to one that stays in their story."""
    tied = [member.article_id for member in leaving if member.article_id in draft.ties]
    if not tied:
        return False
    gone = {member.article_id for member in leaving}
    staying = frozenset(article_id for article_id in draft.roster(story.story_id).everyone() if article_id not in gone)
    return bool(ties_between(draft.ties, tied, staying, "must"))
