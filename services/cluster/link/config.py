"""Settings of the process that links stories across languages."""

from pydantic import Field

from shared.settings import Settings


class LinkRules(Settings):
    """When two stories in different languages are the same event, and how much work may be done to find out."""

    link_at: float = Field(
        default=0.5, description="log-odds from which two stories are linked; 0 is even odds, and a false link costs more than a missed one"
    )
    unlink_margin: float = Field(
        default=1.5,
        ge=0,
        description="log-odds that a link has in advance where there is one, or both are linked with a third story: no flapping",
    )
    link_window_h: float = Field(default=72, gt=0, description="hours between one story's last and the other's first article at most")
    link_candidates: int = Field(
        default=8, ge=1, le=100, description="stories in each other language, the nearest by meaning, that are compared closely"
    )
    link_articles_limit: int = Field(
        default=200_000, ge=100, description="articles whose features are kept, the newest to come: about 1 KB each"
    )
    link_round_limit: int = Field(default=500, ge=1, description="changed stories looked at in one round; the rest wait for the next")
    link_retry_s: float = Field(default=60, gt=0, description="seconds after which a finding that no story shows is sent again")


class LinkSettings(LinkRules):
    """Settings of `slugline run link`."""

    link_interval_s: float = Field(default=3, gt=0, description="seconds between two rounds")
    link_history_h: float = Field(
        default=120, gt=0, description="hours of articles that are read at the start: stories that get none for longer have closed"
    )
