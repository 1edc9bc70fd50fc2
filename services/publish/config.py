"""Settings of the publish services."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from shared.retention import RetentionSettings
from shared.settings import DatabaseSettings


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class PublishSettings(DatabaseSettings):
    """What all of publish needs."""

    database_schema: str = Field(
        default="public",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="the Postgres schema of the tables; another one to rebuild beside the live one",
    )
    database_pool_size: int = Field(default=8, ge=1, le=500, description="connections of one process at most")
    database_timeout_s: float = Field(default=30, gt=0, description="a statement that takes longer is given up")


class MaterialiseSettings(PublishSettings, RetentionSettings):
    """What the materialiser needs."""

    materialise_batch_records: int = Field(
        default=2_000, ge=1, le=50_000, description="records in one transaction at most: more is faster, and later for the first"
    )
    materialise_timeout_s: float = Field(
        default=120, gt=0, description="a batch's statement that takes longer is given up and tried with half as many records"
    )
    materialise_fetch_wait_ms: int = Field(
        default=100, ge=1, le=500, description="how long the broker holds an empty fetch; a record that comes meanwhile ends it"
    )
    materialise_lag_limit_messages: int = Field(default=10_000, ge=0, description="readiness is false while more records than this wait")
    status_interval_s: float = Field(default=5, gt=0, description="how often worker_status tells what a worker waits for")


class BriefSettings(PublishSettings):
    """What the brief worker needs."""

    brief_processes: int = Field(default=1, ge=1, le=64, description="processes that compose; each takes one story at a time")
    brief_timeout_s: float = Field(default=20, gt=0, description="a story that takes longer becomes a dead letter; its process is ended")
    brief_batch_stories: int = Field(
        default=4, ge=1, le=500, description="stories taken from the queue at once: more is faster, and later for those that come meanwhile"
    )
    brief_text_wait_s: float = Field(default=5, ge=0, description="how long a brief waits for texts that the topic has still to bring")
    brief_sweep_interval_s: float = Field(default=30, gt=0, description="how often stories without a current brief are looked for")
    brief_model_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/]+/\S+)?$",
        description="an OpenAI-compatible endpoint that rewords briefs, such as https://host/v1/chat/completions; empty: none is asked",
    )
    brief_model_name: str = Field(default="", max_length=200, description="the model to ask for; briefs that it reworded carry this name")
    brief_model_key: SecretStr = Field(default=SecretStr(""), description="sent as a bearer token; empty: none is sent")
    brief_model_timeout_s: float = Field(default=30, gt=0, le=600, description="an answer that takes longer is given up")
    brief_model_budget_per_hour: int = Field(
        default=200, ge=0, description="questions that one worker asks within any hour; the largest stories come first"
    )
    status_interval_s: float = Field(default=5, gt=0, description="how often worker_status tells what a worker waits for")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Give what is wrong with settings that are right by themselves."""
        yield from super().faults()
        if self.brief_model_url and not self.brief_model_name.strip():
            yield "brief_model_name", "is missing: SLUGLINE_BRIEF_MODEL_URL needs the name of a model"
        if self.brief_model_name == "extractive":
            yield "brief_model_name", "is 'extractive', as briefs without a model are called: give the model's name"


class WebhookSettings(PublishSettings):
    """What the webhooks' worker needs."""

    web_public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#\s]+)?$",
        description="what readers reach the page by, for links in what is told; empty: no links",
    )
    webhook_allow: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(),
        description="comma-separated host names, addresses and networks that may be posted to although they are not public, and over http",
    )
    webhook_timeout_s: float = Field(default=15, gt=0, le=120, description="an endpoint that takes longer to answer has failed")
    webhook_concurrency: int = Field(default=4, ge=1, le=100, description="posts to one endpoint at once, each of another story")
    webhook_retry_first_s: float = Field(default=5, gt=0, description="pause after a failure, doubled with each that follows")
    webhook_retry_longest_s: float = Field(default=3_600, gt=0, description="no pause is longer, even where an endpoint asks for it")
    webhook_disable_after_days: float = Field(
        default=5, gt=0, description="an endpoint that has taken nothing for so long is disabled; a story that alone is refused, given up"
    )
    webhook_left_after_s: float = Field(
        default=5, ge=0, description="a story has left a feed when it is not back by then: its records come from several topics"
    )
    webhook_keep_days: float = Field(default=7, gt=0, description="how long tries are kept for `slugline webhooks deliveries`")
