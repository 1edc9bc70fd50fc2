"""What an article's version does: it joins a story or founds one, is corrected, withdrawn, or comes back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from sys import intern
from uuid import UUID

from services.cluster.assign.draft import Draft
from services.cluster.assign.index import Link
from services.cluster.assign.join import Choice, choose_story, join_at
from services.cluster.assign.look import look_again, look_around, look_at_latest
from services.cluster.assign.records import MemberRecord
from services.cluster.assign.shelves import Shelf
from services.cluster.assign.wire import containment, print_of
from shared.contracts import ArticleStatus, EnrichedArticle, Evidence, Features, Reason, StoryStatus
from shared.errors import Refused

COMPARED = 12
"""Nearest members whose texts are compared with a new one's: a near-copy is among the very nearest."""

ROOM_MADE = 20
"""Stories closed for want of room by one article at most."""


def take_article(draft: Draft, article: EnrichedArticle) -> None:
    """Handle a version of an article. One that was seen, or an older one, changes nothing."""
    known = draft.member(article.article_id)
    if known is not None and (article.version <= known.version or known.erased):
        return
    if known is None:
        _refuse_forgotten(draft, article)
    if article.status is ArticleStatus.WITHDRAWN:
        _withdraw(draft, article, known)
        return
    split = look_at_latest(draft)
    seq = draft.next_seq()
    if look_again(draft) or split:
        known = draft.member(article.article_id)
    member = _record(draft, article, known, seq)
    if known is None or known.story_id is None:
        _join(draft, member, article.features)
    elif known.present:
        _correct(draft, member, article.features)
    else:
        _come_back(draft, member, article.features)


def _refuse_forgotten(draft: Draft, article: EnrichedArticle) -> None:
    """Refuse an unknown article whose story may be among the forgotten: to found it anew would give its revisions twice.

    That is one that was fetched before they got their last article, and any later version, whatever times it gives.
    """
    clock = draft.state.clock
    forgotten_through = None if clock is None else clock.forgotten_through
    if forgotten_through is not None and (article.version > 1 or article.fetched_at <= forgotten_through):
        raise Refused(
            "story_expired",
            f"article {article.article_id} version {article.version}: stories up to {forgotten_through.isoformat()} are forgotten",
        )


def _record(draft: Draft, article: EnrichedArticle, known: MemberRecord | None, seq: int) -> MemberRecord:
    """Give a published article's record: its place, if it has one, as it was, all else as this version says."""
    event_at = min(article.published_at or (known.event_at if known else article.fetched_at), article.fetched_at)
    return MemberRecord(
        article_id=article.article_id,
        story_id=known.story_id if known else None,
        number=known.number if known else 0,
        version=article.version,
        present=True,
        title=article.title,
        url=article.url,
        publisher_id=intern(article.publisher.id),
        publisher_name=intern(article.publisher.name),
        owner=intern(draft.state.owner_of(article.publisher.id)),
        language=intern(known.language if known else article.language),
        published_at=article.published_at,
        fetched_at=article.fetched_at,
        event_at=event_at,
        seq=seq,
        story_revision=known.story_revision if known else 0,
        foundings=known.foundings if known else 0,
        wire_group=known.wire_group if known else None,
        moves=known.moves if known else 0,
    )


def _join(draft: Draft, member: MemberRecord, features: Features | None) -> None:
    links, choice, late = _choose(draft, member, features)
    evidence = Evidence(score=round(choice.score, 4), nearest=choice.nearest[:5])
    if choice.story_id is None:
        draft.found([member], Reason.CREATED, member.language, evidence=evidence)
    else:
        group = _wire_group(draft, member, features, links, choice.story_id)
        member = member if group is None else replace(member, wire_group=group)
        if late:
            draft.revise(choice.story_id, Reason.REOPENED, joining=[member], evidence=evidence, status=StoryStatus.OPEN)
        else:
            draft.revise(choice.story_id, Reason.ARTICLE_ADDED, joining=[member], evidence=evidence)
    _index(draft, member.article_id, features)
    if not late:
        look_around(draft, member, links)
    _make_room(draft)


def _choose(draft: Draft, member: MemberRecord, features: Features | None) -> tuple[Sequence[Link], Choice, bool]:
    """Choose a story among the open ones; a late article asks those that closed meanwhile too. The last value: it was one of these."""
    if features is None:
        return [], Choice(None, 0.0, ()), False
    shelves, language = draft.state.shelves, member.language
    links = shelves.links(Shelf.OPEN, language, features, member.event_at, time_known=member.time_known)

    def size_of(story_id: UUID) -> int:
        return len(draft.roster(story_id))

    choice = choose_story(links, lambda article_id: _story_of(draft, article_id), size_of, join_at(language))
    clock = draft.state.clock
    if choice.story_id is not None or clock is None or clock.at - member.event_at < timedelta(hours=draft.rules.late_after_h):
        return links, choice, False
    late_links = shelves.links(Shelf.CLOSED, language, features, member.event_at, time_known=member.time_known)
    late_choice = choose_story(late_links, lambda article_id: _reopenable(draft, article_id, member), size_of, join_at(language))
    return (links, choice, False) if late_choice.story_id is None else (late_links, late_choice, True)


def _story_of(draft: Draft, article_id: UUID) -> UUID | None:
    member = draft.member(article_id)
    return None if member is None else member.story_id


def _reopenable(draft: Draft, article_id: UUID, late: MemberRecord) -> UUID | None:
    """Give the article's story if it would have been open still, had the late article come in time, and no editor closed it."""
    story_id = _story_of(draft, article_id)
    story = None if story_id is None else draft.story(story_id)
    if story is None or story.status is not StoryStatus.CLOSED or story.closed_by_editor:
        return None
    reach = timedelta(hours=draft.rules.close_after_h)
    return story_id if story.first_at - reach <= late.event_at <= story.last_at + reach else None


def _wire_group(draft: Draft, member: MemberRecord, features: Features | None, links: Sequence[Link], story_id: UUID) -> UUID | None:
    """Find the report that an article repeats among the story's nearest members; the most alike, the better linked of equals."""
    fingerprint = None if features is None else print_of(features)
    if fingerprint is None:
        return None
    near = [link.article_id for link in links if _story_of(draft, link.article_id) == story_id and link.article_id != member.article_id]
    best, group = 0.0, None
    for article_id in near[:COMPARED]:
        other = draft.state.prints.get(article_id)
        held = 0.0 if other is None else containment(fingerprint, other)
        if held > best:
            nearest = draft.member(article_id)
            assert nearest is not None
            best, group = held, nearest.wire_group or article_id
    return group


def _index(draft: Draft, article_id: UUID, features: Features | None) -> None:
    """Let an article be found, unless its story has enough near-copies of it that are."""
    member = draft.member(article_id)
    assert member is not None
    assert member.story_id is not None
    if features is None:
        draft.drop_features(article_id)
        return
    group = member.wire_group
    known = article_id in draft.state.shelves
    if not known and group is not None and draft.roster(member.story_id).sources.copies_of(group) > draft.rules.copies_indexed:
        return
    draft.keep_features(member, features)


def _correct(draft: Draft, member: MemberRecord, features: Features | None) -> None:
    assert member.story_id is not None
    story = draft.story(member.story_id)
    assert story is not None
    if member.wire_group != member.article_id and story.status is StoryStatus.OPEN and features is not None:
        links = draft.state.shelves.links(Shelf.OPEN, member.language, features, member.event_at, time_known=member.time_known)
        member = replace(member, wire_group=_wire_group(draft, member, features, links, member.story_id))
    assert member.story_id is not None
    draft.revise(member.story_id, Reason.ARTICLE_CORRECTED, changed=[member])
    _index(draft, member.article_id, features)


def _withdraw(draft: Draft, article: EnrichedArticle, known: MemberRecord | None) -> None:
    """Take a withdrawn article out of its story's count. One that was never seen is remembered, lest an old version publish it."""
    if known is None:
        draft.put_member(replace(_record(draft, article, None, 0), present=False))
    elif known.story_id is None or not known.present:
        draft.put_member(replace(known, version=article.version))
    else:
        draft.drop_features(article.article_id)
        draft.revise(known.story_id, Reason.ARTICLE_REMOVED, gone=[replace(known, version=article.version, present=False)])


def _come_back(draft: Draft, member: MemberRecord, features: Features | None) -> None:
    assert member.story_id is not None
    draft.revise(member.story_id, Reason.ARTICLE_ADDED, back=[member])
    _index(draft, member.article_id, features)


def _make_room(draft: Draft) -> None:
    """Close the stories that have grown least lately while the index holds more articles than it may."""
    excess = draft.state.shelves.open_articles + 1 - draft.rules.open_articles_limit
    if excess <= 0:
        return
    for place, story_id in enumerate(draft.state.growth):
        story = draft.story(story_id)
        if excess <= 0 or place == ROOM_MADE:
            break
        if story is None or story_id in draft.effects.stories:
            continue
        for article_id in draft.roster(story_id).everyone():
            excess -= article_id in draft.state.shelves
            draft.drop_features(article_id)
        draft.revise(story_id, Reason.CLOSED, status=StoryStatus.CLOSED, retired=True, evidence=Evidence(note="too many articles are open"))
