"""Ingest's settings. All limits of what an outlet may send stand here."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from services.ingest.sizes import MIB
from shared.kafka.owner import OwnerSettings
from shared.settings import Settings


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class IngestSettings(Settings):
    """Settings of what fetches and reads outlets' documents."""

    user_agent: str = Field(
        default="Slugline/0.1 (+https://slugline.example/bot; news aggregator)",
        min_length=3,
        max_length=300,
        pattern=r"^[\x20-\x7e]+$",
        description="sent with every request, and matched against robots.txt by its first word",
    )
    fetch_allow: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(),
        description="comma-separated host names (`*.localhost`), addresses and networks that may be fetched although they are not public",
    )
    fetch_localhost: str = Field(
        default="",
        description="the host that *.localhost names mean; empty: this machine (a container's name where the recorded web has its own)",
    )
    fetch_connect_timeout_s: float = Field(default=10.0, gt=0, description="to resolve and connect")
    fetch_first_byte_timeout_s: float = Field(default=20.0, gt=0, description="from the request to the response's headers")
    fetch_total_timeout_s: float = Field(default=60.0, gt=0, description="all of one fetch, redirects included: a drip ends here")
    fetch_max_redirects: int = Field(default=8, ge=0, le=20)
    fetch_max_header_bytes: int = Field(default=16_384, ge=1_024, description="a header field's longest line")
    fetch_max_headers: int = Field(default=128, ge=8, description="header fields in a response")
    fetch_max_body_bytes: int = Field(default=16 * MIB, ge=1_024, description="as sent, and again after decompression")
    fetch_connections: int = Field(default=200, ge=1, description="open at once, over all hosts")
    page_max_bytes: int = Field(default=4 * MIB, ge=1_024, description="a longer article page is refused")
    page_max_depth: int = Field(default=250, ge=20, description="nesting of a page's elements; libxml2 itself stops at 256")
    page_max_elements: int = Field(default=100_000, ge=1_000, description="elements and attributes of a page together")
    feed_max_bytes: int = Field(default=16 * MIB, ge=1_024, description="a longer feed is refused")
    feed_max_items: int = Field(default=100_000, ge=1, description="items beyond are not read")
    future_tolerance_s: float = Field(
        default=86_400.0, ge=0, description="a time further ahead of the clock is taken for an error and dropped"
    )
    extract_workers: int = Field(default=2, ge=1, le=64, description="subprocesses that parse feeds and pages")
    extract_timeout_s: float = Field(default=10.0, gt=0, description="for one page; the subprocess is killed then")
    parse_timeout_s: float = Field(default=60.0, gt=0, description="for one feed; the subprocess is killed then")
    extract_memory_bytes: int = Field(default=1_024 * MIB, ge=256 * MIB, description="address space of a subprocess")
    extract_recycle_after: int = Field(default=2_000, ge=1, description="documents after which a subprocess is replaced: parsers leak")
    robots_max_age_s: float = Field(default=86_400.0, gt=0, description="how long a robots.txt is believed (RFC 9309 allows a day)")
    robots_max_bytes: int = Field(default=512_000, ge=1_024, description="RFC 9309 asks for 500 KiB at least; the rest is not read")
    robots_max_hosts: int = Field(default=20_000, ge=1, description="robots.txt kept in memory at once")


class PollSettings(IngestSettings, OwnerSettings):
    """Settings of poll."""

    poll_interval_shortest_s: float = Field(default=60.0, gt=0, description="no feed is polled more often")
    poll_interval_longest_s: float = Field(default=86_400.0, gt=0, description="every feed is polled at least so often")
    poll_interval_first_s: float = Field(default=900.0, gt=0, description="a new feed's interval, until its habit is known")
    poll_concurrency: int = Field(default=64, ge=1, description="polls at once in one process")
    poll_host_concurrency: int = Field(default=2, ge=1, description="polls at once of one host's feeds, over all workers")
    poll_host_delay_s: float = Field(
        default=1.0,
        ge=0,
        description="between the starts of two polls of one host's feeds, over all workers; robots.txt may ask for more",
    )
    poll_obey_robots: bool = Field(default=True, description="a feed that robots.txt forbids fails with that reason")


class FetchSettings(IngestSettings, OwnerSettings):
    """Settings of fetch."""

    fetch_concurrency: int = Field(default=32, ge=1, description="pages at once in one process")
    fetch_host_concurrency: int = Field(default=2, ge=1, description="pages at once from one host")
    fetch_host_delay_s: float = Field(
        default=1.0, ge=0, description="between the starts of two fetches from one host; robots.txt may ask for more"
    )
    fetch_tries: int = Field(default=5, ge=1, description="before a page that fails is given up and the feed's own text is taken")
    fetch_retry_s: float = Field(default=30.0, gt=0, description="pause before the second try; it doubles with each")
    fetch_retry_longest_s: float = Field(default=3_600.0, gt=0)
    fetch_pending_limit: int = Field(
        default=5_000, ge=1, description="pages that wait in one partition; beyond, discoveries stay in their topic"
    )
    fetch_obey_robots: bool = True
    recheck_after_h: Annotated[tuple[float, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(1, 6, 24, 72), description="hours after publication at which a page is looked at again for corrections and withdrawal"
    )
    withdrawn_after_s: float = Field(
        default=3_600.0, ge=0, description="a page that answers 404 at two checks this far apart is withdrawn; 410 at once"
    )
    article_state_days: float = Field(
        default=35.0, gt=0, description="how long an article's identity and version are remembered after it was last seen"
    )
