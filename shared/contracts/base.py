"""What all messages have in common: frozen pydantic models whose bytes are JSON."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidMessage

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

TEXT_LIMIT_BYTES = 200_000
"""A text is cut here (UTF-8 bytes) before it is produced, so that a message stays below 1 MB."""


def _to_utc(value: datetime) -> datetime:
    value = value.astimezone(UTC)
    if not EARLIEST <= value < LATEST:
        msg = f"time {value.isoformat()} is outside {EARLIEST.year} to {LATEST.year}"
        raise ValueError(msg)
    return value


def _refuse_controls(value: str) -> str:
    if "\0" in value:
        msg = "text holds a NUL character"
        raise ValueError(msg)
    return value


UtcTime = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware time, kept in UTC, between the years 1900 and 2100."""

PlainText = Annotated[str, AfterValidator(_refuse_controls)]
"""Text as a reader sees it: never HTML, no NUL (Postgres can't store one)."""

Line = Annotated[PlainText, Field(max_length=2_000)]
"""A short text such as a title or a name, at most 2,000 characters."""

LanguageCode = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
"""ISO 639-1 (or 639-3) code in lower case; `und` where it is unknown."""

__all__ = [
    "EARLIEST",
    "LATEST",
    "TEXT_LIMIT_BYTES",
    "UUID",
    "LanguageCode",
    "Line",
    "Message",
    "Part",
    "PlainText",
    "UtcTime",
]


class Part(BaseModel):
    """A piece of a message. Frozen; a reader ignores fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_temporal="iso8601", validate_default=False)


class Message(Part):
    """A value on a topic. The topic's name carries the version; `schema_version` guards against a mix-up."""

    schema_version: Literal[1] = 1

    def to_bytes(self) -> bytes:
        """Give the message's bytes: compact UTF-8 JSON with fields in declared order, so equal messages are equal bytes."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """Read a message. Raises `InvalidMessage` that names the contract and every field at fault."""
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise InvalidMessage(f"not a {cls.__name__}: {describe(error)}") from error


def describe(error: ValidationError) -> str:
    """Say in one line what is wrong with which field, without the input's text."""
    faults: list[dict[str, Any]] = [dict(fault) for fault in error.errors(include_url=False, include_input=False)]
    return "; ".join(f"{'.'.join(str(step) for step in fault['loc']) or 'message'}: {fault['msg']}" for fault in faults[:5])
