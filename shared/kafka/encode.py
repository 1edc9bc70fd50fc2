"""Outputs as bytes with their topic and partition, refused where they are too large."""

from dataclasses import dataclass

from shared.errors import Refused
from shared.kafka.decision import Decision
from shared.topics import DEAD_LETTER_BYTES, DEAD_LETTERS, MAX_MESSAGE_BYTES, key_partition

RECORD_OVERHEAD_BYTES = 1_024
"""Room that a record needs beside its key and value within a message of the topic's limit."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A record's bytes and where it goes."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def encode(decision: Decision, headers: tuple[tuple[str, bytes], ...] = ()) -> list[Encoded]:
    """Turn outputs into bytes; `headers` are for those without their own. Raises `Refused` when one is larger than its topic takes."""
    encoded = []
    for output in decision.outputs:
        value = None if output.value is None else output.value.to_bytes()
        limit = DEAD_LETTER_BYTES if output.topic is DEAD_LETTERS else MAX_MESSAGE_BYTES
        if value is not None and len(value) + len(output.key) + RECORD_OVERHEAD_BYTES > limit:
            raise Refused("output_too_large", f"{output.topic.name} takes {limit:,} bytes a message, this one has {len(value):,}")
        partition = key_partition(output.key, output.topic) if output.partition is None else output.partition
        encoded.append(Encoded(output.topic.name, partition, output.key.encode(), value, output.headers or headers))
    return encoded
