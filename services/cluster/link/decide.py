"""Which stories tell the same event in different languages. Pure: what it is told and in which order decides alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import numpy as np

from services.cluster.link.config import LinkRules
from services.cluster.link.profile import Profile
from services.cluster.link.score import gap, log_odds
from services.cluster.link.shelf import Shelf

_GREW = 1.5
"""A story that has grown or shrunk by this factor since its links last said its size has it said again."""


@dataclass(frozen=True, slots=True)
class Held:
    """A link as a story shows it."""

    language: str
    article_count: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A link that a story should get, lose, or tell anew with the other's size.

    `score`: log-odds; None where they are too low to be kept, or the other is gone.
    """

    story_id: UUID
    other_story_id: UUID
    other_language: str
    linked: bool
    other_count: int
    score: float | None


class Likeness:
    """Stories by their profiles, and between those that could be the same event, how likely that is.

    Only pairs that a held link could live with are kept, so each story has few. A change of one story costs a product with
    the stories of each other language and a close comparison of the nearest few.
    """

    def __init__(self, rules: LinkRules) -> None:
        """Begin without stories."""
        self._rules = rules
        self._shelves: dict[str, Shelf] = defaultdict(Shelf)
        self._commonness: Counter[str] = Counter()
        self._pairs: dict[UUID, dict[UUID, float]] = {}
        self.profiles: dict[UUID, Profile] = {}

    def put(self, profile: Profile, held: Iterable[UUID] = ()) -> set[UUID]:
        """Take a story in or anew and compare it; gives the stories whose likeness to others has changed. `held`: its links."""
        known = self.profiles.get(profile.story_id)
        if known is not None and known.tells_like(profile):
            self.profiles[profile.story_id] = profile
            return {profile.story_id}
        changed = self.drop(profile.story_id)
        self.profiles[profile.story_id] = profile
        self._shelves[profile.language].put(profile)
        self._commonness.update(profile.names)
        self._pairs[profile.story_id] = pairs = self._compare(profile, held)
        for other_id, score in pairs.items():
            self._pairs[other_id][profile.story_id] = score
        return changed | set(pairs) | {profile.story_id}

    def drop(self, story_id: UUID) -> set[UUID]:
        """Let a story go; gives those that were like it."""
        profile = self.profiles.pop(story_id, None)
        if profile is None:
            return set()
        self._shelves[profile.language].drop(story_id)
        for name in profile.names:
            self._commonness[name] -= 1
            if not self._commonness[name]:
                del self._commonness[name]
        pairs = self._pairs.pop(story_id)
        for other_id in pairs:
            del self._pairs[other_id][story_id]
        return set(pairs)

    def pairs_of(self, story_id: UUID) -> Mapping[UUID, float]:
        """Give the stories in other languages that may be the same event, with their log-odds."""
        return self._pairs.get(story_id, {})

    def _compare(self, profile: Profile, held: Iterable[UUID]) -> dict[UUID, float]:
        near: dict[UUID, float] = {}
        for language, shelf in self._shelves.items():
            if language != profile.language:
                near.update(shelf.nearest(profile, self._rules.link_candidates, self._rules.link_window_h))
        window = timedelta(hours=self._rules.link_window_h)
        for other_id in held:
            other = self.profiles.get(other_id)
            if other is not None and other_id not in near and other.language != profile.language and gap(profile, other) <= window:
                near[other_id] = float(np.dot(profile.vector, other.vector))
        floor = self._rules.link_at - self._rules.unlink_margin
        scores = {
            other_id: log_odds(profile, self.profiles[other_id], cosine, self._commonness, len(self.profiles))
            for other_id, cosine in near.items()
        }
        return {other_id: score for other_id, score in scores.items() if score >= floor}


def decide_links(
    story_ids: Iterable[UUID],
    likeness: Likeness,
    links: Mapping[UUID, Mapping[UUID, Held]],
    gone: Iterable[UUID],
    rules: LinkRules,
) -> list[Finding]:
    """Say for each story which of its links should be otherwise.

    `links`: what each story shows now; `gone`: stories that live no more under their id. Two stories are linked where each is
    the other's best in its language and their log-odds reach `link_at`; `unlink_margin` is added where either side shows the link,
    and where a third story is linked with both. A linked story that is neither here nor gone (it closed) is left alone.
    """
    gone = frozenset(gone)
    findings = []
    for story_id in story_ids:
        profile = likeness.profiles.get(story_id)
        if profile is None:
            continue
        held = links.get(story_id, {})
        wanted = _wanted(story_id, likeness, links, rules)
        for other_id, link in held.items():
            other = likeness.profiles.get(other_id)
            if other_id in gone or (other is not None and other_id not in wanted):
                score = likeness.pairs_of(story_id).get(other_id)
                findings.append(Finding(story_id, other_id, link.language, linked=False, other_count=0, score=score))
        for other_id, score in wanted.items():
            other = likeness.profiles[other_id]
            if other_id not in gone and (other_id not in held or _differs(held[other_id].article_count, other.article_count)):
                findings.append(Finding(story_id, other_id, other.language, linked=True, other_count=other.article_count, score=score))
    return findings


def _wanted(story_id: UUID, likeness: Likeness, links: Mapping[UUID, Mapping[UUID, Held]], rules: LinkRules) -> dict[UUID, float]:
    """Give the stories that a story should be linked with, and their log-odds."""
    wanted = {}
    for language in {likeness.profiles[other_id].language for other_id in likeness.pairs_of(story_id)}:
        best = _best(story_id, language, likeness, links, rules)
        if best is not None and _best(best, likeness.profiles[story_id].language, likeness, links, rules) == story_id:
            wanted[best] = likeness.pairs_of(story_id)[best]
    return dict(sorted(wanted.items(), key=lambda item: (-item[1], item[0])))


def _best(story_id: UUID, language: str, likeness: Likeness, links: Mapping[UUID, Mapping[UUID, Held]], rules: LinkRules) -> UUID | None:
    """Give the story in a language that is most likely the same event, if any is likely enough."""
    own = links.get(story_id, {})

    def strength(other_id: UUID, score: float) -> float:
        theirs = links.get(other_id, {})
        vouched = other_id in own or story_id in theirs or not own.keys().isdisjoint(theirs)
        return score + (rules.unlink_margin if vouched else 0)

    ranked = [
        (strength(other_id, score), other_id)
        for other_id, score in likeness.pairs_of(story_id).items()
        if likeness.profiles[other_id].language == language
    ]
    reached = [entry for entry in ranked if entry[0] >= rules.link_at]
    return max(reached)[1] if reached else None


def _differs(told: int, present: int) -> bool:
    return present >= told * _GREW or present * _GREW <= told if present != told else False
