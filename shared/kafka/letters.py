"""Dead letters as an operator sees them: read, replayed to where they came from, or dropped for a reason.

A resolution is a further record of the same letter, without the input's bytes. Replaying is idempotent: a letter is sent
back once, with its own key to its own partition, and every stage ignores a version that it has.
"""

from base64 import b64decode
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced

from shared.contracts import DeadLetter
from shared.errors import InvalidMessage, Refused
from shared.kafka.client import client_options, start_client
from shared.kafka.tables import ANSWER_LIMIT_S
from shared.logs import get_logger
from shared.settings import Settings
from shared.topics import ALL, DEAD_LETTERS, key_partition

log = get_logger()

TRANSACTIONAL_ID = "slugline-deadletters"
"""One for all, so that a second replay fences the first and no letter is sent back twice."""


class Resolution(StrEnum):
    """How a letter ended."""

    REPLAYED = "replayed"
    DROPPED = "dropped"
    SUPERSEDED = "superseded"
    """Its topic is compacted and holds a later record of its key: sending it back would undo that one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant. None means any; `since` and `until` compare with the time of failure."""

    stage: str | None = None
    reason: str | None = None
    since: datetime | None = None
    letter: str | None = None
    """An id, or its beginning."""
    resolved: bool = False
    """Whether letters that were dealt with are meant, too."""
    until: datetime | None = None

    def includes(self, letter: DeadLetter) -> bool:
        """Say whether a letter is meant."""
        return (
            (self.stage is None or letter.stage == self.stage)
            and (self.reason is None or letter.reason == self.reason)
            and (self.since is None or letter.failed_at >= self.since)
            and (self.until is None or letter.failed_at < self.until)
            and (self.letter is None or str(letter.letter_id).startswith(self.letter.lower()))
            and (self.resolved or letter.resolution is None)
        )


async def read(settings: Settings, wanted: Wanted) -> list[DeadLetter]:
    """Read the letters that are kept, oldest first. A resolved letter keeps its first record's bytes. Raises `Unreachable`."""
    consumer: Any = await start_client(lambda: _consumer(settings), give_up_s=ANSWER_LIMIT_S)
    letters: dict[UUID, DeadLetter] = {}
    try:
        tps = [TopicPartition(DEAD_LETTERS.name, number) for number in range(DEAD_LETTERS.partitions)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        for tp, begin in (await consumer.beginning_offsets(tps)).items():
            consumer.seek(tp, begin)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    _keep(letters, record)
    finally:
        await consumer.stop()
    return sorted(
        (letter for letter in letters.values() if wanted.includes(letter)), key=lambda letter: (letter.failed_at, letter.letter_id)
    )


async def replay(settings: Settings, letters: Iterable[DeadLetter], actor: str, now: datetime) -> dict[Resolution, int]:
    """Send letters' inputs back to where they came from, and note it. Gives how many were replayed and how many superseded.

    Those that were dealt with meanwhile are passed over. Raises `Refused` when another replay or drop begins meanwhile.
    """
    done: dict[Resolution, int] = {}
    async with _Resolver(settings, actor, now) as resolver:
        async for letter in resolver.open(letters):
            resolution = Resolution.SUPERSEDED if await resolver.is_superseded(letter) else Resolution.REPLAYED
            await resolver.resolve(letter, resolution)
            done[resolution] = done.get(resolution, 0) + 1
    return done


async def drop(settings: Settings, letters: Iterable[DeadLetter], actor: str, now: datetime) -> int:
    """Note that letters need nothing done; their bytes stay until the topic's retention ends."""
    count = 0
    async with _Resolver(settings, actor, now) as resolver:
        async for letter in resolver.open(letters):
            await resolver.resolve(letter, Resolution.DROPPED)
            count += 1
    return count


async def say_again(settings: Settings, letters: Iterable[DeadLetter]) -> None:
    """Append letters once more as they are, so that they outlive the deletion of what lies before."""
    async with _Resolver(settings, "", datetime.now(UTC)) as resolver:
        for letter in letters:
            await resolver.append(letter)


class _Resolver:
    def __init__(self, settings: Settings, actor: str, now: datetime) -> None:
        self._settings = settings
        self._actor = actor
        self._now = now
        self._producer: Any = None
        self._consumer: Any = None

    async def __aenter__(self) -> "_Resolver":  # noqa: PYI034 - private
        self._producer = await start_client(
            lambda: AIOKafkaProducer(**client_options(self._settings), transactional_id=TRANSACTIONAL_ID, max_request_size=8 * 1024 * 1024),
            give_up_s=ANSWER_LIMIT_S,
        )
        self._consumer = await start_client(lambda: _consumer(self._settings), give_up_s=ANSWER_LIMIT_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()
        await self._consumer.stop()

    async def is_superseded(self, letter: DeadLetter) -> bool:
        """Say whether a compacted topic holds a later record of the letter's key."""
        topic = next((topic for topic in ALL if topic.name == letter.topic), None)
        if topic is None or "compact" not in topic.config.get("cleanup.policy", "") or letter.key is None:
            return False
        key = b64decode(letter.key)
        tp = TopicPartition(letter.topic, letter.partition)
        self._consumer.assign([tp])
        end = (await self._consumer.end_offsets([tp]))[tp]
        self._consumer.seek(tp, max(letter.offset + 1, (await self._consumer.beginning_offsets([tp]))[tp]))
        while await self._consumer.position(tp) < end:
            for record in (await self._consumer.getmany(tp, timeout_ms=200)).get(tp, ()):
                if record.key == key:
                    return True
        return False

    async def open(self, letters: Iterable[DeadLetter]) -> AsyncIterator[DeadLetter]:
        """Give those of the letters that nobody has dealt with since they were read: whoever did is fenced by now."""
        still = {letter.letter_id for letter in await read(self._settings, Wanted())}
        for letter in letters:
            if letter.letter_id in still:
                yield letter

    async def resolve(self, letter: DeadLetter, resolution: Resolution) -> None:
        """Send the input back if it is replayed, and note what became of the letter: both or none."""
        try:
            async with self._producer.transaction():
                if resolution is Resolution.REPLAYED:
                    await self._send_back(letter)
                await self._note(letter, resolution)
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise Refused("fenced", "another replay or drop of dead letters has begun; see what it did, then go on") from error
        log.info("dead_letter_resolved", letter_id=str(letter.letter_id), topic=letter.topic, resolution=resolution, actor=self._actor)

    async def _send_back(self, letter: DeadLetter) -> None:
        await self._producer.send_and_wait(
            letter.topic,
            key=None if letter.key is None else b64decode(letter.key),
            value=None if letter.value is None else b64decode(letter.value),
            partition=letter.partition,
        )

    async def _note(self, letter: DeadLetter, resolution: Resolution) -> None:
        noted = letter.model_copy(
            update={"value": None, "resolution": resolution.value, "resolved_by": self._actor, "resolved_at": self._now}
        )
        await self._send(noted)

    async def append(self, letter: DeadLetter) -> None:
        """Append a letter as it is."""
        async with self._producer.transaction():
            await self._send(letter)

    async def _send(self, letter: DeadLetter) -> None:
        key = b64decode(letter.key) if letter.key else f"{letter.topic}:{letter.partition}:{letter.offset}".encode()
        partition = key_partition(key.decode(errors="replace"), DEAD_LETTERS)
        await self._producer.send_and_wait(DEAD_LETTERS.name, key=key, value=letter.to_bytes(), partition=partition)


def _keep(letters: dict[UUID, DeadLetter], record: Any) -> None:
    try:
        letter = DeadLetter.from_bytes(record.value or b"")
    except InvalidMessage as error:
        log.warning("dead_letter_unreadable", partition=record.partition, offset=record.offset, error=str(error))
        return
    before = letters.get(letter.letter_id)
    if before is not None and letter.resolution is not None:
        letter = letter.model_copy(update={"value": before.value})
    letters[letter.letter_id] = letter


def _consumer(settings: Settings) -> Any:
    return AIOKafkaConsumer(
        **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="none", isolation_level="read_committed"
    )
