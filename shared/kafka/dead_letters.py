"""Making a dead letter of an input that can't be handled."""

from base64 import b64encode
from datetime import UTC, datetime
from uuid import uuid5

from shared.contracts import DeadLetter
from shared.errors import InvalidMessage, Refused
from shared.ids import NAMESPACE
from shared.kafka.decision import Output, SourceRecord
from shared.topics import DEAD_LETTERS

ERROR_CHARACTERS = 1_000
EPOCH_2000_MS = 946_684_800_000


def dead_letter(stage: str, record: SourceRecord, error: Exception) -> Output:
    """Wrap a record that `error` refused. The same failure of the same record is the same letter, byte for byte."""
    origin = f"{record.topic}:{record.partition}:{record.offset}"
    letter = DeadLetter(
        letter_id=uuid5(NAMESPACE, f"dead-letter:{stage}:{origin}"),
        stage=stage,
        reason=reason_of(error),
        error=_plain(f"{origin}: {error}" if isinstance(error, InvalidMessage | Refused) else f"{origin}: {type(error).__name__}: {error}"),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=None if record.key is None else b64encode(record.key).decode(),
        value=None if record.value is None else b64encode(record.value).decode(),
        failed_at=datetime.fromtimestamp(max(record.timestamp_ms, EPOCH_2000_MS) / 1000, tz=UTC),
    )
    key = record.key.decode(errors="replace") if record.key else origin
    return Output(DEAD_LETTERS, key, letter)


def reason_of(error: Exception) -> str:
    """Give the stable reason of a failure."""
    if isinstance(error, Refused):
        return error.reason
    return "invalid_message" if isinstance(error, InvalidMessage) else "internal_error"


def _plain(text: str) -> str:
    """Make an error's text printable: no control characters, no lone surrogates."""
    visible = text.encode("utf-8", errors="replace").decode()
    return "".join(character if character.isprintable() else " " for character in visible)[:ERROR_CHARACTERS]
