"""Rows that have had their time go, a few at a time; all others stay, and streams learn of it."""

import asyncio
from datetime import timedelta

import pytest

from services.publish.config import MaterialiseSettings, PublishSettings
from services.publish.connect import Connection, connect
from services.publish.materialise.app import run
from services.publish.materialise.vocabulary import forget_words
from services.publish.retain import retain
from shared.contracts import ArticleStatus
from shared.errors import InvalidSetting
from shared.retention import RetentionSettings, topics_kept
from shared.topics import ARTICLES, STORIES, STORY_UPDATES
from tests.publish.made_up import Log, article, brief, made_id, member, story, update
from tests.publish.stack import eventually, load, running

pytestmark = pytest.mark.stack

DAYS = 86_400


async def aged(connection: Connection, days: dict[str, float]) -> None:
    """Load a story with an article, a brief and two revisions for each name, so many days old."""
    log = Log()
    for name in days:
        for message in (article(name), story(name, 2, status="closed"), member(name, name), brief(name), update(name), update(name, 2)):
            log.put(message)
    await load(connection, log)
    for name, age in days.items():
        identity, at = made_id(name), await connection.fetchval("SELECT now() - make_interval(secs => $1)", age * DAYS)
        await connection.execute("UPDATE articles SET fetched_at = $2 WHERE article_id = $1", identity, at)
        await connection.execute("UPDATE stories SET appended_at = $2 WHERE story_id = $1", identity, at)
        await connection.execute("UPDATE story_updates SET appended_at = $2 WHERE story_id = $1", identity, at)


async def test_each_kind_of_row_lives_as_long_as_its_setting_says(connection: Connection) -> None:
    await aged(connection, {"new": 1, "month": 31, "year": 400, "ancient": 900})
    keep = RetentionSettings(keep_texts_days=30, keep_article_rows_days=365, keep_history_days=365, keep_stories_days=500, retain_pause_s=0)
    assert await retain(connection, keep) == {"text": 3, "article": 2, "revision": 4, "story": 1, "word": 1}
    assert await words(connection) >= {"month", "year"}, "a story says it still"
    assert "ancient" not in await words(connection)
    texts = {row["article_id"]: bool(row["text"]) for row in await connection.fetch("SELECT article_id, text FROM articles")}
    assert texts == {made_id("new"): True, made_id("month"): False}
    assert {row["story_id"] for row in await connection.fetch("SELECT story_id FROM stories")} == {*map(made_id, ("new", "month", "year"))}
    for table in ("story_members", "story_briefs", "feed_entries"):
        assert not await connection.fetchval(f"SELECT count(*) FROM {table} WHERE story_id = $1", made_id("ancient")), table
    assert await connection.fetchval("SELECT count(*) FROM story_members") == 3
    assert await connection.fetchval("SELECT max(first_offset) FROM consumed_offsets WHERE topic = $1", STORY_UPDATES.name) > 0
    assert await retain(connection, keep) == {}


async def test_rows_go_in_small_transactions_and_zero_is_for_ever(connection: Connection) -> None:
    await aged(connection, {f"old-{number}": 400 for number in range(7)})
    forever = RetentionSettings(keep_texts_days=0, keep_article_rows_days=0, keep_history_days=0, keep_stories_days=0)
    assert await retain(connection, forever) == {}
    before = await connection.fetchval("SELECT pg_current_xact_id()::text::bigint")
    keep = forever.model_copy(update={"keep_article_rows_days": 30.0, "retain_batch_rows": 2, "retain_pause_s": 0.0})
    assert await retain(connection, keep) == {"article": 7, "word": 1}, "says, which no story's headline has"
    assert await connection.fetchval("SELECT pg_current_xact_id()::text::bigint") - before >= 4


async def words(connection: Connection) -> set[str]:
    """Give the words that a search takes for known."""
    return {row["word"] for row in await connection.fetch("SELECT word FROM search_words")}


async def test_words_of_headlines_that_are_gone_are_forgotten_and_no_others(connection: Connection) -> None:
    """Erased, corrected, withdrawn or edited away: what no headline has any more goes, inflected or not; grammar may stay."""
    await load(connection, article("a", title="Baker Vessel and the ovens"), story("s", headline="Baker Vessel and the ovens"))
    await load(
        connection, article("b", title="Quilfeather’s cañón"), article("c", title="An oven and a vessel-maker"), article("d", title="Ünlü")
    )
    assert {"baker", "vessel", "ovens", "quilfeather", "cañón", "ünlü"} <= await words(connection)
    log = Log()
    log.append(ARTICLES, made_id("a"), None)
    await load(connection, log, article("d", 2, status=ArticleStatus.WITHDRAWN, title="Ünlü"))
    assert await forget_words(connection) == 1, "the story's headline has the erased article's words as yet"
    assert "ünlü" not in await words(connection)
    await load(connection, story("s", 2, headline="Nothing"), article("b", 2, title="Quilfeather"))
    assert await forget_words(connection) == 3
    left = await words(connection)
    assert not left & {"baker", "ovens", "cañón"}
    assert left >= {"oven", "vessel", "quilfeather"}, "others have them"
    assert await connection.fetchval("SELECT count(*) FROM doubted_words") == 0


async def test_a_word_that_is_written_again_while_it_is_looked_up_is_kept(connection: Connection, settings: PublishSettings) -> None:
    await load(connection, article("a", title="Marzipan"), article("b", title="Other"))
    await load(connection, article("a", 2, title="Other"))
    writer = await connect(settings, "writer")
    transaction = writer.transaction()
    await transaction.start()
    await load(writer, article("c", title="Marzipan"))
    forgetting = asyncio.create_task(forget_words(connection))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    await eventually(lambda: writer.fetchval(waiting))
    await transaction.commit()
    assert await forgetting == 0
    assert "marzipan" in await words(connection)
    await writer.close()


async def test_an_open_story_is_never_too_old(connection: Connection) -> None:
    await aged(connection, {"long": 900})
    await connection.execute("UPDATE stories SET status = 'open'")
    assert "story" not in await retain(connection, RetentionSettings(keep_stories_days=45))


async def test_the_materialiser_sees_to_it(settings: PublishSettings, connection: Connection, clean_topics: str) -> None:
    await aged(connection, {"old": 400})
    await connection.execute("DELETE FROM consumed_offsets")
    materialise = MaterialiseSettings(database_url=settings.database_url, kafka_bootstrap_servers=clean_topics, retain_interval_s=0.2)
    async with running(run, materialise):
        await eventually(lambda: _gone(connection))


async def _gone(connection: Connection) -> bool:
    return not await connection.fetchval("SELECT count(*) FROM articles")


def test_topics_take_the_settings_and_a_story_is_not_forgotten_while_it_may_change() -> None:
    kept = {topic.name: topic.config for topic in topics_kept(RetentionSettings(keep_articles_days=3, keep_stories_days=100))}
    day_ms = round(timedelta(days=1).total_seconds() * 1000)
    assert kept[ARTICLES.name]["retention.ms"] == str(3 * day_ms)
    assert kept[ARTICLES.name]["min.compaction.lag.ms"] == str(3 * day_ms), "no record outlives its topic's retention uncompacted"
    assert (kept[STORIES.name]["cleanup.policy"], kept[STORIES.name]["retention.ms"]) == ("compact,delete", str(100 * day_ms))
    with pytest.raises(InvalidSetting, match="at least 45"):
        RetentionSettings.load(keep_stories_days=10)
