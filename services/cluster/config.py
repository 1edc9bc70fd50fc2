"""Settings of the cluster service."""

from pathlib import Path

from pydantic import Field

from shared.kafka.owner import OwnerSettings
from shared.settings import Settings


class StoryRules(Settings):
    """How long stories live and how much work one input may cause. A change of one is a change of what a replay gives."""

    close_after_h: float = Field(
        default=72, gt=0, description="hours of event time without a new article after which a story closes: news is rarely older"
    )
    arrival_grace_h: float = Field(
        default=6, ge=0, description="hours since its last article came in before a story may close, so that an old archive can be replayed"
    )
    reopen_window_h: float = Field(default=96, ge=0, description="hours after closing in which a late article reopens a story")
    late_after_h: float = Field(
        default=6, ge=0, description="an article that is older than this when the clock strikes is late, and closed stories are asked too"
    )
    keep_days: float = Field(
        default=30, gt=0, description="days that a closed story's members stay in the state for corrections and commands"
    )
    sweep_limit: int = Field(
        default=500, ge=1, description="stories closed, retired or forgotten by one clock input at most; the rest by the next"
    )
    open_articles_limit: int = Field(
        default=150_000, ge=100, description="articles in a partition's index; beyond, the stories that have grown least lately close"
    )
    copies_indexed: int = Field(
        default=6, ge=1, description="near-copies of one report within a story that the index holds: more add cost and no knowledge"
    )
    machine_merge_limit: int = Field(
        default=2_000, ge=1, description="members of a story that the machine may merge away: bounds one input's work"
    )
    machine_moves_limit: int = Field(default=2, ge=0, description="times that the machine moves one article: no flapping")
    second_look_every: int = Field(default=200, ge=1, description="articles between two second looks at what grew meanwhile")
    second_look_repairs: int = Field(
        default=20, ge=0, description="merges, moves and splits by one second look at most: bounds one input's work"
    )
    headline_margin: float = Field(
        default=0.08, ge=0, description="by how much (0 to 1) another title must be better to replace the headline"
    )
    owner_table: Path | None = Field(default=None, description="TOML file of the publishers that are one house; absent: the shipped one")


class AssignSettings(StoryRules, OwnerSettings):
    """Settings of the process that assigns articles to stories."""

    standby: bool = Field(
        default=False,
        description="follow partitions that other processes own, to take one over without a restore; holds all partitions' states",
    )
    clock_interval_s: float = Field(
        default=60, gt=0, description="seconds between two clock inputs of a partition; quiet stories close then"
    )
    clock_jump_limit_s: float = Field(
        default=600,
        gt=0,
        description="a clock that was put forward by more gives no clock input until it is back: stories would close for good",
    )
