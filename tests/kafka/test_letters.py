"""Dead letters: read with their resolution, sent back once, never over a later record."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shared.contracts import DeadLetter, Discovery
from shared.errors import InvalidMessage, Refused
from shared.kafka import letters
from shared.kafka.dead_letters import dead_letter
from shared.kafka.decision import Output, SourceRecord
from shared.kafka.letters import Resolution, Wanted
from shared.settings import Settings
from shared.topics import ARTICLES, DISCOVERIES, Topic
from tests.topics import read_records, until, write

pytestmark = pytest.mark.stack

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def letter(offset: int, topic: str = DISCOVERIES.name, key: bytes = b"ledger.example", stage: str = "fetch") -> Output:
    record = SourceRecord(topic, 1, offset, key, b'{"title": 1', int(NOW.timestamp() * 1000))
    return dead_letter(stage, record, InvalidMessage("not a Discovery"))


async def settled(settings: Settings, still_open: int) -> None:
    """Wait until the broker has written the end of the last transaction, so that its records are seen."""

    async def seen() -> bool:
        return len(await letters.read(settings, Wanted())) == still_open

    await until(seen, f"{still_open} open letters")


async def settled_records(broker: str, topic: Topic, count: int) -> list[Any]:
    """Read a topic once it holds so many records that are committed."""

    async def seen() -> bool:
        return len(await read_records(broker, topic)) >= count

    await until(seen, f"{count} records")
    return await read_records(broker, topic)


async def test_a_letter_is_sent_back_once_to_its_own_partition_with_its_own_bytes(clean_topics: str) -> None:
    settings = Settings(kafka_bootstrap_servers=clean_topics)
    await write(clean_topics, [letter(5), letter(5), letter(6)])
    found = await letters.read(settings, Wanted(stage="fetch", reason="invalid_message"))
    assert [one.offset for one in found] == [5, 6]
    assert await letters.replay(settings, found[:1], "ann", NOW) == {Resolution.REPLAYED: 1}
    [record] = await settled_records(clean_topics, DISCOVERIES, 1)
    await settled(settings, 1)
    assert (record.partition, record.key, record.value) == (1, b"ledger.example", b'{"title": 1')
    assert [one.offset for one in await letters.read(settings, Wanted())] == [6]
    [replayed, _] = await letters.read(settings, Wanted(resolved=True))
    assert (replayed.resolution, replayed.resolved_by, replayed.value) == ("replayed", "ann", b64encode(b'{"title": 1').decode())


async def test_a_dropped_letter_is_listed_no_more(clean_topics: str) -> None:
    settings = Settings(kafka_bootstrap_servers=clean_topics)
    await write(clean_topics, [letter(5)])
    assert await letters.drop(settings, await letters.read(settings, Wanted()), "ann", NOW) == 1
    await settled(settings, 0)
    assert await letters.read(settings, Wanted()) == []


async def test_a_letter_of_a_compacted_topic_is_never_sent_back_over_a_later_record_of_its_key(clean_topics: str) -> None:
    """Compaction keeps the last record of a key: sending an old version back would undo the new one."""
    settings = Settings(kafka_bootstrap_servers=clean_topics)
    later = Output(ARTICLES, str(UUID(int=1)), Discovery(kind="item", url="https://a.example/", discovered_at=NOW), 1)  # type: ignore[arg-type]
    await write(
        clean_topics,
        [later, later, letter(0, ARTICLES.name, str(UUID(int=1)).encode(), "enrich"), letter(1, ARTICLES.name, b"other", "enrich")],
    )
    found = await letters.read(settings, Wanted(stage="enrich"))
    assert await letters.replay(settings, found, "ann", NOW) == {Resolution.SUPERSEDED: 1, Resolution.REPLAYED: 1}
    assert len(await settled_records(clean_topics, ARTICLES, 3)) == 3


async def test_letters_are_chosen_by_stage_reason_time_and_id(clean_topics: str) -> None:
    settings = Settings(kafka_bootstrap_servers=clean_topics)
    await write(clean_topics, [letter(5), letter(7, stage="enrich")])
    [one, _] = await letters.read(settings, Wanted())
    assert [found.letter_id for found in await letters.read(settings, Wanted(letter=str(one.letter_id)[:8]))] == [one.letter_id]
    assert await letters.read(settings, Wanted(since=datetime(2026, 3, 2, tzinfo=UTC))) == []
    assert [found.offset for found in await letters.read(settings, Wanted(stage="enrich"))] == [7]
    assert all(isinstance(found, DeadLetter) for found in await letters.read(settings, Wanted(reason="invalid_message")))
    assert len(await letters.read(settings, Wanted(until=datetime(2026, 3, 2, tzinfo=UTC)))) == 2
    assert await letters.read(settings, Wanted(until=NOW)) == []


async def test_a_second_replay_of_the_same_letters_sends_nothing_and_fences_the_first(clean_topics: str) -> None:
    settings = Settings(kafka_bootstrap_servers=clean_topics)
    await write(clean_topics, [letter(5), letter(6)])
    found = await letters.read(settings, Wanted())
    async with letters._Resolver(settings, "ann", NOW) as first:
        assert await letters.replay(settings, found[:1], "ben", NOW) == {Resolution.REPLAYED: 1}
        with pytest.raises(Refused, match="another replay"):
            await first.resolve(found[1], Resolution.REPLAYED)
    assert await letters.replay(settings, found, "cy", NOW) == {Resolution.REPLAYED: 1}
    assert await letters.replay(settings, found, "dee", NOW) == {}
    assert len(await settled_records(clean_topics, DISCOVERIES, 2)) == 2
