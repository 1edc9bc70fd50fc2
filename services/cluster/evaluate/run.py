"""Labelled articles through the service's own code, in one process."""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.cluster.assign.decide import AssignLogic
from services.cluster.config import StoryRules
from services.cluster.enrich.features import FeatureMaker
from services.cluster.evaluate.labelled import LabelledArticle
from services.cluster.link.config import LinkRules
from services.cluster.link.follow import Following
from shared import ids
from shared.contracts import ArticleStatus, Clock, EnrichedArticle, Features, InputKind, Publisher, Story, StoryInput, StoryUpdated

UNTIMED_FROM = datetime(2020, 1, 1, tzinfo=UTC)
"""When articles without a time are said to have been fetched, all of them: nothing must follow from it."""
CLOCK_EVERY = timedelta(hours=1)
"""Event time between two strikes of the clock; in the service it strikes each minute of the day."""
ENRICHED_TOGETHER = 32
"""Articles in a batch, as in the service; nothing follows from it but speed."""
LINK_EVERY = 100
"""Articles between two rounds of linking; in the service a round comes every few seconds."""
LINK_ROUNDS = 1_000
"""Rounds after the last article at most; linking settles in a few."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the articles. `stories`: each article's story where it lives at the end; `updates`: all that happened."""

    stories: list[UUID]
    updates: list[StoryUpdated]
    article_ids: list[UUID]
    links: dict[UUID, frozenset[UUID]]
    seconds: float
    enrich_seconds: float
    peak_memory_mb: float


def run_articles(
    articles: Sequence[LabelledArticle],
    maker: FeatureMaker,
    *,
    use_time: bool = True,
    rules: StoryRules | None = None,
    features: Sequence[Features] | None = None,
    cross_lingual: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Enrich and assign articles in their order.

    `features`: made already, then only decisions are timed. `cross_lingual`: link stories across languages too. `advance` is told
    the number of articles done.
    """
    logic = AssignLogic(0, StoryRules() if rules is None else rules)
    updates: list[StoryUpdated] = []
    known: list[UUID] = []
    homes: dict[UUID, UUID] = {}
    redirects: dict[UUID, UUID] = {}
    links: dict[UUID, frozenset[UUID]] = {}
    following = Following(LinkRules()) if cross_lingual else None
    now, struck, enriching = UNTIMED_FROM, None, 0.0
    made: list[Features] = []
    began = time.perf_counter()

    def take(story_input: StoryInput) -> None:
        if following is not None:
            following.take_input(story_input)
        decision = logic.decide_input(story_input)
        logic.apply(decision)
        for output in decision.outputs:
            if isinstance(output.value, StoryUpdated):
                update = output.value
                updates.append(update)
                homes.update(dict.fromkeys(update.articles_added, update.story_id))
                if update.redirect_to is not None:
                    redirects[update.story_id] = update.redirect_to
            elif isinstance(output.value, Story):
                links[output.value.story_id] = frozenset(link.story_id for link in output.value.links)
                if following is not None:
                    following.take_story(output.value, 0)

    def link_up(rounds: int) -> None:
        for _ in range(rounds if following is not None else 0):
            assert following is not None
            findings = following.decide(now)
            for output in following.ask(findings, now):
                assert isinstance(output.value, StoryInput)
                take(output.value)
            if not findings and not following.waiting:
                break

    for place, article in enumerate(articles):
        published_at = article.published_at if use_time else None
        if published_at is not None:
            now = published_at
            if struck is None or now - struck >= CLOCK_EVERY:
                take(StoryInput(kind=InputKind.CLOCK, clock=Clock(at=now)))
                struck = now
        if features is None and place % ENRICHED_TOGETHER == 0:
            started = time.perf_counter()
            batch = articles[place : place + ENRICHED_TOGETHER]
            made = maker.features_of([(article.title, article.text, article.language) for article in batch])
            enriching += time.perf_counter() - started
        own = made[place % ENRICHED_TOGETHER] if features is None else features[place]
        enriched = _enriched(place, article, own, published_at, now)
        take(StoryInput(kind=InputKind.ARTICLE, article=enriched))
        known.append(enriched.article_id)
        if place % LINK_EVERY == LINK_EVERY - 1:
            link_up(1)
        advance(place + 1)
    link_up(LINK_ROUNDS)
    links = {story_id: frozenset(_home(other, redirects) for other in others) for story_id, others in links.items()}
    seconds = time.perf_counter() - began
    stories = [_home(homes[article_id], redirects) for article_id in known]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Outcome(stories, updates, known, links, seconds, enriching, peak)


def _home(story_id: UUID, redirects: dict[UUID, UUID]) -> UUID:
    """Follow redirects, as a consumer does."""
    while story_id in redirects:
        story_id = redirects[story_id]
    return story_id


def _enriched(place: int, article: LabelledArticle, features: Features, published_at: datetime | None, now: datetime) -> EnrichedArticle:
    source = article.source or "unknown.invalid"
    return EnrichedArticle(
        article_id=ids.article_id(f"urn:slugline:evaluate:{place}:{article.article_id}"),
        version=1,
        status=ArticleStatus.PUBLISHED,
        title=article.title[:2_000],
        url=article.url[:2_000] or f"https://unknown.invalid/{place}",
        publisher=Publisher(id=source[:255], name=source[:2_000]),
        language=article.language,
        published_at=published_at,
        fetched_at=now,
        features=features,
    )
