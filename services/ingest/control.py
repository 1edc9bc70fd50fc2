"""What may be fetched: all fetching stopped by one command, blocked outlets, and what was erased. Topic `fetch-control.v1`.

A record says that something is held: its key is `all`, or `domain:` and an outlet's registrable domain; a tombstone frees it.
What was erased stays held for ever, known by hashes alone: `erased:` and an article's id, `erased-outlet:` and a domain's SHA-256.
Each process that fetches reads the topic whole before it fetches anything, and follows it from then on.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.ingest.identity import publisher_of
from shared.contracts.base import Line, Message, UtcTime
from shared.errors import OwnerError, Refused
from shared.kafka.client import client_options, start_client
from shared.kafka.patience import LOOK_MS, Patience
from shared.logs import get_logger
from shared.settings import Settings
from shared.topics import FETCH_CONTROL

log = get_logger()

FETCH_WAIT_MS: Final = 200
ALL: Final = "all"
DOMAIN: Final = "domain:"
ERASED: Final = "erased:"
ERASED_OUTLET: Final = "erased-outlet:"
BLOCKED: Final = "blocked"
"""The reason for which an item of a blocked outlet is refused."""
RETRY_S: Final = 1.0


class Held(Message):
    """Something is held since a time; what was erased, by whom and why."""

    since: UtcTime
    by: Line = ""
    why: Line = ""


class Control:
    """What is held now. Without records everything may be fetched."""

    def __init__(self) -> None:
        """Begin with nothing held."""
        self.stopped = False
        self.blocked: set[str] = set()
        self.erased: set[UUID] = set()
        self.erased_outlets: set[str] = set()
        self._followers: list[Callable[[], None]] = []

    def take(self, key: str, value: bytes | None) -> None:
        """Take a record over, and tell those who follow. One that is not understood changes nothing."""
        if key == ALL:
            self.stopped = value is not None
        elif key.startswith(DOMAIN) and value is not None:
            self.blocked.add(key.removeprefix(DOMAIN))
        elif key.startswith(DOMAIN):
            self.blocked.discard(key.removeprefix(DOMAIN))
        elif key.startswith(ERASED) and value is not None:
            self.erased.add(UUID(key.removeprefix(ERASED)))
        elif key.startswith(ERASED_OUTLET) and value is not None:
            self.erased_outlets.add(key.removeprefix(ERASED_OUTLET))
        else:
            log.warning("fetch_control_not_understood", key=key[:100])
        for changed in self._followers:
            changed()

    def follow(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Have `changed` called after each change; gives what ends that."""
        self._followers.append(changed)
        return lambda: self._followers.remove(changed)

    def blocks(self, url: str) -> bool:
        """Say whether a URL is a blocked outlet's."""
        return bool(self.blocked) and domain_of(url) in self.blocked

    def erases(self, article_id: UUID, publisher_id: str) -> bool:
        """Say whether an article was erased, itself or with its outlet."""
        return article_id in self.erased or (bool(self.erased_outlets) and _hashed(publisher_id) in self.erased_outlets)


def domain_of(url_or_host: str) -> str:
    """Give the registrable domain of a URL or a host; empty where there is none."""
    try:
        return publisher_of(url_or_host if "//" in url_or_host else f"//{url_or_host}").id
    except Refused:
        return ""


def domain_key(domain: str) -> str:
    """Give the key of an outlet's record."""
    return f"{DOMAIN}{domain}"


def erased_key(article_id: UUID) -> str:
    """Give the key of an erased article's record."""
    return f"{ERASED}{article_id}"


def erased_outlet_key(domain: str) -> str:
    """Give the key of an erased outlet's record."""
    return f"{ERASED_OUTLET}{_hashed(domain)}"


def _hashed(domain: str) -> str:
    return hashlib.sha256(domain.encode()).hexdigest()


@asynccontextmanager
async def followed(settings: Settings) -> AsyncIterator[Control]:
    """Give what is held, whole from the start and followed until the block ends. Raises `OwnerError` where the topic is missing."""
    control = Control()
    consumer: Any = await start_client(
        lambda: AIOKafkaConsumer(
            **client_options(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            consumer_timeout_ms=LOOK_MS,
        )
    )
    try:
        if FETCH_CONTROL.name not in await consumer.topics():
            raise OwnerError(
                f"the topic {FETCH_CONTROL.name} is missing, or this user may not see it (a permission is missing); "
                "make it with: slugline topics apply. Give it with: slugline topics acls --apply"
            )
        tps = [TopicPartition(FETCH_CONTROL.name, number) for number in range(FETCH_CONTROL.partitions)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            await _read(consumer, control, timeout_ms=200)
        log.info("fetch_control_read", stopped=control.stopped, blocked=len(control.blocked))
        following = asyncio.create_task(_read_on(consumer, control))
        try:
            yield control
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    finally:
        await consumer.stop()


async def _read_on(consumer: Any, control: Control) -> None:
    patience = Patience(FETCH_WAIT_MS)
    while True:
        try:
            read = await _read(consumer, control, timeout_ms=1_000)
            patience.note(consumer, records=read > 0)
            if read:
                log.info("fetch_control_changed", stopped=control.stopped, blocked=len(control.blocked))
        except KafkaError as error:
            log.warning("fetch_control_not_read", error=f"{type(error).__name__}: {error}", then="what was held stays held; trying again")
            await asyncio.sleep(RETRY_S)


async def _read(consumer: Any, control: Control, *, timeout_ms: int) -> int:
    read = 0
    for records in (await consumer.getmany(timeout_ms=timeout_ms)).values():
        for record in records:
            control.take((record.key or b"").decode("utf-8", "replace"), record.value)
            read += 1
    return read
