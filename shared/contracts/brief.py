"""Brief: what a story's articles say, in short cited sections. Topic `story_briefs.v1`."""

from uuid import UUID

from pydantic import Field

from shared.contracts.base import Line, Message, Part, PlainText


class Sentence(Part):
    """A sentence and the numbers of all members that state it."""

    text: PlainText = Field(max_length=2_000)
    citations: tuple[int, ...] = Field(min_length=1, max_length=200, description="members' numbers, ascending")


class Section(Part):
    """A heading and one to four sentences."""

    heading: Line
    sentences: tuple[Sentence, ...] = Field(min_length=1, max_length=10)


class Brief(Message):
    """A brief of one story at one revision."""

    story_id: UUID
    story_revision: int = Field(ge=1, description="the revision of the story that it was made from")
    sections: tuple[Section, ...] = Field(default=(), max_length=10)
    corrected: bool = Field(default=False, description="an article that it cites was corrected since the story began")
    made_by: Line = Field(default="extractive", description="'extractive', or the name of the model that rewrote it")
