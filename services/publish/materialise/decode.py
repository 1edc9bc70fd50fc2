"""From a record to a change of a row, or to the reason why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from services.publish.materialise.tables import BY_TOPIC, Row, Table
from shared.errors import InvalidMessage
from shared.kafka.decision import SourceRecord

LIMITS: Final = {"integer": 2**31 - 1, "bigint": 2**63 - 1}


@dataclass(frozen=True, slots=True)
class Change:
    """What a record does to a table: a row to put in, or (None) the rows of its key to delete."""

    table: Table
    record: SourceRecord
    record_key: UUID
    row: Row | None


@dataclass(frozen=True, slots=True)
class Handled:
    """A record, and what it comes to: a change, or the error that makes it a dead letter."""

    record: SourceRecord
    outcome: Change | Exception


def handle(record: SourceRecord) -> Handled:
    """Decode a record; what is wrong with it, or what our code could not bear, becomes its outcome."""
    try:
        return Handled(record, decode(record))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the record is kept as a dead letter and the next is handled
        return Handled(record, error)


def decode(record: SourceRecord) -> Change:
    """Read a record of one of the topics. Raises `InvalidMessage` that says what is wrong, without the record's text."""
    table = BY_TOPIC[record.topic]
    key = _key(record)
    if record.value is None:
        if not table.deletable:
            raise InvalidMessage(f"a record without a value, in a log of {table.contract.__name__}")
        return Change(table, record, key, None)
    message = table.contract.from_bytes(record.value)
    named = table.record_key(message)
    if named != key:
        raise InvalidMessage(f"the key is {key}, but the {table.contract.__name__} is of {named}")
    row = table.row(message, record)
    _check_storable(table, row, nul_possible=b"\\u0000" in record.value)
    return Change(table, record, key, row)


def _key(record: SourceRecord) -> UUID:
    try:
        return UUID((record.key or b"").decode("ascii"))
    except ValueError as error:
        raise InvalidMessage(f"the key is not a UUID: {(record.key or b'')[:60]!r}") from error


def _check_storable(table: Table, row: Row, *, nul_possible: bool) -> None:
    for column, value in zip(table.columns, row, strict=True):
        if (limit := LIMITS.get(column.type)) is not None and value is not None and not -limit <= value <= limit:
            raise InvalidMessage(f"{column.name} is {value}, above {limit}")
        if nul_possible and _holds_nul(value):
            raise InvalidMessage(f"{column.name} holds a NUL character")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(map(_holds_nul, value.values()))
    return isinstance(value, Sequence) and any(map(_holds_nul, value))
