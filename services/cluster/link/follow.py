"""Stories and articles as their topics tell of them, and the links that should be otherwise. Pure: no broker, no clock.

Which links there are is read from the stories themselves, so that nothing has to be remembered across a start. What was asked for
and isn't shown yet is not asked for again until `link_retry_s` have passed.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from services.cluster.link.config import LinkRules
from services.cluster.link.decide import Finding, Held, Likeness, decide_links
from services.cluster.link.profile import Traits, profile_of, traits_of
from shared.contracts import CrossLink, InputKind, Story, StoryInput, StoryStatus
from shared.kafka.decision import Output
from shared.topics import STORY_INPUTS

GONE_LIMIT: Final = 200_000
"""Stories that were merged away or emptied, the latest ones: only links to them need to be known."""
UNKNOWN_LANGUAGE: Final = "und"
"""A text whose language nobody knows is in no other language."""


@dataclass(frozen=True, slots=True)
class OpenStory:
    """An open story. `members`: its newest articles, at most 100. `partition`: where its inputs go."""

    language: str
    partition: int
    members: tuple[UUID, ...]
    first_at: datetime
    last_at: datetime
    article_count: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A finding that was sent and that its story doesn't show yet."""

    linked: bool
    other_count: int
    at: datetime


class Following:
    """Follows `story_inputs.v1` and `stories.v1`; `decide` says what follows for links."""

    def __init__(self, rules: LinkRules) -> None:
        """Begin knowing nothing."""
        self._rules = rules
        self._likeness = Likeness(rules)
        self._articles: OrderedDict[UUID, tuple[int, Traits]] = OrderedDict()
        self._stories: dict[UUID, OpenStory] = {}
        self._links: dict[UUID, Mapping[UUID, Held]] = {}
        self._linked_from: dict[UUID, set[UUID]] = {}
        self._lacking: dict[UUID, UUID] = {}
        """Members whose features aren't here (yet), and their stories."""
        self._gone: OrderedDict[UUID, None] = OrderedDict()
        self._asked: dict[UUID, dict[UUID, Asked]] = {}
        self._changed: dict[UUID, None] = {}
        self._closed_beside: set[UUID] = set()
        """Stories whose neighbours have changed, though they have not."""

    @property
    def waiting(self) -> int:
        """How many changed stories have not been looked at."""
        return len(self._changed)

    @property
    def open_stories(self) -> int:
        """How many open stories are known."""
        return len(self._stories)

    # What the topics tell

    def take_input(self, story_input: StoryInput) -> None:
        """Take an input of stories; only articles matter, and of a withdrawn one nothing is kept."""
        article = story_input.article
        if article is None:
            return
        version, _ = self._articles.get(article.article_id, (0, None))
        if article.version <= version:
            return
        self._articles.pop(article.article_id, None)
        if article.features is None:
            return
        self._articles[article.article_id] = (article.version, traits_of(article.features))
        story_id = self._lacking.pop(article.article_id, None)
        if story_id in self._stories:
            self._changed[story_id] = None
        while len(self._articles) > self._rules.link_articles_limit:
            self._articles.popitem(last=False)

    def take_story(self, story: Story, partition: int) -> None:
        """Take a story as it is now. `partition`: that of its record, where its inputs go too."""
        story_id = story.story_id
        self._forget_links(story_id)
        if story.status in {StoryStatus.MERGED, StoryStatus.EMPTY}:
            self._gone[story_id] = None
            self._changed.update(dict.fromkeys(self._linked_from.get(story_id, ())))
            while len(self._gone) > GONE_LIMIT:
                self._gone.popitem(last=False)
        else:
            self._gone.pop(story_id, None)
        if story.status is not StoryStatus.OPEN or story.language == UNKNOWN_LANGUAGE:
            self._let_go(story_id)
            return
        self._links[story_id] = {link.story_id: Held(link.language, link.article_count) for link in story.links}
        for other_id in self._links[story_id]:
            self._linked_from.setdefault(other_id, set()).add(story_id)
        self._settle(story_id)
        for article_id in self._members_of(story_id):
            self._lacking.pop(article_id, None)
        self._stories[story_id] = OpenStory(
            story.language,
            partition,
            tuple(member.article_id for member in story.members),
            story.first_published_at,
            story.last_published_at,
            story.article_count,
        )
        self._changed[story_id] = None

    def _members_of(self, story_id: UUID) -> tuple[UUID, ...]:
        known = self._stories.get(story_id)
        return () if known is None else known.members

    def _forget_links(self, story_id: UUID) -> None:
        for other_id in self._links.pop(story_id, {}):
            holders = self._linked_from[other_id]
            holders.discard(story_id)
            if not holders:
                del self._linked_from[other_id]

    def _let_go(self, story_id: UUID) -> None:
        for article_id in self._members_of(story_id):
            self._lacking.pop(article_id, None)
        self._stories.pop(story_id, None)
        self._asked.pop(story_id, None)
        self._changed.pop(story_id, None)
        self._closed_beside |= self._likeness.drop(story_id)

    def _settle(self, story_id: UUID) -> None:
        """Strike off what was asked for and is so now."""
        held = self._links[story_id]
        asked = self._asked.get(story_id, {})
        for other_id, entry in list(asked.items()):
            link = held.get(other_id)
            if (link is not None) == entry.linked and (link is None or link.article_count == entry.other_count):
                del asked[other_id]
        if not asked:
            self._asked.pop(story_id, None)

    # What follows

    def decide(self, now: datetime) -> list[Finding]:
        """Look at changed stories, a bounded number of them, and say which links should be otherwise."""
        self._ask_again(now)
        touched = {story_id for story_id in self._closed_beside if story_id in self._stories}
        self._closed_beside.clear()
        for story_id in list(islice(self._changed, self._rules.link_round_limit)):
            del self._changed[story_id]
            touched |= self._look_at(story_id)
        # Whether two are each other's best can also change by what the other's neighbours do.
        touched |= {other_id for story_id in touched for other_id in self._likeness.pairs_of(story_id)}
        touched |= {holder for story_id in touched for holder in self._linked_from.get(story_id, ())}
        findings = decide_links(sorted(touched), self._likeness, self._links, self._gone, self._rules)
        return [finding for finding in findings if self._is_new(finding)]

    def ask(self, findings: Iterable[Finding], now: datetime) -> list[Output]:
        """Give the inputs that carry findings to their stories, and remember that they were asked for."""
        outputs = []
        for finding in findings:
            story = self._stories[finding.story_id]
            asked = self._asked.setdefault(finding.story_id, {})
            asked[finding.other_story_id] = Asked(finding.linked, finding.other_count, now)
            outputs.append(Output(STORY_INPUTS, str(finding.story_id), _input_of(finding, now), story.partition))
        return outputs

    def _look_at(self, story_id: UUID) -> set[UUID]:
        story = self._stories.get(story_id)
        if story is None:
            return set()
        traits = []
        for article_id in story.members:
            known = self._articles.get(article_id)
            if known is None:
                self._lacking[article_id] = story_id
            else:
                traits.append(known[1])
        profile = profile_of(story_id, story.language, traits, story.first_at, story.last_at, story.article_count)
        if profile is None:
            return self._likeness.drop(story_id)
        held = [*self._links.get(story_id, ()), *self._linked_from.get(story_id, ())]
        return self._likeness.put(profile, held)

    def _is_new(self, finding: Finding) -> bool:
        asked = self._asked.get(finding.story_id, {}).get(finding.other_story_id)
        return asked is None or asked.linked != finding.linked

    def _ask_again(self, now: datetime) -> None:
        """Forget what was asked for too long ago, and look at its stories anew."""
        patience = timedelta(seconds=self._rules.link_retry_s)
        for story_id, asked in list(self._asked.items()):
            for other_id, entry in list(asked.items()):
                if now - entry.at >= patience:
                    del asked[other_id]
                    self._changed[story_id] = None
            if not asked:
                del self._asked[story_id]


def _input_of(finding: Finding, now: datetime) -> StoryInput:
    likely = 0.0 if finding.score is None else 1 / (1 + math.exp(-finding.score))
    return StoryInput(
        kind=InputKind.LINK,
        link=CrossLink(
            story_id=finding.story_id,
            other_story_id=finding.other_story_id,
            other_language=finding.other_language,
            other_article_count=finding.other_count if finding.linked else None,
            linked=finding.linked,
            score=round(likely, 4),
            at=now,
        ),
    )
