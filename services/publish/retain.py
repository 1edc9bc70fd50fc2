"""Rows that have had their time, deleted a few at a time, so that readers and the materialiser never wait for it."""

# The statements are composed of constants of this module; all values are parameters.
# ruff: noqa: S608

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.publish.config import MaterialiseSettings
from services.publish.connect import Connection, connect
from services.publish.maintain import RAISE_FLOOR
from services.publish.materialise.entries import hold_entries
from services.publish.materialise.vocabulary import doubt_words, forget_words
from shared import metrics
from shared.logs import get_logger
from shared.retention import RetentionSettings

log = get_logger()

RETAIN_LOCK: Final = 0x5C06_0003
"""Advisory lock: one process deletes at a time."""
FIRST_AFTER_S: Final = 60.0
"""After a start, so that catching up comes first."""

RETIRED = metrics.counter("slugline_rows_retired_total", "Rows deleted, or whose text was, because they had had their time", "kind")

_OLD_STORIES: Final = """
SELECT story_id FROM stories
WHERE appended_at < now() - make_interval(secs => $1 * 86400) AND status <> 'open'
ORDER BY appended_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_BY_STORY: Final = ("story_members", "story_briefs", "feed_entries", "story_updates", "brief_failures", "brief_inputs")


@dataclass(frozen=True, slots=True)
class _Step:
    """One kind of row: a statement that takes days and the most rows, ends as many at most, and gives the headlines that they had."""

    kind: str
    days: float
    statement: str


def _steps(keep: RetentionSettings) -> Iterator[_Step]:
    yield _Step(
        "text",
        keep.keep_texts_days,
        """
        UPDATE articles SET text = '' WHERE article_id IN (
            SELECT article_id FROM articles
            WHERE text <> '' AND fetched_at < now() - make_interval(secs => $1 * 86400)
            ORDER BY fetched_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING NULL
        """,
    )
    yield _Step("article", keep.keep_article_rows_days, _delete("articles", "article_id", "fetched_at", "title"))
    yield _Step("revision", keep.keep_history_days, _delete("story_updates", "story_id, revision", "appended_at", "NULL"))
    stories = " ".join(f", {table}_gone AS (DELETE FROM {table} t USING old WHERE t.story_id = old.story_id)" for table in _BY_STORY)
    yield _Step(
        "story",
        keep.keep_stories_days,
        f"WITH old AS MATERIALIZED ({_OLD_STORIES}) {stories} DELETE FROM stories s USING old WHERE s.story_id = old.story_id"
        " RETURNING s.headline",
    )


def _delete(table: str, key: str, at: str, headline: str) -> str:
    return f"""
    DELETE FROM {table} WHERE ({key}) IN (
        SELECT {key} FROM {table} WHERE {at} < now() - make_interval(secs => $1 * 86400) ORDER BY {at} LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING {headline}
    """


async def retain(connection: Connection, keep: RetentionSettings) -> dict[str, int]:
    """Delete all that has had its time, few rows in a transaction, with a pause between two; gives how many of each kind."""
    done: Counter[str] = Counter()
    for step in _steps(keep):
        while step.days:
            async with connection.transaction():
                await hold_entries(connection)
                ended = await connection.fetch(step.statement, step.days, keep.retain_batch_rows)
                count = len(ended)
                await doubt_words(connection, (row[0] for row in ended if row[0]))
                if count and step.kind in {"revision", "story"}:
                    await connection.execute(RAISE_FLOOR)
            if count:
                done[step.kind] += count
                RETIRED.labels(step.kind).inc(count)
            if count < keep.retain_batch_rows:
                break
            await asyncio.sleep(keep.retain_pause_s)
    if forgotten := await forget_words(connection, keep.retain_pause_s):
        done["word"] = forgotten
        RETIRED.labels("word").inc(forgotten)
    return dict(done)


async def retain_again_and_again(settings: MaterialiseSettings) -> None:
    """Retain now and then until cancelled. What goes wrong is logged and tried again: rows that stay too long harm no reader."""
    await asyncio.sleep(min(FIRST_AFTER_S, settings.retain_interval_s))
    while True:
        try:
            done = await _retain_once(settings)
        except Exception as error:  # noqa: BLE001 - the materialiser's work must not end for this
            log.warning("rows_not_retired", error=f"{type(error).__name__}: {error}", then="tries again later")
        else:
            if done:
                log.info("rows_retired", **done)
        await asyncio.sleep(settings.retain_interval_s)


async def _retain_once(settings: MaterialiseSettings) -> dict[str, int]:
    connection = await connect(settings, "retain", timeout_s=settings.materialise_timeout_s)
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", RETAIN_LOCK, settings.database_schema):
            return {}
        return await retain(connection, settings)
    finally:
        await connection.close()
