"""An erasure's steps, in an order in which nothing comes back behind them."""

import asyncio
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from aiokafka import TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.erasure import rows
from deploy.erasure.compaction import compact_now, cut_logs
from deploy.erasure.needles import Finder, Needles
from deploy.erasure.scan import Found, reading, records_of, scan
from services.ingest.control import Held, domain_key, erased_key, erased_outlet_key
from services.publish.config import PublishSettings
from services.publish.connect import connect
from services.publish.materialise.vocabulary import forget_words
from shared.contracts import Article, Command, CommandOp, DeadLetter, InputKind, Member, StoryInput
from shared.errors import InvalidMessage, Unreachable
from shared.kafka import admin as kafka_admin
from shared.kafka import letters, offsets
from shared.kafka.decision import Output
from shared.kafka.letters import Wanted
from shared.kafka.tables import Sender
from shared.logs import get_logger
from shared.settings import Settings
from shared.topics import (
    ARTICLES,
    DEAD_LETTERS,
    DISCOVERIES,
    FETCH_CONTROL,
    STORY_BRIEFS,
    STORY_INPUTS,
    STORY_MEMBERS,
    STORY_UPDATES,
    Topic,
)

log = get_logger()

ARTICLES_A_COMMAND: Final = 500
ROUNDS: Final = 5
LOOK_S: Final = 0.3
FOREVER_MS: Final = 10**15

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """Who erases what, and why. `publisher`: all that an outlet has, and ever will."""

    article_ids: frozenset[UUID]
    publisher: str | None
    actor: str
    why: str


@dataclass(slots=True)
class Proof:
    """What is left after an erasure: by topic and by table."""

    topics: list[Found] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)
    gone_by: dict[str, datetime | None] = field(default_factory=dict)
    """For topics that hold old copies: when the last is gone at latest; None: when its topic is compacted, which nothing limits."""

    @property
    def complete(self) -> bool:
        """Say whether nothing that counts is left: no row, and no record that its topic keeps."""
        return not self.tables and not any(found.left for found in self.topics if not found.expires)


class Erasure:
    """Carries one order out. Each step may be repeated: a second call of the whole does no harm."""

    def __init__(self, settings: PublishSettings, order: Order, tell: Tell, wait_s: float) -> None:
        """Keep what to do; `run` connects."""
        self._settings = settings
        self._order = order
        self._tell = tell
        self._wait_s = wait_s
        self.needles = Needles(set(order.article_ids))

    async def run(self, *, now: bool) -> Proof:
        """Erase, wait until every service has followed, and prove it. `now`: old copies in logs too.

        Raises `Unreachable` where a service that must follow does not.
        """
        self._tell("looks for the articles")
        await self._learn()
        self._tell(f"blocks {len(self.needles.ids)} articles")
        await self._block()
        await self._take_out()
        await self._clean_rows()
        await self._drop_letters()
        log.info(
            "articles_erased",
            articles=len(self.needles.ids),
            publisher=self._order.publisher,
            actor=self._order.actor,
            why=self._order.why,
        )
        self._tell("looks through every topic and table")
        proof = await self.verify()
        if now and any(found.left or found.old for found in proof.topics):
            self._tell("cuts logs and compacts topics")
            await self._ready_to_cut(proof.topics)
            await cut_logs(self._settings, proof.topics)
            old = [found.topic for found in proof.topics if found.old]
            await compact_now(self._settings, old, self.needles.content(), self._wait_s)
            proof = await self.verify()
        return proof

    async def verify(self) -> Proof:
        """Look through every topic and table for what should be gone."""
        found = await scan(self._settings, self.needles.content())
        connection = await connect(self._settings, "erase")
        try:
            tables = await rows.rows_with(connection, self._settings.database_schema, self.needles.sought)
        finally:
            await connection.close()
        return Proof(found, tables, await _gone_by(self._settings, [one for one in found if one.left or one.old]))

    # Steps

    async def _learn(self) -> None:
        """Learn what the articles can be known by, and which passages other articles share with them."""
        publisher = None if self._order.publisher is None else self._order.publisher.encode()
        ids = {str(one).encode() for one in self._order.article_ids}
        for topic, contract in ((ARTICLES, Article), (STORY_MEMBERS, Member)):
            async for record in records_of(self._settings, topic):
                if record.value is None or not (record.key in ids or (publisher is not None and publisher in record.value)):
                    continue
                try:
                    message: Any = contract.from_bytes(record.value)
                except InvalidMessage:
                    continue
                if message.article_id in self._order.article_ids or message.publisher.id == self._order.publisher:
                    self._note(message)
        await self.learn_others()

    async def learn_others(self) -> None:
        """Learn which passages other articles have too: finding them proves nothing."""
        own = {str(one).encode() for one in self.needles.ids}
        finder = self.needles.content()
        async for record in records_of(self._settings, ARTICLES):
            if record.key not in own and record.value is not None:
                self.needles.others.update(finder.passages_in(record.value))

    def _note(self, message: Article | Member) -> None:
        if isinstance(message, Article):
            self.needles.add(message)
            return
        self.needles.ids.add(message.article_id)
        self.needles.add_title(message.title)
        self.needles.passages.update([message.url] if len(message.url) > 24 else [])

    async def _block(self) -> None:
        held = Held(since=datetime.now(UTC), by=self._order.actor, why=self._order.why)
        keys = [erased_key(article_id) for article_id in sorted(self.needles.ids)]
        if self._order.publisher is not None:
            keys += [domain_key(self._order.publisher), erased_outlet_key(self._order.publisher)]
        async with Sender(self._settings) as sender:
            await sender.send(Output(FETCH_CONTROL, key, held) for key in keys)

    async def _take_out(self) -> None:
        """Erase from stories until none of the articles is in one, those that were on their way included."""
        async with Sender(self._settings) as sender:
            await sender.send(Output(ARTICLES, str(article_id), None) for article_id in sorted(self.needles.ids))
            for _ in range(ROUNDS):
                self._tell("waits for enrich and assign")
                await self._until_passed("enrich", ARTICLES)
                await self._until_passed("assign", STORY_INPUTS)
                places = await self._places()
                if not places:
                    return
                commands = [
                    Output(STORY_INPUTS, str(uuid4()), StoryInput(kind=InputKind.COMMAND, command=command), partition)
                    for partition, article_ids in places.items()
                    for command in self._commands(sorted(article_ids))
                ]
                await sender.send(commands)
        if await self._places():
            raise Unreachable("some of the articles are still in stories: see slugline deadletters list --stage assign")

    async def _ready_to_cut(self, found: Sequence[Found]) -> None:
        """See to it that nothing that still counts lies before a log's last old copy: inputs are handled, open letters said again."""
        last = {one.topic.name: one.last_offsets for one in found}
        if last[DISCOVERIES.name]:
            await self._until_passed("fetch", DISCOVERIES)
        if last[STORY_INPUTS.name]:
            await self._until_passed("assign", STORY_INPUTS)
        connection = await connect(self._settings, "erase")
        try:

            async def rows_have_them() -> bool:
                return await rows.has_passed(connection, STORY_UPDATES.name, last[STORY_UPDATES.name])

            await self._until(rows_have_them, "the rows are behind story_updates.v1 after {0:g} s; start materialise, then erase again")
        finally:
            await connection.close()
        if last[DEAD_LETTERS.name]:
            await letters.say_again(self._settings, await self._letters(quoting=False))

    def _commands(self, article_ids: Sequence[UUID]) -> Iterable[Command]:
        for start in range(0, len(article_ids), ARTICLES_A_COMMAND):
            yield Command(
                command_id=uuid4(),
                op=CommandOp.ERASE,
                article_ids=tuple(article_ids[start : start + ARTICLES_A_COMMAND]),
                actor=self._order.actor,
                why=self._order.why,
                at=datetime.now(UTC),
            )

    async def _places(self) -> dict[int, set[UUID]]:
        """Give the articles that are in a story, by the partition of their story."""
        latest: dict[UUID, tuple[int, bool]] = {}
        ids = {str(one).encode(): one for one in self.needles.ids}
        async for record in records_of(self._settings, STORY_MEMBERS):
            if (article_id := ids.get(record.key)) is not None:
                latest[article_id] = record.partition, record.value is not None
        places: dict[int, set[UUID]] = {}
        for article_id, (partition, there) in latest.items():
            if there:
                places.setdefault(partition, set()).add(article_id)
        return places

    async def _until_passed(self, stage: str, topic: Topic) -> None:
        """Wait until a stage has handled all records that its topic holds now."""
        async with reading(self._settings, topic) as consumer:
            ends = await consumer.end_offsets(list(consumer.assignment()))

            async def passed() -> bool:
                for at in await offsets.show(self._settings, offsets.STAGES[stage]):
                    tp = TopicPartition(topic.name, at.partition)
                    begin = at.begin if at.next_offset is None else max(at.next_offset, at.begin)
                    if await _has_record(consumer, tp, begin, ends[tp]):
                        return False
                return True

            await self._until(passed, f"{stage} has not handled all of {topic.name} within {{0:g}} s; start it, then erase again")

    async def _clean_rows(self) -> None:
        connection = await connect(self._settings, "erase")
        try:
            self._tell("waits for the rows")
            stories = await rows.stories_of(connection, self.needles.ids)

            async def gone() -> bool:
                return not await rows.places_left(connection, self.needles.ids)

            await self._until(gone, "the articles' rows are still there after {0:g} s; start materialise, then erase again")
            await rows.blank_history(connection, stories, self.needles.titles)
            quiet = await rows.briefs_of_empty(connection, stories)
            async with Sender(self._settings) as sender:
                await sender.send(Output(STORY_BRIEFS, str(story_id), None) for story_id in quiet)

            async def told_anew() -> bool:
                return not await rows.rows_with(connection, self._settings.database_schema, self.needles.sought, ["story_briefs"])

            self._tell("waits for briefs to be written anew")
            await self._until(told_anew, "briefs still quote the articles after {0:g} s; start brief, then erase again")
            await forget_words(connection)
        finally:
            await connection.close()

    async def _drop_letters(self) -> None:
        if found := await self._letters(quoting=True):
            await letters.drop(self._settings, found, self._order.actor, datetime.now(UTC))

    async def _letters(self, *, quoting: bool) -> list[DeadLetter]:
        """Give the open letters that hold something of the articles, or all others."""
        finder = self.needles.content()
        return [letter for letter in await letters.read(self._settings, Wanted()) if _quotes(letter, finder) is quoting]

    async def _until(self, condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        deadline = time.monotonic() + self._wait_s
        while not await condition():
            if time.monotonic() > deadline:
                raise Unreachable(otherwise.format(self._wait_s))
            await asyncio.sleep(LOOK_S)


def _quotes(letter: DeadLetter, finder: Finder) -> bool:
    value = b64decode(letter.value or "")
    return finder.passage_in(value) is not None or finder.id_in(value)


async def _has_record(consumer: Any, tp: TopicPartition, begin: int, end: int) -> bool:
    """Say whether there is a record, not only a transaction's marker, from one offset up to another."""
    if begin >= end:
        return False
    others = [other for other in consumer.assignment() if other != tp]
    consumer.pause(*others)
    consumer.resume(tp)
    consumer.seek(tp, begin)
    while await consumer.position(tp) < end:
        records = (await consumer.getmany(tp, timeout_ms=200, max_records=1)).get(tp)
        if records:
            return bool(records[0].offset < end)
    return False


async def _gone_by(settings: Settings, found: Sequence[Found]) -> dict[str, datetime | None]:
    if not found:
        return {}
    gone: dict[str, datetime | None] = {}
    async with kafka_admin.connected(settings) as admin:
        for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, one.topic.name) for one in found]):
            for _code, _message, _kind, name, entries in response.resources:
                configs = {entry[0]: entry[1] for entry in entries}
                one = next(one for one in found if one.topic.name == name)
                gone[name] = _latest(one, configs)
    return gone


def _latest(found: Found, configs: dict[str, str]) -> datetime | None:
    """Say when a topic's last copy is gone at latest: its segment closes, and then its time is over or it is compacted."""
    segment_ms = int(configs["segment.ms"])
    if found.expires:
        waits_ms = int(configs["retention.ms"]) + segment_ms
    else:
        waits_ms = max(int(configs["max.compaction.lag.ms"]), int(configs["min.compaction.lag.ms"])) + segment_ms
    if found.last_at is None or waits_ms > FOREVER_MS or (int(configs.get("retention.ms", 0)) < 0 and found.expires):
        return None
    return found.last_at + timedelta(milliseconds=waits_ms)
