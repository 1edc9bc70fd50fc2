"""The link service on the real broker, beside the real assign: both stories get their link, once, over starts and kills."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.kafka import Broker
from deploy.local.ports import free_ports
from shared.contracts import ArticleStatus, EnrichedArticle, InputKind, Publisher, Reason, Story, StoryInput, StoryUpdated
from shared.kafka.decision import Output
from shared.topics import STORIES, STORY_INPUTS, STORY_UPDATES, language_partition
from tests.cluster.link.made_up import article_uuid, features
from tests.processes import Service, running
from tests.topics import read_messages, until, write

pytestmark = pytest.mark.stack

NEVER_S = 100_000


def output(name: str, event: str, language: str) -> Output:
    made = EnrichedArticle(
        article_id=article_uuid(name),
        version=1,
        status=ArticleStatus.PUBLISHED,
        title=name,
        url=f"https://outlet.example/{name}",
        publisher=Publisher(id=f"{name}.example", name=name),
        language=language,
        fetched_at=datetime.now(UTC),
        features=features(event, language),
    )
    return Output(STORY_INPUTS, name, StoryInput(kind=InputKind.ARTICLE, article=made), language_partition(language))


async def links(broker: str) -> dict[str, dict[UUID, int]]:
    """Give each story's links by its headline, as `stories.v1` has them."""
    latest = {story.story_id: story for story in await read_messages(broker, STORIES, Story)}
    return {story.headline: {link.story_id: link.article_count for link in story.links} for story in latest.values()}


async def reasons(broker: str) -> list[Reason | str]:
    return [
        update.reason
        for update in await read_messages(broker, STORY_UPDATES, StoryUpdated)
        if update.reason in {Reason.LINKED, Reason.UNLINKED}
    ]


async def test_stories_of_one_event_are_linked_once_over_a_kill_and_a_second_process(clean_topics: str, tmp_path: Path) -> None:
    """English and Spanish tell of a quake, German of a cup; a killed and a second process find the links there and add none."""
    async with AIOKafkaProducer(bootstrap_servers=clean_topics) as producer:
        await producer.send_and_wait(STORY_INPUTS.name, key=b"poison", value=b'{"kind": 1', partition=0)
    await write(
        clean_topics, [output("quake", "quake-north", "en"), output("sismo", "quake-north", "es"), output("pokal", "final-one", "de")]
    )
    assign = Service("assign", tmp_path / "assign.log", kafka_bootstrap_servers=clean_topics, session_timeout_s=6, clock_interval_s=NEVER_S)
    link = Service("link", tmp_path / "link.log", kafka_bootstrap_servers=clean_topics, link_interval_s=0.2)
    second = Service("link", tmp_path / "second.log", kafka_bootstrap_servers=clean_topics, link_interval_s=0.2)

    async def quake_is_linked() -> bool:
        found = await links(clean_topics)
        return bool(found.get("quake")) and bool(found.get("sismo"))

    async def cup_is_linked() -> bool:
        found = await links(clean_topics)
        return bool(found.get("pokal")) and bool(found.get("finale"))

    with running(assign, link):
        await until(quake_is_linked, "the quake's link on both sides")
        link.kill()
        second.start()
        link.start()
        await write(clean_topics, [output("finale", "final-one", "it")])
        await until(cup_is_linked, "the cup's link on both sides")
        assert link.end() == 0, link.logged()
        assert second.end() == 0, second.logged()
        assert assign.end() == 0, assign.logged()
    found = await links(clean_topics)
    assert [list(found[headline].values()) for headline in ("quake", "sismo", "pokal", "finale")] == [[1]] * 4
    assert await reasons(clean_topics) == [Reason.LINKED] * 4


@pytest.mark.faults
async def test_a_broker_that_is_away_makes_it_unready_and_it_goes_on_by_itself(
    clean_topics: str, broker_process: Broker, tmp_path: Path
) -> None:
    [port] = free_ports(1)
    link = Service("link", tmp_path / "link.log", kafka_bootstrap_servers=clean_topics, link_interval_s=0.2, health_port=port)
    assign = Service("assign", tmp_path / "assign.log", kafka_bootstrap_servers=clean_topics, session_timeout_s=6, clock_interval_s=NEVER_S)

    async def ready() -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def unready() -> bool:
        return not await ready()

    async def quake_is_linked() -> bool:
        found = await links(clean_topics)
        return bool(found.get("quake")) and bool(found.get("sismo"))

    with running(link, assign):
        await until(ready, "link at work")
        broker_process.kill()
        try:
            await until(unready, "link unready")
        finally:
            await broker_process.start_async()
        await until(ready, "link at work again")
        await write(clean_topics, [output("quake", "quake-north", "en"), output("sismo", "quake-north", "es")])
        await until(quake_is_linked, "the quake's link on both sides")
        assert link.alive, link.logged()
        assert link.end() == 0, link.logged()
    logged = link.logged()
    assert logged.count("broker_unreachable") == logged.count("broker_answers") == 1
