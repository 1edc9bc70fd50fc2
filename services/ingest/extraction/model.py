"""What an article's page says, once read. All texts are plain: no HTML, no control characters, no lone surrogates."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts import Extraction


@dataclass(frozen=True, slots=True)
class Extracted:
    """An article page. Times are aware and UTC."""

    title: str
    """Without the outlet's suffix; empty where there is none."""
    text: str
    """The main text, paragraphs separated by a newline, at most TEXT_LIMIT_BYTES."""
    truncated: bool
    summary: str
    """The page's own description."""
    authors: tuple[str, ...]
    image: str | None
    section: str | None
    published_at: datetime | None
    updated_at: datetime | None
    language: str
    """ISO 639 code, `und` where it is not clear."""
    publisher_name: str | None
    rel_canonical: str | None
    """As the page says, made absolute; whether it is believed is `identity.believed_canonical`'s business."""
    og_url: str | None
    canonical_url: str
    """The page's canonical URL, with what was believed of the above."""
    extraction: Extraction
    """full; summary: a stub of a paywalled text or too little text; blocked: a consent or challenge page."""
    note: str | None = None
    """Why it is not `full`: paywall, short, consent, challenge, login, error_page."""
