"""The editors' commands against the real broker and the real assign."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from typer.testing import CliRunner

from services.cluster import editing
from services.cluster.assign import app as assign
from services.cluster.cli import stories_app
from services.cluster.config import AssignSettings
from shared.contracts import Member, Story, StoryStatus
from shared.errors import Refused
from shared.kafka.decision import Output
from shared.topics import STORIES, STORY_INPUTS, STORY_MEMBERS, language_partition
from tests.cluster.assign.made_up import Partition, article, article_uuid
from tests.topics import read_messages, until, write

pytestmark = pytest.mark.stack


@pytest.fixture
async def assigning(clean_topics: str, unique, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Run assign over four articles, of which each founds a story."""
    monkeypatch.setenv("SLUGLINE_KAFKA_BOOTSTRAP_SERVERS", clean_topics)
    inputs = [article(1, "quake"), article(2, "flood"), article(3, "vote"), article(4, "temblor", language="es")]
    await write(clean_topics, [Output(STORY_INPUTS, "a", made, language_partition(made.article.language)) for made in inputs])
    stop = asyncio.Event()
    running = asyncio.create_task(assign.run(AssignSettings.load(kafka_bootstrap_servers=clean_topics), stop))

    async def assigned() -> bool:
        return len(await read_messages(clean_topics, STORY_MEMBERS, Member)) == 4

    try:
        await until(assigned, "four articles in stories")
        yield clean_topics
    finally:
        stop.set()
        await running


async def slugline(*arguments: str) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, stories_app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


async def story_of(bootstrap: str, number: int) -> Story:
    members = {member.article_id: member for member in await read_messages(bootstrap, STORY_MEMBERS, Member)}
    stories = {story.story_id: story for story in await read_messages(bootstrap, STORIES, Story)}
    return stories[members[article_uuid(number)].story_id]


async def test_an_editor_merges_splits_moves_pins_and_closes(assigning: str) -> None:
    quake, flood, vote = [str((await story_of(assigning, number)).story_id) for number in (1, 2, 3)]
    told = await slugline("merge", flood[:8], quake, "--why", "one event", "--by", "ada")
    assert "merged" in told
    assert (await story_of(assigning, 2)).story_id == uuid.UUID(quake)
    assert "so already" in await slugline("merge", flood, quake)
    assert "so already" in await slugline("unpin", flood)
    await slugline("pin", flood)
    assert (await story_of(assigning, 1)).pinned, "the id of a merged story leads to where it lives"
    await slugline("split", quake, "2")
    assert (await story_of(assigning, 2)).story_id not in {uuid.UUID(quake), uuid.UUID(flood)}
    told = await slugline("move", str((await story_of(assigning, 2)).story_id), vote, str(article_uuid(2)))
    assert (await story_of(assigning, 2)).story_id == uuid.UUID(vote)
    await slugline("close", vote)
    assert (await story_of(assigning, 3)).status is StoryStatus.CLOSED
    with pytest.raises(Refused, match="would have no article"):
        await slugline("split", quake, "1")
    with pytest.raises(Refused, match="other_partition"):
        await slugline("merge", quake, str((await story_of(assigning, 4)).story_id))
    with pytest.raises(Refused, match="why"):
        await slugline("unpin", quake, "--why", "because " * 1_000)
    with pytest.raises(Refused, match="no_domain"):
        await slugline("own", "The Outlet", "House")
    assert "Sent" in await slugline("own", "outlet1.example", "House")


def test_a_story_is_found_by_the_beginning_of_its_id() -> None:
    partition = Partition()
    partition.take(article(1, "quake"), article(2, "flood"))
    stories = {str(story_id): story.to_bytes() for story_id, story in partition.consumer.stories.items()}
    story_id = str(partition.story_id(1))
    assert str(editing.find_story(stories, story_id[:8]).story_id) == story_id
    for name in ("", story_id[:3], "ffffffff-ffff"):
        with pytest.raises(Refused):
            editing.find_story(stories, name)


def test_an_article_is_found_by_its_number_or_id() -> None:
    partition = Partition()
    partition.take(article(1), article(2))
    members = sorted(partition.consumer.members.values(), key=lambda member: member.number)
    assert editing.find_articles(members, ["2", str(article_uuid(1))[:10]]) == (article_uuid(2), article_uuid(1))
    for name in ("3", "", "zzzzzzzz"):
        with pytest.raises(Refused):
            editing.find_articles(members, [name])
