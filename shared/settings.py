"""Settings from the environment, prefix `SLUGLINE_`. A wrong one is named, with what it allows, before anything starts."""

from typing import Annotated, Any, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import InvalidSetting

PREFIX = "SLUGLINE_"


class Settings(BaseSettings):
    """What every service needs. A service's own settings derive from it (in its `config.py`)."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    kafka_bootstrap_servers: str = Field(default="127.0.0.1:9092", description="host:port, comma-separated")
    log_format: Annotated[str, NoDecode] = Field(
        default="json", pattern="^(json|console)$", description="json in production, console for people"
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    health_host: str = Field(default="127.0.0.1", description="address of /live, /ready and /metrics; 0.0.0.0 in a container")
    health_port: int = Field(default=0, ge=0, le=65_535, description="0: none is served")
    trace_endpoint: str | None = Field(
        default=None,
        pattern=r"^(https?://[^\s/]+(/\S*)?)?$",
        description="where traces go by OTLP over HTTP, such as http://collector:4318; absent: none are made",
    )
    trace_ratio: float = Field(default=1.0, ge=0, le=1, description="share of articles that are traced: 1 costs some 2 % of the throughput")

    @classmethod
    def load(cls, **values: Any) -> Self:
        """Read the environment. Raises `InvalidSetting` that names each wrong setting and what it allows."""
        try:
            return cls(**values)
        except ValidationError as error:
            faults = [
                f"{PREFIX}{'_'.join(str(step) for step in fault['loc']).upper()}: {fault['msg']}"
                for fault in error.errors(include_url=False)
            ]
            raise InvalidSetting("; ".join(faults)) from error


class DatabaseSettings(Settings):
    """Settings of what talks to Postgres."""

    database_url: str = Field(default="postgresql://127.0.0.1:5432/slugline", description="postgresql://user:password@host:port/name")
