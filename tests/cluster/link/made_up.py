"""Stories of made-up events, as assign would tell of them, and a stand-in for assign that takes links as it does."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

from services.cluster.enrich.features import FeatureMaker
from services.cluster.link.config import LinkRules
from services.cluster.link.decide import Finding
from services.cluster.link.follow import Following
from shared import ids
from shared.contracts import (
    ArticleStatus,
    EnrichedArticle,
    Features,
    InputKind,
    MemberRef,
    Publisher,
    Story,
    StoryInput,
    StoryLink,
    StoryStatus,
)
from shared.topics import language_partition
from tests.cluster.link.events import EVENTS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@cache
def maker() -> FeatureMaker:
    return FeatureMaker()


@cache
def features(event: str, language: str) -> Features:
    title, lead = EVENTS[event][language]
    return maker().features(title, lead, language)


def article_uuid(name: str) -> UUID:
    return ids.article_id(f"https://outlet.example/{name}")


def story_uuid(name: str) -> UUID:
    return ids.story_id(article_uuid(f"{name}/0"), 1)


def article(name: str, made: Features | None, language: str, *, version: int = 1) -> StoryInput:
    """Make an article's input; without features it is withdrawn."""
    return StoryInput(
        kind=InputKind.ARTICLE,
        article=EnrichedArticle(
            article_id=article_uuid(name),
            version=version,
            status=ArticleStatus.WITHDRAWN if made is None else ArticleStatus.PUBLISHED,
            title=name,
            url=f"https://outlet.example/{name}",
            publisher=Publisher(id="outlet.example", name="Outlet"),
            language=language,
            fetched_at=NOON,
            features=made,
        ),
    )


class World:
    """Assign's side: stories, and what findings make of their links. What it tells, `following` hears."""

    def __init__(self, **rules: float) -> None:
        self.rules = LinkRules.load(**rules)
        self.following = Following(self.rules)
        self.stories: dict[UUID, Story] = {}
        self.inputs: list[StoryInput] = []
        self.now = NOON

    def tell(
        self,
        name: str,
        event: str,
        language: str,
        *,
        articles: int = 1,
        hours: float = 0,
        status: StoryStatus = StoryStatus.OPEN,
        made: Sequence[Features] | None = None,
        redirect_to: str | None = None,
    ) -> UUID:
        """Tell of a story and its articles."""
        story_id = story_uuid(name)
        for number in range(articles):
            one = features(event, language) if made is None else made[number]
            self.inputs.append(article(f"{name}/{number}", one, language))
            self.following.take_input(self.inputs[-1])
        at = NOON + timedelta(hours=hours)
        known = self.stories.get(story_id)
        self.show(
            Story(
                story_id=story_id,
                revision=1 if known is None else known.revision + 1,
                status=status,
                headline=name,
                language=language,
                article_count=articles,
                publisher_count=1,
                first_published_at=at,
                last_published_at=at,
                links=() if known is None else known.links,
                redirect_to=None if redirect_to is None else story_uuid(redirect_to),
                members=tuple(MemberRef(article_id=article_uuid(f"{name}/{number}"), number=number + 1) for number in range(articles)),
            )
        )
        return story_id

    def show(self, story: Story) -> None:
        """Have a story as it is now told."""
        self.stories[story.story_id] = story
        self.following.take_story(story, language_partition(story.language))

    def decide(self) -> list[Finding]:
        """Run one round without telling anybody."""
        return self.following.decide(self.now)

    def round(self) -> list[Finding]:
        """Run one round and have stories take what follows."""
        findings = self.decide()
        for output in self.following.ask(findings, self.now):
            assert isinstance(output.value, StoryInput)
            assert output.value.link is not None
            link = output.value.link
            story = self.stories[link.story_id]
            assert output.partition == language_partition(story.language)
            others = tuple(held for held in story.links if held.story_id != link.other_story_id)
            if link.linked:
                entry = StoryLink(story_id=link.other_story_id, language=link.other_language, article_count=link.other_article_count or 0)
                others = (*others, entry)
            self.show(story.model_copy(update={"links": others, "revision": story.revision + 1}))
        self.now += timedelta(seconds=3)
        return findings

    def settle(self, rounds: int = 10) -> None:
        """Run rounds until none finds anything."""
        for _ in range(rounds):
            if not self.round() and not self.following.waiting:
                return
        msg = f"still finding after {rounds} rounds"
        raise AssertionError(msg)

    def pairs(self) -> set[frozenset[UUID]]:
        """Give the pairs that are linked on both sides; a link on one side alone is a fault."""
        shown = {(story.story_id, link.story_id) for story in self.stories.values() for link in story.links}
        assert shown == {(other, one) for one, other in shown}
        return {frozenset(pair) for pair in shown}

    def links_of(self, story_id: UUID) -> dict[UUID, int]:
        return {link.story_id: link.article_count for link in self.stories[story_id].links}


def pair(one: str, other: str) -> frozenset[UUID]:
    return frozenset((story_uuid(one), story_uuid(other)))


def restarted(world: World, *, order: Iterable[UUID] | None = None) -> Following:
    """Give a new process' view of the same topics."""
    following = Following(world.rules)
    for story_input in world.inputs:
        following.take_input(story_input)
    for story_id in order or world.stories:
        following.take_story(world.stories[story_id], language_partition(world.stories[story_id].language))
    return following
