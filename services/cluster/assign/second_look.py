"""What the second look proposes: small stories are seen again in the light of what came after them.

A large story has proved itself, so looking again at it costs much and repairs little: measured, moving members of large stories
changes nothing and merging large stories does harm. The work is one search of the index for each recent article at most,
and four for a new one.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from services.cluster.assign.index import Link
from services.cluster.assign.join import NEAREST, score_of
from services.cluster.assign.proposals import Merge, Move, Proposal, Split, View
from services.cluster.assign.shelves import Index

SMALL: Final = 8
"""Members of a story that is looked at again."""
MERGE_AT: Final = 0.55
"""Mean score of a small story's members for another story at which the two merge; a merge is seldom undone."""
APART_FROM: Final = 4
APART_TO: Final = 12
"""Members of a story that may be split."""
TOGETHER_AT: Final = 0.5
"""Probability that holds two members together; a chain of such is enough."""
ASKED_AROUND: Final = 4
ASKED_FROM: Final = 0.35
"""So many articles of other stories are asked again because a new one resembles them with this probability."""
MOVE_MARGIN: Final = 0.1
"""By how much another story must score better than its own before an article moves: hysteresis against flapping."""

_Scores: TypeAlias = dict[UUID, tuple[float, tuple[UUID, ...]]]
"""Stories' scores for an article, and the links that speak for each, best first."""


def propose(view: View) -> Iterable[Proposal]:
    """Propose merges and moves of small stories, the surest first. Depends on the view alone."""
    proposals: list[Proposal] = []
    seen: set[UUID] = set()
    for article_id in view.recent:
        story_id = view.story_of(article_id)
        if story_id is None or story_id in seen or view.size_of(story_id) > SMALL:
            continue
        seen.add(story_id)
        proposals += _of_story(view, story_id)
    return sorted(proposals, key=lambda proposal: -proposal.score)


def split_what_is_apart(view: View) -> Iterable[Proposal]:
    """Propose to split the stories of recent articles that no chain of probable links holds together, into the two largest parts."""
    for story_id in dict.fromkeys(map(view.story_of, view.recent)):
        if story_id is None or not APART_FROM <= view.size_of(story_id) <= APART_TO:
            continue
        members = view.members_of(story_id, APART_TO)
        likeness = None if len(members) < APART_FROM else _likeness(view.index, members)
        if likeness is None:
            continue
        parts = sorted(_parts(np.maximum(likeness, likeness.T) >= TOGETHER_AT), key=lambda part: (-len(part), part))
        if len(parts) > 1 and len(parts[1]) > 1:
            between = float(likeness[np.ix_(parts[0], parts[1])].max())
            yield Split(story_id, tuple(members[place] for place in parts[1]), 1.0 - between, tuple(members[place] for place in parts[0]))


def bring_home(view: View) -> Iterable[Proposal]:
    """Propose to move what resembles a new article out of small stories, where it belongs better elsewhere by now.

    An event's first article may have gone to a look-alike's story, for want of its own.
    """
    [new] = view.recent
    asked = 0
    for link in view.links:
        if link.probability < ASKED_FROM or asked == ASKED_AROUND:
            return
        story_id = view.story_of(link.article_id)
        if story_id in (None, view.story_of(new)) or view.size_of(story_id) > SMALL:
            continue
        asked += 1
        links = [*view.index.links_of(link.article_id), Link(new, link.probability)]
        by_story = _scores(view, sorted(links, key=lambda found: -found.probability), story_id)
        move = _move(view, link.article_id, story_id, by_story)
        if move is not None:
            yield move


def _likeness(index: Index, members: Sequence[UUID]) -> npt.NDArray[np.float32] | None:
    """Give how likely each two members tell the same event, row by row as each sees the others: (n, n), 1 in the diagonal.

    None where a chain leads from the first to all others but one at most, so that there are no two parts; then not all are asked.
    """
    table = np.ones((len(members), len(members)), np.float32)

    def ask(row: int) -> None:
        table[row, np.arange(len(members)) != row] = index.likeness(members[row], [*members[:row], *members[row + 1 :]])

    left, reached = list(range(1, len(members))), [0]
    for row in reached:
        ask(row)
        reached += [other for other in left if table[row, other] >= TOGETHER_AT]
        left = [other for other in left if table[row, other] < TOGETHER_AT]
        if len(left) < 2:
            return None
    for row in left:
        ask(row)
    return table


def _parts(linked: npt.NDArray[np.bool_]) -> list[list[int]]:
    """Give the connected parts of a symmetric relation (n, n), each in ascending order."""
    left, parts = set(range(len(linked))), []
    while left:
        part = {min(left)}
        while (grown := set(np.flatnonzero(linked[sorted(part)].any(axis=0)).tolist())) != part:
            part = grown
        parts.append(sorted(part))
        left -= part
    return parts


def _of_story(view: View, story_id: UUID) -> Iterator[Proposal]:
    members = view.members_of(story_id, SMALL)
    if not members:
        return
    scores = [_scores(view, view.index.links_of(member), story_id) for member in members]
    others = dict.fromkeys(other for by_story in scores for other in by_story if other != story_id)
    means = {other: sum(by_story.get(other, (0.0, ()))[0] for by_story in scores) / len(scores) for other in others}
    best = max(means, key=lambda other: means[other], default=None)
    needed = view.join_at if len(members) == 1 else MERGE_AT
    if best is not None and means[best] >= needed and view.size_of(best) >= view.size_of(story_id):
        nearest = tuple(article for by_story in scores for article in by_story.get(best, (0.0, ()))[1])
        yield Merge(story_id, best, means[best], nearest[:NEAREST])
        return
    if len(members) == 1:
        return
    for member, by_story in zip(members, scores, strict=True):
        move = _move(view, member, story_id, by_story)
        if move is not None:
            yield move
            return


def _move(view: View, article_id: UUID, own: UUID, by_story: _Scores) -> Move | None:
    """Move an article to the story that scores best for it, if that is better than its own by enough."""
    here = by_story.get(own, (0.0, ()))[0]
    into = max((other for other in by_story if other != own), key=lambda other: by_story[other][0], default=None)
    if into is None or by_story[into][0] < max(view.join_at, here + MOVE_MARGIN):
        return None
    return Move(article_id, into, by_story[into][0], by_story[into][1][:NEAREST])


def _scores(view: View, links: Sequence[Link], own: UUID) -> _Scores:
    """Give each linked story's score for a member of `own`, and its articles, best first."""
    by_story: dict[UUID, list[Link]] = {}
    for link in links:
        story_id = view.story_of(link.article_id)
        if story_id is not None:
            by_story.setdefault(story_id, []).append(link)
    return {
        story_id: (
            score_of([link.probability for link in theirs], view.size_of(story_id) - (story_id == own)),
            tuple(link.article_id for link in theirs),
        )
        for story_id, theirs in by_story.items()
    }
