"""StoryInput: all that can change a story, in one order. Topic `story_inputs.v1`."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field, model_validator

from shared.contracts.article import ArticleStatus, Publisher
from shared.contracts.base import LanguageCode, Line, Message, Part, UtcTime


class InputKind(StrEnum):
    """What the input is."""

    ARTICLE = "article"
    COMMAND = "command"
    LINK = "link"
    CLOCK = "clock"


class Features(Part):
    """What `enrich` found in an article's title and text; all that clustering ever sees of them (2 to 3 KB).

    Arrays are little-endian bytes in base64. A term is a stem, known by its CRC-32; the title's come first, in order.
    """

    features_version: int = Field(ge=1, description="what made them; a change means a rebuild")
    title_terms: tuple[str, ...] = Field(default=(), max_length=100, description="stems of the title, in order, each once")
    names: tuple[str, ...] = Field(default=(), max_length=200, description="capitalised words of title and lead, folded")
    numbers: tuple[str, ...] = Field(default=(), max_length=100, description="words with digits, normalised")
    term_ids: str = Field(default="", max_length=1_000, description="uint32: terms of title and lead, each once")
    term_weights: str = Field(default="", max_length=500, description="float16: their weighted frequencies")
    term_rarities: str = Field(default="", max_length=500, description="float16: their idf in the language at large")
    vector: str | None = Field(default=None, max_length=400, description="int8: 256 dimensions of length 256, what the beginning means")
    native_vector: str | None = Field(
        default=None, max_length=400, description="the same by an encoder of the article's own language; absent where there is none"
    )
    signature: tuple[int, ...] = Field(default=(), max_length=256, description="MinHash (Broder 1997) of word shingles, uint32")
    words: int = Field(default=0, ge=0, description="words of the text that were read")


class EnrichedArticle(Part):
    """One version of an article, without its text."""

    article_id: UUID
    version: int = Field(ge=1)
    status: ArticleStatus
    title: Line
    url: str = Field(max_length=2_000)
    publisher: Publisher
    language: LanguageCode
    published_at: UtcTime | None = None
    fetched_at: UtcTime
    features: Features | None = Field(default=None, description="absent for a withdrawn article")


class CommandOp(StrEnum):
    """What an editor asks for."""

    MERGE = "merge"
    SPLIT = "split"
    MOVE = "move"
    CLOSE = "close"
    PIN = "pin"
    UNPIN = "unpin"
    ERASE = "erase"
    OWN = "own"
    """A publisher belongs to an owner from now on: an edit of the owner table, sent to every partition."""


class Command(Part):
    """An editor's or an operator's command, recorded with who and why."""

    command_id: UUID
    op: CommandOp
    story_id: UUID | None = None
    into_story_id: UUID | None = Field(default=None, description="merge and move: where to")
    article_ids: tuple[UUID, ...] = Field(default=(), max_length=1_000)
    publisher_id: str | None = Field(default=None, max_length=255, description="own: the publisher's registrable domain")
    owner: Line | None = Field(default=None, description="own: who stands behind it; absent: what the shipped table says again")
    actor: Line
    why: Line = ""
    at: UtcTime
    machine: bool = Field(
        default=False, description="a rebuild's: it ties no articles to each other, and is refused where it would break an editor's tie"
    )


class CrossLink(Part):
    """A finding of `link`: two stories in different languages tell the same event, or no longer do."""

    story_id: UUID
    other_story_id: UUID
    other_language: LanguageCode
    other_article_count: int | None = Field(default=None, ge=0, description="how many articles the other story has; absent: not said")
    linked: bool
    score: float = Field(description="how likely they tell the same event, 0 to 1")
    at: UtcTime


class Clock(Part):
    """The time on the wall, as an input, so that a replay closes the same stories."""

    at: UtcTime


class StoryInput(Message):
    """Exactly one of article, command, link and clock, as `kind` says."""

    kind: InputKind
    article: EnrichedArticle | None = None
    command: Command | None = None
    link: CrossLink | None = None
    clock: Clock | None = None

    @model_validator(mode="after")
    def _holds_its_kind(self) -> "StoryInput":
        held = [kind for kind in InputKind if getattr(self, kind.value) is not None]
        if held != [self.kind]:
            msg = f"kind is {self.kind} but it holds {', '.join(held) or 'nothing'}"
            raise ValueError(msg)
        return self
