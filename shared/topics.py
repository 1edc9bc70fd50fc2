"""The table of topics: names, keys, partitions, cleanup and limits stand here alone.

Repartitioning `story_inputs.v1` (and the topics that share its partitions) is a documented operation, never automatic:
stories live where their language's inputs are.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.contracts import Article, Brief, DeadLetter, Discovery, Feed, Member, Message, Story, StoryInput, StoryUpdated

DAY_MS: Final = 86_400_000
MAX_MESSAGE_BYTES: Final = 1_048_576
"""Kafka's default limit of a record batch; every message of ours stays below it."""
DEAD_LETTER_BYTES: Final = 4 * MAX_MESSAGE_BYTES
"""A dead letter holds a whole input in base64."""
STORY_PARTITIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `config` holds the settings that differ from the broker's defaults and that `topics check` compares."""

    name: str
    key: str
    partitions: int
    contract: type[Message] | None
    holds: str
    config: Mapping[str, str] = field(default_factory=dict)


COMPACTED_WITHIN_MS: Final = 7 * DAY_MS
"""A record that a later one has replaced, or that was erased, is gone from its log within so long (and as long as its segment was open)."""


def _compact(**more: str) -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "max.compaction.lag.ms": str(COMPACTED_WITHIN_MS),
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        **_dotted(more),
    }


def _delete(days: int, **more: str) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS), "max.message.bytes": str(MAX_MESSAGE_BYTES), **_dotted(more)}


def _dotted(settings: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "."): value for name, value in settings.items()}


FEEDS = Topic(
    "feeds.v1",
    "feed_id; the partition is that of its URL's host (lower case, no www)",
    8,
    Feed,
    "feeds as their owners defined them",
    _compact(),
)
DISCOVERIES = Topic("discoveries.v1", "article host", 8, Discovery, "items as feeds gave them, and whole articles", _delete(2))
ARTICLES = Topic(
    "articles.v1",
    "article_id",
    8,
    Article,
    "articles in all versions, then in the latest",
    _delete(30, min_compaction_lag_ms=str(7 * DAY_MS), max_compaction_lag_ms=str(14 * DAY_MS)) | {"cleanup.policy": "compact,delete"},
)
STORY_INPUTS = Topic(
    "story_inputs.v1",
    "article or story id; the partition is the language's",
    STORY_PARTITIONS,
    StoryInput,
    "enriched articles, commands, links and the clock, in one order",
    _delete(7),
)
STORY_UPDATES = Topic(
    "story_updates.v1", "story_id; the partition of its input", STORY_PARTITIONS, StoryUpdated, "every revision of every story", _delete(30)
)
STORIES = Topic("stories.v1", "story_id; the same partition", STORY_PARTITIONS, Story, "stories as they are now", _compact())
STORY_MEMBERS = Topic(
    "story_members.v1",
    "article_id; the same partition",
    STORY_PARTITIONS,
    Member,
    "articles' places in stories as they are now",
    _compact(),
)
STORY_BRIEFS = Topic("story_briefs.v1", "story_id", 8, Brief, "cited briefs as they are now", _compact())
DEAD_LETTERS = Topic(
    "dead_letters.v1",
    "origin's key",
    4,
    DeadLetter,
    "inputs that could not be handled",
    _delete(30) | {"max.message.bytes": str(DEAD_LETTER_BYTES)},
)
POLL_STATE = Topic("poll-state.v1", "as feeds.v1", FEEDS.partitions, None, "private to poll: its changelog", _compact())
FETCH_STATE = Topic("fetch-state.v1", "as discoveries.v1", DISCOVERIES.partitions, None, "private to fetch: its changelog", _compact())
FETCH_CONTROL = Topic(
    "fetch-control.v1", "`all`, or an outlet", 1, None, "private to poll and fetch: what is held back by command", _compact()
)
ASSIGN_STATE = Topic("assign-state.v1", "as story_inputs.v1", STORY_PARTITIONS, None, "private to assign: its changelog", _compact())

ALL: Final = (
    FEEDS,
    DISCOVERIES,
    ARTICLES,
    STORY_INPUTS,
    STORY_UPDATES,
    STORIES,
    STORY_MEMBERS,
    STORY_BRIEFS,
    DEAD_LETTERS,
    POLL_STATE,
    FETCH_STATE,
    FETCH_CONTROL,
    ASSIGN_STATE,
)

LANGUAGE_PARTITIONS: Final[Mapping[str, int]] = {
    "en": 0,
    "es": 1,
    "de": 2,
    "fr": 3,
    "pt": 4,
    "it": 4,
    "ru": 5,
    "ar": 5,
    "zh": 6,
    "ja": 6,
    "ko": 6,
}
"""The declared home of each language. A busy language has a partition alone; the others share the last one."""
OTHER_LANGUAGES_PARTITION: Final = STORY_PARTITIONS - 1


def language_partition(language: str) -> int:
    """Give the partition of `story_inputs.v1` that holds a language's stories."""
    return LANGUAGE_PARTITIONS.get(language, OTHER_LANGUAGES_PARTITION)


def key_partition(key: str, topic: Topic) -> int:
    """Give a key's partition: CRC-32 of its UTF-8 bytes, so that every producer of ours, in any language, agrees."""
    return zlib.crc32(key.encode()) % topic.partitions
