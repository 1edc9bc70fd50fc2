"""Enrich: every committed article once or more, nothing aborted, nothing poisonous, nothing lost when it is killed."""

import random
import uuid
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer

from shared.contracts import Article, ArticleStatus, DeadLetter, InputKind, Publisher, StoryInput
from shared.kafka.decision import Output
from shared.topics import ARTICLES, DEAD_LETTERS, STORY_INPUTS, key_partition, language_partition
from tests.processes import Service, running
from tests.topics import read_messages, read_records, until, write

pytestmark = pytest.mark.stack

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def article(number: int, version: int = 1, language: str = "en", **more: object) -> Article:
    url = f"https://ledger.example/{number}"
    fields = {
        "article_id": UUID(int=number), "version": version, "url": url, "canonical_url": url, "publisher": Publisher(id="ledger.example", name="The Ledger"),
        "title": f"Harbour bridge number {number} reopens", "text": "The harbour bridge reopened on Sunday after two years of repairs.",
        "language": language, "fetched_at": NOW, "content_hash": "x",
    }  # fmt: skip
    return Article.model_validate({**fields, **more})


def output(one: Article) -> Output:
    return Output(ARTICLES, str(one.article_id), one)


async def inputs(broker: str) -> list[StoryInput]:
    return await read_messages(broker, STORY_INPUTS, StoryInput)


async def test_committed_articles_come_through_and_aborted_or_poisonous_ones_do_not(
    clean_topics: str, tmp_path: Path, unique: object
) -> None:
    """An aborted version must not reach clustering, since its successor with the same number would be ignored."""
    aborted = article(1, title="Never committed")
    async with AIOKafkaProducer(bootstrap_servers=clean_topics, transactional_id=f"aborts-{uuid.uuid4()}") as producer:
        await producer.begin_transaction()
        part = key_partition(str(aborted.article_id), ARTICLES)
        await (await producer.send(ARTICLES.name, key=str(aborted.article_id).encode(), value=aborted.to_bytes(), partition=part))
        await producer.abort_transaction()
        await producer.begin_transaction()
        await (await producer.send(ARTICLES.name, key=b"poison", value=b'{"title": 1', partition=part))
        await producer.commit_transaction()
    withdrawn = article(3, version=2, status=ArticleStatus.WITHDRAWN, title="", text="")
    await write(
        clean_topics,
        [output(article(1, title="Committed")), output(article(2, language="de")), output(withdrawn), Output(ARTICLES, "gone", None)],
    )
    service = Service("enrich", tmp_path / "enrich.log", kafka_bootstrap_servers=clean_topics)
    with running(service):

        async def done() -> bool:
            return len(await inputs(clean_topics)) >= 3

        await until(done, "three story inputs")
        assert service.end() == 0, service.logged()
    records = await read_records(clean_topics, STORY_INPUTS)
    assert "Never committed" not in {one.article.title for record in records if (one := StoryInput.from_bytes(record.value)).article}
    got = {one.article.article_id: (record.partition, one) for record in records if (one := StoryInput.from_bytes(record.value)).article}
    assert {one.article.title for _, one in got.values() if one.article} == {"Committed", "Harbour bridge number 2 reopens", ""}
    assert all(one.kind is InputKind.ARTICLE for _, one in got.values())
    assert (got[UUID(int=1)][0], got[UUID(int=2)][0]) == (language_partition("en"), language_partition("de"))
    features = {identity: one.article.features for identity, (_, one) in got.items() if one.article}
    assert features[UUID(int=1)] is not None
    assert features[UUID(int=3)] is None
    [letter] = await read_messages(clean_topics, DEAD_LETTERS, DeadLetter)
    assert (letter.stage, letter.reason, letter.topic) == ("enrich", "invalid_message", ARTICLES.name)


@pytest.mark.faults
async def test_killed_processes_lose_no_article(clean_topics: str, tmp_path: Path) -> None:
    """Two processes, five kills -9 while articles flow: each article comes through at least once."""
    chance = random.Random(7)
    services = [
        Service("enrich", tmp_path / f"enrich-{number}.log", kafka_bootstrap_servers=clean_topics, session_timeout_s=6)
        for number in range(2)
    ]
    sent = 0
    with running(*services):
        for _ in range(5):
            await write(clean_topics, [output(article(number)) for number in range(sent, sent + 60)])
            sent += 60
            target = sent - chance.randrange(10, 60)

            async def some(target: int = target) -> bool:
                return len(await inputs(clean_topics)) >= target

            await until(some, f"{target} inputs")
            victim = chance.choice(services)
            victim.kill()
            victim.start()

        async def all_there() -> bool:
            return {one.article.article_id for one in await inputs(clean_topics) if one.article} == {
                UUID(int=number) for number in range(sent)
            }

        await until(all_there, "every article")
