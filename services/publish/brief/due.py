"""Decide what a story's brief needs, from the rows as they are now."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from services.publish.brief.source import Source
from shared.contracts import Brief, Story, StoryStatus

COMPOSER: Final = 2
"""Raised when the composing changes so that briefs made before should be made anew when their story is next touched."""
EXPECTED: Final = timedelta(days=1)
"""An article fetched within it must have its row soon; an older one may have left its topic."""
PRODUCED: Final = timedelta(minutes=2)
"""A brief that was produced should be a row by then; until then it is not made again."""
UNTOLD: Final = frozenset({StoryStatus.MERGED, StoryStatus.EMPTY})


class Need(Enum):
    """What to do about a story's brief."""

    NOTHING = "nothing"
    COMPOSE = "compose"
    REMOVE = "remove"
    WAIT = "wait"
    """Rows that it needs have still to come."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one story."""

    story: Story | None
    brief: Brief | None
    sources: tuple[Source, ...]
    """Present members with the text of their version or a later one, by number."""
    missing: tuple[datetime, ...]
    """When those present members were fetched whose text has not come."""
    failed_revision: int | None
    fingerprint: str | None
    """Of what the brief was last made from."""
    made_at: datetime | None
    touched_at: datetime
    place: tuple[int, int, datetime]
    """Where the story's record stood (partition and offset) and when it was appended; zeros where there is none."""


def fingerprint(facts: Facts) -> str:
    """Name what a brief would be made from, so that equal names mean equal briefs."""
    story = facts.story
    assert story is not None
    parts = [str(COMPOSER), str(story.revision), *(f"{source.number}:{source.article_id}:{source.version}" for source in facts.sources)]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def decide(facts: Facts, *, now: datetime, text_wait: timedelta, rows_current: bool) -> Need:
    """Say what the story's brief needs.

    While the rows are not current (they are being read anew), what is absent may only be late: nothing is removed, and
    texts are waited for.
    """
    story, brief = facts.story, facts.brief
    if story is None or story.status in UNTOLD or story.article_count == 0:
        if brief is None:
            return Need.NOTHING
        return Need.REMOVE if rows_current else Need.WAIT
    if facts.failed_revision is not None and facts.failed_revision >= story.revision:
        return Need.NOTHING
    if not facts.sources and not facts.missing:
        # The story counts articles whose member records have still to come; each touches the story again.
        return Need.NOTHING
    if facts.missing and _worth_waiting(facts, now, text_wait, rows_current=rows_current):
        return Need.WAIT
    if facts.fingerprint == fingerprint(facts):
        told = brief is not None and brief.story_revision >= story.revision
        if told or (facts.made_at is not None and now - facts.made_at < PRODUCED):
            return Need.NOTHING
    return Need.COMPOSE


def _worth_waiting(facts: Facts, now: datetime, text_wait: timedelta, *, rows_current: bool) -> bool:
    if not rows_current:
        return True
    return now - facts.touched_at < text_wait and any(now - fetched_at < EXPECTED for fetched_at in facts.missing)


def to_story(row: Any) -> Story:
    """Make the message of a `stories` row; the list of members is not among its columns."""
    return Story.model_validate({name: row[name] for name in _STORY_FIELDS})


_STORY_FIELDS: Final = (
    "story_id",
    "revision",
    "status",
    "headline",
    "headline_article_id",
    "language",
    "article_count",
    "publisher_count",
    "first_published_at",
    "last_published_at",
    "redirect_to",
    "pinned",
    "links",
)
