"""How long articles, texts, stories, updates and dead letters live: settings, and what they make of the table of topics."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pydantic import Field, field_validator

from shared.settings import Settings
from shared.topics import (
    ALL,
    ARTICLES,
    DAY_MS,
    DEAD_LETTERS,
    DISCOVERIES,
    STORIES,
    STORY_BRIEFS,
    STORY_INPUTS,
    STORY_MEMBERS,
    STORY_UPDATES,
    Topic,
)

KEPT_BY: Final[Mapping[str, str]] = {
    DISCOVERIES.name: "keep_discoveries_days",
    STORY_INPUTS.name: "keep_inputs_days",
    ARTICLES.name: "keep_articles_days",
    STORY_UPDATES.name: "keep_updates_days",
    DEAD_LETTERS.name: "keep_dead_letters_days",
    STORIES.name: "keep_stories_days",
    STORY_MEMBERS.name: "keep_stories_days",
    STORY_BRIEFS.name: "keep_stories_days",
}
"""The setting that says how long a topic keeps its records; the other topics are for ever."""
LEAST_STORY_DAYS: Final = 45
"""Assign knows a story for up to 37 days after its last article; a story that is gone earlier could still change."""


class RetentionSettings(Settings):
    """Days that things are kept. Topics take them by `slugline topics apply`, rows by the materialiser. 0 is for ever, where it says so."""

    keep_discoveries_days: float = Field(default=2, ge=0.1, description="discoveries.v1: what fetch may be behind")
    keep_inputs_days: float = Field(default=7, ge=0.1, description="story_inputs.v1: what assign may be behind, and features for a rebuild")
    keep_articles_days: float = Field(default=30, ge=1, description="articles.v1 with their texts: how far back a rebuild reaches")
    keep_updates_days: float = Field(default=30, ge=1, description="story_updates.v1: how far behind a consumer may be")
    keep_dead_letters_days: float = Field(default=30, ge=1, description="dead_letters.v1")
    keep_stories_days: float = Field(
        default=0,
        ge=0,
        description=f"stories since their last change, in topics and rows; 0 is for ever, else {LEAST_STORY_DAYS} or more",
    )
    keep_texts_days: float = Field(
        default=90, ge=0, description="texts in rows; titles and summaries stay as long as the article; 0 is for ever"
    )
    keep_article_rows_days: float = Field(default=365, ge=0, description="rows of articles; 0 is for ever")
    keep_history_days: float = Field(default=365, ge=0, description="rows of stories' revisions; 0 is for ever")
    retain_interval_s: float = Field(default=3_600, gt=0, description="how often the materialiser looks for rows that have had their time")
    retain_batch_rows: int = Field(
        default=1_000, ge=1, le=100_000, description="rows deleted in one transaction: more is faster, and holds locks longer"
    )
    retain_pause_s: float = Field(default=0.1, ge=0, description="pause between two such transactions")

    @field_validator("keep_stories_days")
    @classmethod
    def _outlives(cls, days: float) -> float:
        if 0 < days < LEAST_STORY_DAYS:
            msg = f"must be 0 or at least {LEAST_STORY_DAYS}: assign may still change younger stories"
            raise ValueError(msg)
        return days


def topics_kept(settings: RetentionSettings) -> tuple[Topic, ...]:
    """Give the table of topics with these retentions."""
    return tuple(_kept(topic, getattr(settings, KEPT_BY[topic.name])) if topic.name in KEPT_BY else topic for topic in ALL)


def _kept(topic: Topic, days: float) -> Topic:
    if topic.config["cleanup.policy"] == "compact":
        if not days:
            return topic
        return replace(topic, config={**topic.config, "cleanup.policy": "compact,delete", "retention.ms": _ms(days)})
    config = {**topic.config, "retention.ms": _ms(days)}
    if "min.compaction.lag.ms" in config:
        config["min.compaction.lag.ms"] = str(min(int(config["min.compaction.lag.ms"]), int(config["retention.ms"])))
    return replace(topic, config=config)


def _ms(days: float) -> str:
    return str(round(days * DAY_MS))
