"""The brief worker on the real broker and database, beside a real materialiser."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from services.publish import read
from services.publish.brief.app import run as run_briefs
from services.publish.brief.composer import Composer
from services.publish.brief.source import Source
from services.publish.config import BriefSettings, MaterialiseSettings, PublishSettings
from services.publish.connect import Connection
from services.publish.maintain import retry_briefs
from services.publish.materialise.app import run as run_rows
from shared.contracts import ArticleStatus, Brief, DeadLetter, StoryStatus
from shared.errors import Refused
from shared.topics import DEAD_LETTERS, STORIES, STORY_BRIEFS
from tests.publish.made_up import Log, article, made_id, member, story
from tests.publish.stack import eventually, process, produce, put, read_topic, running

pytestmark = pytest.mark.stack

ICE = (
    "The harbour of Oren froze over on Tuesday for the first time in 40 years. Pilot boats stayed in port, the harbour master Ida Holm said. "
    "Three tankers wait outside the breakwater until an icebreaker comes from Lisse on Thursday."
)
MORE_ICE = (
    "The harbour of Oren froze over on Tuesday for the first time in 40 years, and three tankers wait outside the breakwater. "
    "Schools on the outer islands closed because no ferry sails. The council will pay for helicopter flights, mayor Jon Aske said."
)


@pytest.fixture
def briefs(settings: PublishSettings, clean_topics: str) -> BriefSettings:
    """Give settings of a brief worker on empty topics and an empty database."""
    return BriefSettings(
        database_url=settings.database_url,
        kafka_bootstrap_servers=clean_topics,
        status_interval_s=0.1,
        brief_sweep_interval_s=0.2,
        brief_text_wait_s=1.0,
    )


@pytest.fixture
async def rows(briefs: BriefSettings) -> AsyncIterator[MaterialiseSettings]:
    """Run a materialiser."""
    settings = MaterialiseSettings(
        database_url=briefs.database_url, kafka_bootstrap_servers=briefs.kafka_bootstrap_servers, status_interval_s=0.1
    )
    async with running(run_rows, settings):
        yield settings


async def brief_of(connection: Connection, name: str = "story", revision: int = 1) -> Any:
    return await connection.fetchrow(
        "SELECT * FROM story_briefs WHERE story_id = $1 AND story_revision = $2 AND sections <> '[]'", made_id(name), revision
    )


async def test_a_brief_follows_its_story_within_a_moment(briefs: BriefSettings, rows: MaterialiseSettings, connection: Connection) -> None:
    """From a story's append to its brief's row takes some hundredths of a second."""
    async with running(run_briefs, briefs):
        await put(briefs.kafka_bootstrap_servers, article(text=ICE), member(), story())
        await eventually(lambda: brief_of(connection))
        took = []
        for revision in range(2, 17):
            began = time.perf_counter()
            await put(briefs.kafka_bootstrap_servers, story(revision=revision))
            await eventually(lambda revision=revision: brief_of(connection, revision=revision), every_s=0.001)
            took.append(time.perf_counter() - began)
    assert sorted(took)[7] < 0.5, f"half of the briefs took longer: {took}"


async def test_a_text_that_comes_late_is_told_too(briefs: BriefSettings, rows: MaterialiseSettings, connection: Connection) -> None:
    """A brief made without an article's text is made anew when the text comes, though the story's revision stays."""
    two = story(article_count=2, publisher_count=2)
    async with running(run_briefs, briefs.model_copy(update={"brief_text_wait_s": 0.0})):
        await put(briefs.kafka_bootstrap_servers, article("one", text=ICE), member("one"), member("two", number=2), two)
        await eventually(lambda: brief_of(connection))
        await put(briefs.kafka_bootstrap_servers, article("two", text=MORE_ICE))
        await eventually(lambda: connection.fetchval("SELECT sections::text LIKE '%2]%' FROM story_briefs"))


async def test_a_brief_waits_a_moment_for_texts_on_their_way(
    briefs: BriefSettings, rows: MaterialiseSettings, connection: Connection
) -> None:
    """No brief is made of half the texts when the others are only late."""
    fresh = datetime.now(UTC)
    async with running(run_briefs, briefs.model_copy(update={"brief_text_wait_s": 30.0})):
        await put(
            briefs.kafka_bootstrap_servers,
            article("one", text=ICE),
            member("one", fetched_at=fresh),
            member("two", number=2, fetched_at=fresh),
            story(article_count=2),
        )
        await eventually(lambda: connection.fetchval("SELECT bool_and(not_before > now()) FROM brief_queue"))
        await put(briefs.kafka_bootstrap_servers, article("two", text=MORE_ICE))
        await eventually(lambda: brief_of(connection))
    [record] = await read_topic(briefs.kafka_bootstrap_servers, STORY_BRIEFS)
    assert {number for section in Brief.from_bytes(record.value).sections for s in section.sentences for number in s.citations} == {1, 2}


async def test_a_story_without_articles_loses_its_brief(
    briefs: BriefSettings, rows: MaterialiseSettings, connection: Connection, pool: read.Database
) -> None:
    """When its last article is withdrawn a story's sentences vanish at once, and its brief soon after."""
    async with running(run_briefs, briefs):
        await put(briefs.kafka_bootstrap_servers, article(text=ICE), member(), story())
        await eventually(lambda: brief_of(connection))
        await put(briefs.kafka_bootstrap_servers, member(version=2, present=False))
        await eventually(lambda: connection.fetchval("SELECT NOT present FROM story_members"))
        page = await read.story(pool, made_id("story"))
        assert isinstance(page, read.StoryDetail)
        assert page.sections == ()
        await put(
            briefs.kafka_bootstrap_servers,
            article(version=2, status=ArticleStatus.WITHDRAWN),
            story(revision=2, status=StoryStatus.EMPTY, article_count=0, publisher_count=0),
        )
        await eventually(lambda: connection.fetchval("SELECT count(*) = 0 FROM story_briefs"))
    assert [record.value is None for record in await read_topic(briefs.kafka_bootstrap_servers, STORY_BRIEFS)][-1]


async def test_killed_workers_leave_no_story_without_its_brief(
    briefs: BriefSettings, rows: MaterialiseSettings, connection: Connection
) -> None:
    """Two workers that are killed again and again: in the end every story has the brief of its last revision."""
    log = Log()
    for number in range(40):
        log.put(article(f"a{number}", text=ICE))
        log.put(member(f"a{number}", f"s{number}"))
        for revision in range(1, 4):
            log.put(story(f"s{number}", revision))
    feeding = asyncio.ensure_future(produce(briefs.kafka_bootstrap_servers, log.records()))
    behind = (
        "SELECT count(*) FROM stories s LEFT JOIN story_briefs b USING (story_id) "
        "WHERE b.story_revision IS DISTINCT FROM s.revision OR b.sections = '[]'"
    )
    for _ in range(4):
        async with process("services.publish.brief", briefs) as one, process("services.publish.brief", briefs) as two:
            made = await connection.fetchval("SELECT count(*) FROM brief_inputs")
            await eventually(lambda made=made: connection.fetchval("SELECT count(*) >= least(40, $1::bigint) FROM brief_inputs", made + 5))
            one.send_signal(signal.SIGKILL)
            two.send_signal(signal.SIGKILL)
    await feeding
    async with running(run_briefs, briefs):
        await eventually(lambda: connection.fetchval("SELECT count(*) = 40 FROM stories WHERE revision = 3"))
        await eventually(lambda: connection.fetchval(f"SELECT ({behind}) = 0"))
        await eventually(lambda: connection.fetchval("SELECT count(*) = 0 FROM brief_queue"))


async def test_a_story_that_cannot_be_told_is_one_dead_letter_and_harms_no_other(
    briefs: BriefSettings, rows: MaterialiseSettings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Composing that fails is a dead letter once for each revision; other stories get their briefs."""
    monkeypatch.setattr(Composer, "compose", _fails_for(made_id("bad"), Composer.compose))
    async with running(run_briefs, briefs):
        for revision in (1, 2):
            await put(briefs.kafka_bootstrap_servers, article("x", text=ICE), member("x", "bad"), story("bad", revision))
            await put(briefs.kafka_bootstrap_servers, article("y", text=ICE), member("y", "good"), story("good", revision))
            await eventually(lambda revision=revision: brief_of(connection, "good", revision))
            await eventually(
                lambda revision=revision: connection.fetchval("SELECT true FROM brief_failures WHERE story_revision = $1", revision)
            )
        await put(briefs.kafka_bootstrap_servers, article("x", 2, text=MORE_ICE))
        await eventually(lambda: connection.fetchval("SELECT true FROM articles WHERE version = 2"))
        await eventually(lambda: connection.fetchval("SELECT count(*) = 0 FROM brief_queue"))
        monkeypatch.undo()
        assert await retry_briefs(connection) == 1
        await eventually(lambda: brief_of(connection, "bad", 2))
    letters = [DeadLetter.from_bytes(record.value) for record in await read_topic(briefs.kafka_bootstrap_servers, DEAD_LETTERS)]
    assert [(letter.reason, letter.topic) for letter in letters] == [("compose_failed", STORIES.name)] * 2
    assert len({letter.letter_id for letter in letters}) == 2


def _fails_for(story_id, compose):
    async def failing(self, told, sources):
        if told.story_id == story_id:
            raise Refused("compose_failed", "made to fail")
        return await compose(self, told, sources)

    return failing


async def test_a_composing_process_that_dies_or_hangs_is_replaced() -> None:
    """A killed process refuses its story and the next story is composed; so does one that takes too long."""
    composer = Composer(timeout_s=30)
    source = Source(1, made_id("article"), 1, "Harbour of Oren freezes over", ICE, "x.example", "X", "en")
    try:
        first = await composer.compose(story(), (source,))
        assert first.sections
        child = await composer.start()
        os.kill(child.pid, signal.SIGSTOP)
        composer.timeout_s = 0.2
        with pytest.raises(Refused, match="compose_timeout"):
            await composer.compose(story(), (source,))
        composer.timeout_s = 30
        child = await composer.start()
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(Refused, match="compose_crashed"):
            await composer.compose(story(), (source,))
        assert await composer.compose(story(), (source,)) == first
    finally:
        await composer.stop()
