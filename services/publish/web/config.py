"""Settings of the web service."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from services.publish.config import PublishSettings
from services.publish.web.pictures import check_source


class WebSettings(PublishSettings):
    """What the web service needs."""

    web_host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 in a container")
    web_port: int = Field(default=8080, ge=0, le=65_535, description="0: any free port")
    web_public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#\s]+)?$",
        description="what readers reach it by, for links in feeds; empty: as asked",
    )
    web_proxies: str = Field(default="127.0.0.1", description="addresses whose X-Forwarded-For is believed, comma-separated")
    web_backlog_connections: int = Field(default=2_048, ge=16, description="connections that wait to be accepted")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("*",), description="origins that may read the API, comma-separated; * is any (it holds nothing private); empty: none"
    )
    picture_sources: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="where a page may have outlets' pictures loaded from, comma-separated: https: for anywhere, or origins such as "
        "https://*.outlet.example; empty: pages show none. Readers' browsers then ask the outlets, and the rights are yours to see to",
    )
    rate_per_client_s: float = Field(default=50, gt=0, description="requests a second of one client address, sustained; readers need few")
    rate_burst: int = Field(default=200, ge=1, description="requests of one client address at once")
    rate_clients: int = Field(default=20_000, ge=100, description="client addresses remembered; 100 bytes each")
    page_cache_bytes: int = Field(default=32_000_000, ge=0, description="answers kept until a row changes")
    page_cache_s: float = Field(default=5, ge=0, description="answers are never kept longer, since they say how long ago things were")
    stream_listeners: int = Field(default=2_000, ge=1, description="listeners of the event stream at most; then 503")
    stream_listeners_per_client: int = Field(default=50, ge=1, description="of one address; raise it behind a proxy that hides addresses")
    stream_heartbeat_s: float = Field(default=15, gt=0, description="an idle stream says so often where it stands; proxies cut silent ones")
    stream_pending_events: int = Field(
        default=256, ge=1, description="events that wait for a slow listener; beyond, it is served from the database when it reads again"
    )
    stream_stall_s: float = Field(default=30, gt=0, description="a listener that reads nothing for so long is cut off; it resumes")
    stream_retry_ms: int = Field(default=3_000, ge=100, description="how long a browser waits before it connects again")
    stream_poll_s: float = Field(default=2, gt=0, description="the database is asked so often, in case a signal was lost")
    late_after_s: float = Field(default=120, gt=0, description="the page says that it is behind when records wait longer than this")
    page_stories: int = Field(default=30, ge=1, le=100, description="stories on a page of a feed")
    drain_s: float = Field(default=10, gt=0, description="requests under way at the stop have so long to end")

    @field_validator("cors_origins", "picture_sources", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("picture_sources")
    @classmethod
    def _check(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(check_source, value))
