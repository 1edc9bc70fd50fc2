"""What a brief is made from: a story's present articles."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.article import Extraction


@dataclass(frozen=True, slots=True)
class Source:
    """One present article of a story, as its citation number names it. Withdrawn articles are never passed."""

    number: int
    """The member's citation number, 1 or more, unique within the story."""
    article_id: UUID
    version: int
    """The article's version; above 1 means that it was corrected."""
    title: str
    text: str
    """The article's text (or its summary where there is no text), plain, any length."""
    publisher_id: str
    """The publisher's registrable domain."""
    publisher_name: str
    language: str
    """ISO 639-1 code, or `und`."""
    published_at: datetime | None = None
    wire_group: UUID | None = None
    """Equal for near-copies of one report; absent where there are no copies."""
    extraction: Extraction = Extraction.FULL
