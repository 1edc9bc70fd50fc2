"""Replaying files into the running stack: bad lines are refused, good ones come through once, poison disturbs nothing."""

import gzip
import itertools
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.postgres import Server
from services.ingest.identity import canonical_url, unlinked_urn
from services.ingest.replay import read_line
from services.publish import schema
from services.publish.config import PublishSettings
from shared.contracts import Discovery
from shared.ids import article_id
from shared.kafka import admin as kafka_admin
from shared.kafka.offsets import STAGES, show
from shared.settings import Settings
from shared.topics import ARTICLES, DEAD_LETTERS, DISCOVERIES, FEEDS, STORIES, STORY_BRIEFS, STORY_INPUTS, STORY_MEMBERS, STORY_UPDATES
from tests.conftest import empty_database
from tests.system import made_up
from tests.system.checks import check_rows, check_topics, explain, read_all
from tests.system.stack import Stack, running
from tests.topics import read_records, until

pytestmark = pytest.mark.stack

LABELLED = Path(__file__).parents[3] / "shared" / "data" / "ground_news.jsonl.gz"
SLICE = 300
FILLED = ("articles", "stories", "story_members", "story_updates", "story_briefs", "feed_entries")
POISON = b'\xff\x00{"schema_version": 1, '
POISONED = 1
WRONG = b'{"schema_version": 2, "title": "from the future"}'


@dataclass
class Filled:
    """The stack of this file's tests, and the articles that it holds by now."""

    stack: Stack
    known: list[UUID] = field(default_factory=list)

    async def replay(self, file: Path, accepted: Sequence[UUID]) -> str:
        """Replay a file; its articles must come through. Gives what the command said."""
        self.stack.release("link")
        said = await self.stack.replay(file)
        self.known += [one for one in accepted if one not in set(self.known)]
        await self.stack.until_quiet(self.known)
        return said


@pytest.fixture(scope="module")
async def filled(broker_process: Any, postgres_process: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Filled]:
    """Give a running stack that all tests of this file fill."""
    broker = broker_process.bootstrap_servers
    async with kafka_admin.connected(broker) as admin:
        await kafka_admin.recreate(admin)
    async with empty_database(postgres_process) as url:
        await schema.migrate(PublishSettings(database_url=url))
        async with running(Stack(broker, url, tmp_path_factory.mktemp("replay"))) as stack:
            yield Filled(stack)


def line(**fields: Any) -> bytes:
    """Make a line that is good but for what is given."""
    good = {
        "id": "odd",
        "title": "Lanterns float again at Quilmar",
        "text": "The lanterns of Quilmar were lit.",
        "url": "https://odd.example/1",
    }
    return json.dumps({**good, **fields}).encode()


BAD = {
    "invalid_json": (b'{"id": 1, "title": "cut', b'["a list"]', b"\xff\xfe\x00{}", b"[" * 100_000),
    "wrong_version": (line(schema_version=2), line(schema_version="one")),
    "no_content": (line(title="", text=""), line(title=None, text=" \n ")),
    "invalid_time": (line(published="0001-01-01T00:00:00Z"), line(published="2200-01-01T00:00:00Z"), line(published="the day before")),
    "invalid_field": (line(title="A" * 2_000_000), line(title={"en": "no text"})),
    "url_too_long": (line(url="https://odd.example/" + "a" * 5_000),),
    "invalid_text": (line(title="NUL \0 in it"), line(text="a lone \ud800 surrogate")),
    "url_refused": (line(url="javascript:alert(1)"), line(url="ftp://odd.example/1"), line(url="https://")),
    "no_identity": (line(url=None, id=None),),
    "line_too_long": (line(text="a" * 17_000_000),),
}
"""Lines that are refused, by the reason that is given."""
GOOD = (
    (line(url="https://odd.example/unknown", importance=9, tags=["a"], nested={"deep": [1]}), "https://odd.example/unknown"),
    (line(url="https://odd.example/long", text="A long night at Quilmar. " * 80_000), "https://odd.example/long"),
    (line(url="https://odd.example/old", published="1901-01-01"), "https://odd.example/old"),
    (line(url="https://odd.example/no-title", title=""), "https://odd.example/no-title"),
    (line(url=None, id="no-url", source="Odd Paper"), unlinked_urn("Odd Paper", "no-url")),
    (b"   \n", None),
)
"""Lines that are odd but good, each with its canonical address."""


def with_bad_lines(path: Path) -> tuple[Path, list[UUID], dict[str, list[int]]]:
    """Write good lines with bad ones between them; give the good ones' ids and the bad ones' numbers by reason."""
    made = made_up.lines(21, 40, name="odd")
    wanted = [made_up.identity(one) for one in made] + [article_id(canonical_url(url) if "://" in url else url) for _, url in GOOD if url]
    good = iter([*(json.dumps(one).encode() for one in made), *(text for text, _ in GOOD)])
    written: list[bytes] = []
    numbers: dict[str, list[int]] = {}
    for reason, bad in BAD.items():
        for one in bad:
            written += [next(good), one]
            numbers.setdefault(reason, []).append(len(written))
    written += good
    path.write_bytes(b"".join(one if one.endswith(b"\n") else one + b"\n" for one in written))
    return path, wanted, numbers


async def marks(stack: Stack) -> dict[str, list[tuple[Any, ...]]]:
    """Give which transaction wrote each row: a row that is written again, even alike, is marked anew."""
    async with stack.rows() as rows:
        return {name: sorted(map(tuple, await rows.fetch(f"SELECT ctid::text, xmin::text FROM {name}"))) for name in FILLED}


async def test_bad_lines_are_refused_by_number_and_reason_and_a_second_time_nothing_changes(filled: Filled, tmp_path: Path) -> None:
    """The good lines between them come through; replayed again they make no event and touch no row."""
    file, wanted, numbers = with_bad_lines(tmp_path / "odd.jsonl")
    said = await filled.replay(file, wanted)
    refused = {reason: len(lines) for reason, lines in numbers.items()}
    assert f"{len(wanted)} articles accepted, {sum(refused.values())} lines refused" in said
    assert {reason: int(count) for reason, count in re.findall(r"^  (\w+): (\d+)$", said, re.MULTILINE)} == refused
    for lines in numbers.values():
        for number in lines[:3]:
            assert f"line {number}: " in said
    assert "\0" not in said
    assert len(said) < 20_000, "no line is printed whole"

    told = await read_all(filled.stack.broker)
    assert explain(told.letters) == []
    check_topics(told, filled.known)
    assert told.articles[article_id("https://odd.example/long")].truncated
    before = await marks(filled.stack)
    zipped = tmp_path / "again.jsonl.gz"
    zipped.write_bytes(gzip.compress(file.read_bytes()))
    assert f"{len(wanted)} articles accepted" in await filled.stack.replay(zipped, "--source", "odd")
    await handled(filled.stack)
    await filled.stack.until_settled(filled.known)
    again = await read_all(filled.stack.broker)
    assert {name: len(records) for name, records in again.records.items()} == {name: len(records) for name, records in told.records.items()}
    assert again.letters == []
    assert await marks(filled.stack) == before


async def handled(stack: Stack) -> None:
    """Wait until fetch has handled all that was discovered."""

    async def all_handled() -> bool:
        return not sum(standing.lag for standing in await show(Settings(kafka_bootstrap_servers=stack.broker), STAGES["fetch"]))

    await until(all_handled, "all discoveries handled")


async def test_poison_on_any_topic_becomes_dead_letters_and_disturbs_nothing(filled: Filled, tmp_path: Path) -> None:
    """Each reader of a topic tells what it can't read; what comes after it goes its way."""
    readers = (
        (FEEDS, ("poll", "materialise")),
        (DISCOVERIES, ("fetch",)),
        (ARTICLES, ("enrich", "materialise")),
        (STORY_INPUTS, ("assign",)),
        (STORY_UPDATES, ("materialise",)),
        (STORIES, ("materialise",)),
        (STORY_MEMBERS, ("materialise",)),
        (STORY_BRIEFS, ("materialise",)),
    )
    logs = (DISCOVERIES, STORY_INPUTS, STORY_UPDATES)
    wanted: Counter[tuple[str, str]] = Counter()
    async with AIOKafkaProducer(bootstrap_servers=filled.stack.broker) as producer:
        for topic, stages in readers:
            key = str(made_up.identity({"url": "https://poison.example/1"})).encode()
            records: list[tuple[bytes | None, bytes | None]] = [(b"\xff not a key", POISON), (key, WRONG), (key, b"{}"), (key, b"")]
            if topic in logs:
                records += [(None, POISON), (key, None)]
            for poison_key, value in records:
                await producer.send_and_wait(topic.name, key=poison_key, value=value, partition=POISONED)
                wanted.update((stage, topic.name) for stage in stages)
    good = made_up.lines(22, 40, name="after")
    await filled.replay(made_up.write_lines(tmp_path / "after.jsonl", good), [made_up.identity(one) for one in good])

    async def all_told() -> bool:
        return len((await read_all(filled.stack.broker)).letters) >= wanted.total()

    await until(all_told, f"{wanted.total()} dead letters")
    told = await read_all(filled.stack.broker)
    assert Counter((letter.stage, letter.topic) for letter in told.letters) == wanted
    assert {letter.reason for letter in told.letters} == {"invalid_message"}, explain(told.letters)
    assert all(letter.error and letter.partition == POISONED for letter in told.letters)
    check_topics(told, filled.known)
    async with filled.stack.rows() as rows:
        await check_rows(told, rows)
    assert filled.stack.ended == [], "no service ends over poison"


async def test_a_labelled_set_comes_through_whole(filled: Filled, tmp_path: Path) -> None:
    """All articles of a set of real news have rows, each is in a story, and none is refused."""
    if not LABELLED.is_file():
        pytest.skip("the labelled set is not on this machine")
    file = tmp_path / "labelled.jsonl"
    with gzip.open(LABELLED) as lines:
        file.write_bytes(b"".join(itertools.islice(lines, SLICE)))
    wanted = []
    for one in file.read_bytes().splitlines():
        discovery = read_line(one, "labelled", datetime.now(UTC)).value
        assert isinstance(discovery, Discovery)
        assert discovery.url is not None
        wanted.append(article_id(canonical_url(discovery.url)))
    assert len(set(wanted)) == SLICE
    letters = len(await read_records(filled.stack.broker, DEAD_LETTERS))
    said = await filled.replay(file, wanted)
    assert f"{SLICE} articles accepted, 0 lines refused" in said
    told = await read_all(filled.stack.broker)
    assert explain(told.letters[letters:]) == []
    check_topics(told, filled.known)
    async with filled.stack.rows() as rows:
        await check_rows(told, rows)
        assert await rows.fetchval("SELECT count(*) FROM articles WHERE article_id = ANY ($1::uuid[])", wanted) == SLICE
        assert await rows.fetchval("SELECT max(article_count) FROM stories") > 1
