"""DeadLetter: an input that could not be handled, kept whole, so that it can be replayed. Topic `dead_letters.v1`."""

from uuid import UUID

from pydantic import Field

from shared.contracts.base import Line, Message, UtcTime


class DeadLetter(Message):
    """Where an input came from, what was wrong with it, and its bytes. Of records with one `letter_id` the last one counts."""

    letter_id: UUID = Field(description="uuid5 of stage, topic, partition and offset: the same failure is the same letter")
    stage: str = Field(max_length=50, description="poll, fetch, enrich, assign, brief, materialise")
    reason: str = Field(max_length=100, description="stable and countable, such as invalid_message or story_expired")
    error: Line = Field(description="for people; names the input, not its text")
    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    key: str | None = Field(default=None, description="base64")
    value: str | None = Field(default=None, description="base64; the input's bytes")
    failed_at: UtcTime = Field(description="the input record's own timestamp, so that a repeat is byte-identical")
    resolution: str | None = Field(
        default=None, max_length=50, description="replayed, dropped or superseded: the letter's later record says so"
    )
    resolved_by: Line | None = None
    resolved_at: UtcTime | None = None
