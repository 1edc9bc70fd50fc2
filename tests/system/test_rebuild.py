"""`slugline rebuild` on the real broker beside the real assign: the difference is shown, applied over a kill, and is then nothing."""

import asyncio
import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.cluster.enrich.app import Enricher
from services.cluster.enrich.features import FeatureMaker
from services.cluster.rebuild import apply as applying
from services.cluster.rebuild.folder import Folder, RebuildSettings
from services.cluster.rebuild.source import state_tail
from services.cluster.rebuild.standing import Standing
from services.cluster.rebuild.start import rebuild
from shared.contracts import Article, Command, CommandOp, InputKind, Publisher, Story, StoryInput, StoryStatus, StoryUpdated
from shared.ids import article_id
from shared.kafka.decision import Output, SourceRecord
from shared.topics import ARTICLES, STORIES, STORY_INPUTS, STORY_UPDATES, language_partition
from tests.cluster.link.events import EVENTS
from tests.processes import Service, running
from tests.topics import read_messages, until, write

pytestmark = pytest.mark.stack

ENGLISH = language_partition("en")
COUNT = 48
BEGAN = datetime(2026, 3, 2, 6, tzinfo=UTC)
ASIDES = (
    "Our reporter was there.",
    "More is expected in the evening.",
    "It was the talk of the town.",
    "Readers sent us pictures of it.",
    "Nobody had seen it coming, they say.",
    "We shall follow what comes of it.",
)


def articles(count: int, outlets: int = 6) -> list[Article]:
    """Make published articles in English: each of a few events is told by several outlets."""
    told = [texts["en"] for texts in EVENTS.values() if "en" in texts]
    made: list[Article] = []
    for place in range(count):
        event, outlet = divmod(place, outlets)
        title, lead = told[event % len(told)]
        url = f"https://outlet{outlet}.example/{place}"
        made.append(
            Article(
                article_id=article_id(url),
                version=1,
                url=url,
                canonical_url=url,
                publisher=Publisher(id=f"outlet{outlet}.example", name=f"Outlet {outlet}"),
                title=title,
                text=f"{lead} {ASIDES[outlet]}",
                language="en",
                published_at=BEGAN + timedelta(minutes=place),
                fetched_at=BEGAN + timedelta(minutes=place + 1),
                content_hash=str(place),
            )
        )
    return made


def enriched(made: Iterable[Article]) -> list[Output]:
    enrich = Enricher(FeatureMaker())
    records = [SourceRecord(ARTICLES.name, 0, place, str(one.article_id).encode(), one.to_bytes(), 0) for place, one in enumerate(made)]
    return [output for decision in enrich(records) for output in decision.outputs]


def command(op: CommandOp, *, machine: bool, **fields: Any) -> Output:
    made = Command(command_id=uuid4(), op=op, actor="ada", at=datetime.now(UTC), machine=machine, **fields)
    return Output(STORY_INPUTS, str(fields["story_id"]), StoryInput(kind=InputKind.COMMAND, command=made), ENGLISH)


async def standing(settings: RebuildSettings) -> Standing:
    async with state_tail(settings, ENGLISH) as tail:
        return await tail.catch_up()


async def until_taken(settings: RebuildSettings, what: str) -> Standing:
    """Wait until assign has taken all that is in its partition."""
    async with state_tail(settings, ENGLISH) as tail:

        async def taken() -> bool:
            end = await tail.inputs_end()
            return (await tail.catch_up()).next_offset >= end or not await tail.has_input(tail.standing.next_offset, end)

        await until(taken, what)
        return tail.standing


def by_story(found: Standing) -> dict[UUID, list[UUID]]:
    stories: dict[UUID, list[UUID]] = {}
    for member in sorted(found.placed(), key=lambda member: member.number):
        assert member.story_id is not None
        stories.setdefault(member.story_id, []).append(member.article_id)
    return stories


async def scramble(broker: str, settings: RebuildSettings) -> tuple[set[UUID], UUID]:
    """Do as a worse version would have done, and as an editor: give the ids of stories that are gone, and an article he split off."""
    found = by_story(await until_taken(settings, "articles"))
    large = sorted((story_id for story_id, members in found.items() if len(members) > 3), key=lambda story_id: -len(found[story_id]))
    assert len(large) >= 4, {story_id: len(members) for story_id, members in found.items()}
    torn, gone, into, edited = large[:4]
    split_off = found[edited][-1]
    await write(
        broker,
        [
            command(CommandOp.SPLIT, machine=True, story_id=torn, article_ids=tuple(found[torn][:2])),
            command(CommandOp.MERGE, machine=True, story_id=gone, into_story_id=into),
            command(CommandOp.SPLIT, machine=False, story_id=edited, article_ids=(split_off,)),
        ],
    )
    await until_taken(settings, "the scrambling")
    return {gone}, split_off


async def test_a_rebuild_is_shown_applied_over_a_kill_and_then_nothing(clean_topics: str, tmp_path: Path) -> None:
    settings = RebuildSettings(kafka_bootstrap_servers=clean_topics, rebuild_folder=tmp_path / "rebuild", rebuild_chunk=1)
    made = articles(COUNT)
    inputs = enriched(made)
    assign = Service("assign", tmp_path / "assign.log", kafka_bootstrap_servers=clean_topics, clock_interval_s=100_000)
    await write(clean_topics, [Output(ARTICLES, str(one.article_id), one) for one in made])
    with running(assign):
        await write(clean_topics, inputs[:-5])
        gone, split_off = await scramble(clean_topics, settings)

        progress = await rebuild(settings, re_enrich=False, tell=lambda _partition, _progress: None)
        assert (progress.partitions[ENGLISH].reused, progress.partitions[ENGLISH].encoded) == (COUNT - 5, 0)
        code, said = await slugline(settings, "rebuild", "status", "--json")
        assert (code, json.loads(said)["state"]) == (0, "done")

        await write(clean_topics, inputs[-5:])
        await until_taken(settings, "articles that came since")
        page = tmp_path / "diff.html"
        code, said = await slugline(settings, "rebuild", "diff", "--json", "--html", page)
        report = json.loads(said)
        assert report["articles"] == COUNT
        assert report["not_clustered"] >= 5, "those that came since, and what stands in a story with too many of them"
        assert report["changes"]
        assert report["bcubed"]["f1"] < 1
        assert report["changes"][0]["parts"][0]["listed"][0]["title"] in page.read_text().replace("&#x27;", "'").replace("&amp;", "&")

        code, said = await slugline(settings, "rebuild", "diff", "--limit", "2")
        assert code == 0
        assert "BCubed F1" in said
        assert report["changes"][0]["parts"][0]["headline"] in said

        await killed_apply(clean_topics, settings)
        code, said = await slugline(settings, "rebuild", "apply", "--yes", "--by", "ada")
        assert code == 0, said
        assert "not carried out" not in said

        code, said = await slugline(settings, "rebuild", "diff", "--json")
        report = json.loads(said)
        assert (report["changes"], report["bcubed"]["f1"]) == ([], 1)
        code, said = await slugline(settings, "rebuild", "apply", "--yes")
        assert "as the rebuild says" in said
        await check_consumers(clean_topics, settings, gone, split_off)
    code, said = await slugline(settings, "rebuild", "drop")
    assert code == 0
    assert not settings.rebuild_folder.exists()


async def killed_apply(broker: str, settings: RebuildSettings) -> None:
    """Begin to apply and kill it once the first of its commands has taken effect."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "rebuild", "apply", "--yes", env=environment(settings), stdout=asyncio.subprocess.DEVNULL
    )

    async def begun() -> bool:
        updates = await read_messages(broker, STORY_UPDATES, StoryUpdated)
        return process.returncode is not None or any(update.actor.why == "rebuild" for update in updates)

    try:
        await until(begun, "the first command's revision")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def check_consumers(broker: str, settings: RebuildSettings, gone: set[UUID], split_off: UUID) -> None:
    """Check what a consumer relies on: dense revisions, told once; redirects that lead on; the editor's word."""
    updates = await read_messages(broker, STORY_UPDATES, StoryUpdated)
    revisions: dict[UUID, list[int]] = {}
    for update in updates:
        revisions.setdefault(update.story_id, []).append(update.revision)
    assert all(told == list(range(1, len(told) + 1)) for told in revisions.values())
    assert {update.actor.kind for update in updates if update.actor.why == "rebuild"} == {"machine"}
    stories = {story.story_id: story for story in await read_messages(broker, STORIES, Story)}
    for story_id in gone:
        story = stories[story_id]
        while story.redirect_to is not None:
            story = stories[story.redirect_to]
        assert story.status is not StoryStatus.MERGED
        assert story.article_count
    found = await standing(settings)
    assert by_story(found)[found.members[split_off].story_id] == [split_off], "split off it stays"  # type: ignore[index]
    assert [tie.kind for tie in found.ties.values()].count("cannot") >= 1


async def test_without_kept_features_texts_are_enriched_again(clean_topics: str, tmp_path: Path) -> None:
    settings = RebuildSettings(kafka_bootstrap_servers=clean_topics, rebuild_folder=tmp_path / "rebuild")
    made = articles(12)
    await write(clean_topics, [Output(ARTICLES, str(one.article_id), one) for one in made[1:]])
    with running(Service("assign", tmp_path / "assign.log", kafka_bootstrap_servers=clean_topics, clock_interval_s=100_000)):
        await write(clean_topics, enriched(made))
        await until_taken(settings, "articles")
    progress = await rebuild(settings, re_enrich=True, tell=lambda _partition, _progress: None)
    english = progress.partitions[ENGLISH]
    assert (english.reused, english.encoded, english.missing, english.clustered) == (0, 11, 1, 11)
    recent = await rebuild(settings, re_enrich=True, since=BEGAN + timedelta(minutes=7), tell=lambda _partition, _progress: None)
    assert recent.partitions[ENGLISH].clustered == 6, "the first event's story began before"
    await rebuild(settings, re_enrich=True, tell=lambda _partition, _progress: None)
    report = (await applying.difference(settings)).to_json(10)
    assert (report["changes"], report["not_clustered"]) == ([], 1)
    assert Folder(settings.rebuild_folder).finished().partitions[ENGLISH].encoded == 11


def environment(settings: RebuildSettings) -> dict[str, str]:
    return os.environ | {
        "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "SLUGLINE_REBUILD_FOLDER": str(settings.rebuild_folder),
        "SLUGLINE_REBUILD_CHUNK": str(settings.rebuild_chunk),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }


async def slugline(settings: RebuildSettings, *arguments: str | Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy.cli",
        *map(str, arguments),
        env=environment(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()
