"""Articles grouped anew: the service's own decisions, over history in the order in which it came. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.cluster.assign.articles import take_article
from services.cluster.assign.clock import strike
from services.cluster.assign.decide import AssignLogic
from services.cluster.assign.draft import Draft
from services.cluster.assign.records import Tie
from services.cluster.assign.state import Effects
from services.cluster.config import StoryRules
from shared.contracts import Clock, EnrichedArticle

CLOCK_EVERY: Final = timedelta(hours=1)
"""Of arrival time; in the service the clock strikes every minute, but stories close after days."""
FOREVER_DAYS: Final = 36_500.0
NO_LIMIT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Past:
    """An article of the history: its latest version, and when its first one came."""

    article: EnrichedArticle
    first_fetched_at: datetime
    seq: int
    """Its place in the order in which the live system had it."""


def in_order(history: Iterable[Past]) -> list[Past]:
    """Put articles into the order in which they came."""
    return sorted(history, key=lambda past: (past.first_fetched_at, past.seq, past.article.article_id))


def regroup(
    partition: int,
    history: Sequence[Past],
    ties: Mapping[tuple[UUID, UUID], Tie],
    owners: Mapping[str, str],
    rules: StoryRules,
    *,
    make_logic: Callable[[int, StoryRules], AssignLogic] = AssignLogic,
    advance: Callable[[int], None] = lambda _: None,
) -> dict[UUID, UUID]:
    """Group articles that are in order; gives each one's group, named by a story's id of this run alone.

    Editors' ties bind the second looks here, and `constrain` binds the outcome. Nothing is forgotten meanwhile, whatever the rules say.
    """
    logic = make_logic(partition, rules.model_copy(update={"keep_days": FOREVER_DAYS, "sweep_limit": NO_LIMIT}))
    logic.state.take(Effects(ties=dict(ties), owners=dict(owners)))
    struck: datetime | None = None
    for number, past in enumerate(history):
        if struck is None or past.first_fetched_at - struck >= CLOCK_EVERY:
            struck = past.first_fetched_at
            with Draft(logic.state, partition) as draft:
                strike(draft, Clock(at=struck))
                effects = draft.effects
            logic.state.take(effects)
        with Draft(logic.state, partition) as draft:
            take_article(draft, past.article)
            effects = draft.effects
        logic.state.take(effects)
        if number % 64 == 63:
            advance(number + 1)
    advance(len(history))
    return dict(_groups(logic))


def _groups(logic: AssignLogic) -> Iterator[tuple[UUID, UUID]]:
    for article_id, member in logic.state.members.items():
        if member.story_id is not None and member.present:
            yield article_id, member.story_id
