"""View models: what a template needs to know, and nothing else. Frozen, made by `present`, with every link already checked."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Card:
    """A story in a list."""

    story_id: UUID
    revision: int
    headline: str
    language: str
    article_count: int
    publisher_count: int
    first_published_at: datetime
    last_published_at: datetime
    changed_at: datetime
    lead: str = ""
    """The brief's first sentence, or nothing while there is none."""
    publishers: tuple[str, ...] = ()
    """Names of the outlets, first to report first; a list shows a few of them."""


@dataclass(frozen=True, slots=True)
class Source:
    """An article of a story, by its citation number."""

    number: int
    article_id: UUID
    title: str
    publisher_id: str
    publisher: str
    href: str | None
    """Where the outlet has it; None where the address is not http or https."""
    published_at: datetime | None
    language: str = "und"
    copy_of: int | None = None
    """The number of the source that it repeats nearly word for word."""
    corrected: bool = False
    new: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """An outlet's picture, shown with where it is from."""

    address: str
    publisher: str
    href: str | None
    """The article that has it."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the brief and the sources that state it."""

    text: str
    sources: tuple[Source, ...]
    new: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its sentences."""

    heading: str
    sentences: tuple[Sentence, ...]

    @property
    def new(self) -> bool:
        """Whether all of it came since the reader's last visit."""
        return all(sentence.new for sentence in self.sentences)


@dataclass(frozen=True, slots=True)
class Tick:
    """A source's place on the timeline: across in hundredths of its width, down in pixels."""

    number: int
    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Articles within one slice of time, for a story with too many to number: across in hundredths of the width, down in pixels."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a story's articles came out: numbered ticks, or bars where there are too many."""

    height: float
    baseline: float
    start: datetime
    end: datetime
    summary: str
    ticks: tuple[Tick, ...] = ()
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherLanguage:
    """The same event told in another language."""

    story_id: UUID
    language: str
    name: str
    article_count: int
    headline: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One revision of a story, in words."""

    revision: int
    reason: str
    words: str
    at: datetime
    headline: str
    article_count: int
    publisher_count: int
    actor: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StoryPage:
    """Everything that a story's page shows."""

    story_id: UUID
    revision: int
    headline: str
    language: str
    status: str
    article_count: int
    publisher_count: int
    first_published_at: datetime
    last_published_at: datetime
    picture: Picture | None = None
    sections: tuple[Section, ...] = ()
    sources: tuple[Source, ...] = ()
    more_sources: int = 0
    """Sources that are on the page of all sources only."""
    timeline: Timeline | None = None
    others: tuple[OtherLanguage, ...] = ()
    changes: tuple[Change, ...] = ()
    corrected: bool = False
    withdrawn_count: int = 0
    brief_behind: bool = False
    """The brief was made from an earlier revision, or there is none yet."""
    since: int | None = None
    """The revision of the reader's last visit, where marks of what is new are wanted."""
    new_count: int = 0
    """Articles that are new since then."""
    made_by: str = "extractive"


@dataclass(frozen=True, slots=True)
class FeedLink:
    """A feed in the list of feeds."""

    feed_id: str
    title: str
    kind: str
    story_count: int
    last_published_at: datetime | None = None
    top: str = ""
    """The headline that stands first in it."""
    language: str = "und"
    """The language of that headline."""


@dataclass(frozen=True, slots=True)
class FeedGroup:
    """Feeds of one kind."""

    title: str
    feeds: tuple[FeedLink, ...]


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One feed: its stories in order, and how to go on."""

    feed_id: str
    title: str
    kind: str
    cards: tuple[Card, ...]
    latest: tuple[Card, ...] = ()
    """The stories that changed last, for the front page."""
    picture: Picture | None = None
    """Of the leading story, on the front page."""
    cursor: str | None = None
    first: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """A story that a search found, with the words found marked."""

    card: Card
    snippet: tuple[tuple[str, bool], ...] = ()
    """Pieces of text, each with whether it is a found word."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A search: what was asked, what was found."""

    query: str
    hits: tuple[Hit, ...] = ()
    language: str = ""
    after: str = ""
    before: str = ""
    cursor: str | None = None
    guessed: bool = False
    """Nothing has these words; the stories have similar ones."""
    languages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PublisherPage:
    """An outlet and what it reported."""

    publisher_id: str
    name: str
    article_count: int
    story_count: int
    cards: tuple[Card, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter of a call, or a field of an answer; words may hold code between backticks."""

    name: str
    type: str
    words: str
    limits: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the API."""

    method: str
    path: str
    paragraphs: tuple[str, ...]
    parameters: tuple[Field, ...]
    model: str
    """What it answers with; empty where that is no JSON."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a call answers with, or a part of it."""

    name: str
    words: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old what is shown may be."""

    state: Literal["fresh", "late", "silent", "unknown"] = "unknown"
    newest_at: datetime | None = None
    """When the last record was taken in."""
    late_by_s: float = 0.0
    words: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page has around its content."""

    title: str
    now: datetime
    path: str
    freshness: Freshness = field(default_factory=Freshness)
    description: str = ""
    language: str = "en"
    stream: str | None = None
    """The stream that a live page listens to."""
    fragment: str | None = None
    """Where a live page fetches its content anew."""
    feeds: tuple[tuple[str, str, str], ...] = ()
    """Media type, title and address of the page as feeds."""
    query: str = ""
    story_id: UUID | None = None
    revision: int | None = None
    noindex: bool = False
