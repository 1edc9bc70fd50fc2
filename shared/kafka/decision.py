"""What pure code asks a partition owner to do."""

from dataclasses import dataclass, field

from shared.contracts import Message
from shared.topics import Topic


@dataclass(frozen=True, slots=True)
class Output:
    """A record to produce. `partition` absent: by the key. A `value` of None is a tombstone.

    `headers` say how it came to be, and are no part of what is decided; absent: those of the input that led to it.
    """

    topic: Topic
    key: str
    value: Message | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """All that follows from one input; it takes effect whole or not at all.

    `outputs` go to topics in their order. `changes` are changelog records, key to JSON bytes (None deletes): the state
    after the input, one record for each key that differs.
    """

    outputs: tuple[Output, ...] = ()
    changes: dict[str, bytes | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """An input as it stood in its topic. `timestamp_ms` is the record's, in ms since 1970."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: tuple[tuple[str, bytes], ...] = ()


__all__ = ["Decision", "Output", "SourceRecord"]
