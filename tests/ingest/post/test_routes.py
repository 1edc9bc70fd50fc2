"""`POST /articles` over HTTP: tokens, limits, and problems that machines can read."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from aiokafka.errors import KafkaConnectionError

from services.ingest.post.app import SERVER_OPTIONS
from services.ingest.post.config import PostSettings
from services.ingest.post.routes import ArticlesPost
from shared.errors import InvalidSetting
from shared.kafka.decision import Output

TOKEN = "made-up"
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
SETTINGS = PostSettings(
    post_tokens_sha256=("0" * 64, hashlib.sha256(TOKEN.encode()).hexdigest()),
    post_max_body_bytes=20_000,
    post_max_items=10,
    post_body_timeout_s=0.5,
    post_burst=1_000,
    post_at_once=2,
)
ARTICLE = {"id": "f1", "title": "Ferry aground", "text": "Two tugs pulled it free.", "url": "https://harbour.example/ferry"}

Client = TestClient[web.Request, web.Application]


class Broker:
    """Takes outputs, or fails, or waits."""

    def __init__(self) -> None:
        self.taken: list[Output] = []
        self.fails = False
        self.opens = asyncio.Event()
        self.opens.set()

    async def send(self, outputs: Iterable[Output]) -> None:
        await self.opens.wait()
        if self.fails:
            raise KafkaConnectionError
        self.taken += outputs


@pytest.fixture
def broker() -> Broker:
    return Broker()


@asynccontextmanager
async def serving(post: ArticlesPost) -> AsyncIterator[Client]:
    server = TestServer(post.application())
    await server.start_server(**SERVER_OPTIONS)
    async with TestClient(server) as client:
        yield client


@pytest.fixture
async def client(broker: Broker) -> AsyncIterator[Client]:
    async with serving(ArticlesPost(SETTINGS, broker.send)) as client:
        yield client


async def problem(answer: ClientResponse, status: int) -> dict[str, Any]:
    assert answer.status == status, await answer.text()
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = await answer.json(content_type=None)
    assert found["status"] == status
    assert found["title"]
    return found


async def test_a_batch_is_answered_item_by_item_and_held_by_the_broker(client: Client, broker: Broker) -> None:
    for _ in range(2):
        answer = await client.post("/articles", json=[ARTICLE, {"id": "bad"}], headers=AUTHORISED)
        assert answer.status == 200
        told = await answer.json()
        assert (told["accepted"], told["refused"]) == (1, 1)
        assert [one["status"] for one in told["items"]] == ["accepted", "refused"]
    first, second = broker.taken
    assert (first.topic, first.key) == (second.topic, second.key)


async def test_a_compressed_batch_is_read(client: Client, broker: Broker) -> None:
    body = gzip.compress(json.dumps([ARTICLE]).encode())
    answer = await client.post("/articles", data=body, headers=AUTHORISED | {"Content-Encoding": "gzip"})
    assert answer.status == 200
    assert len(broker.taken) == 1


@pytest.mark.parametrize("given", [None, "Bearer wrong", "Bearer ", "Basic bWFkZS11cA==", TOKEN, "Bearer \xe9", "Bearer " + "0" * 64])
async def test_without_a_known_token_nothing_is_taken(client: Client, broker: Broker, given: str | None) -> None:
    answer = await client.post("/articles", json=[ARTICLE], headers={"Authorization": given} if given else {})
    await problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not broker.taken


async def test_a_scheme_is_known_in_any_case(client: Client) -> None:
    assert (await client.post("/articles", json=[ARTICLE], headers={"Authorization": f"bearer {TOKEN}"})).status == 200


async def test_what_is_too_large_is_refused(client: Client, broker: Broker) -> None:
    """By its announced length, by its sent length, when decompressed, and by the number of items."""
    await problem(await client.post("/articles", data=b"x" * 30_000, headers=AUTHORISED), 413)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 1_000

    await problem(await client.post("/articles", data=endless(), headers=AUTHORISED), 413)
    bomb = gzip.compress(b"[" + b" " * 10_000_000 + b"]")
    assert len(bomb) < 20_000
    await problem(await client.post("/articles", data=bomb, headers=AUTHORISED | {"Content-Encoding": "gzip"}), 413)
    found = await problem(await client.post("/articles", json=[ARTICLE] * 11, headers=AUTHORISED), 413)
    assert "too_many_items" in found["detail"]
    assert not broker.taken


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"[", {}, 400),
        (b"\x00\x01", {"Content-Encoding": "gzip"}, 415),
        (b"[]", {"Content-Encoding": "lzma"}, 415),
    ],
)
async def test_what_cannot_be_read_is_a_problem(client: Client, body: bytes, headers: dict[str, str], status: int) -> None:
    await problem(await client.post("/articles", data=body, headers=AUTHORISED | headers), status)


async def test_other_ways_are_told_the_right_one(client: Client) -> None:
    answer = await client.get("/articles", headers=AUTHORISED)
    await problem(answer, 405)
    assert answer.headers["Allow"] == "POST"
    await problem(await client.post("/article", headers=AUTHORISED), 404)


async def test_a_body_that_drips_is_given_up(client: Client) -> None:
    stopped = asyncio.Event()

    async def drip() -> AsyncIterator[bytes]:
        yield b"["
        await stopped.wait()

    try:
        await problem(await client.post("/articles", data=drip(), headers=AUTHORISED), 408)
    finally:
        stopped.set()


async def test_a_sender_that_posts_too_often_is_told_when_to_come_again(broker: Broker) -> None:
    settings = SETTINGS.model_copy(update={"post_burst": 2, "post_rate_s": 0.01})
    async with serving(ArticlesPost(settings, broker.send)) as client:
        for _ in range(2):
            assert (await client.post("/articles", json=[ARTICLE], headers=AUTHORISED)).status == 200
        answer = await client.post("/articles", json=[ARTICLE], headers=AUTHORISED)
        await problem(answer, 429)
        assert 90 <= int(answer.headers["Retry-After"]) <= 100


async def test_more_batches_at_once_than_memory_allows_are_sent_away(client: Client, broker: Broker) -> None:
    broker.opens.clear()
    waiting = [asyncio.create_task(client.post("/articles", json=[ARTICLE], headers=AUTHORISED)) for _ in range(5)]
    async with asyncio.timeout(10):
        while sum(one.done() for one in waiting) < 3:
            await asyncio.wait([one for one in waiting if not one.done()], return_when=asyncio.FIRST_COMPLETED)
    broker.opens.set()
    assert sorted([(await one).status for one in waiting]) == [200, 200, 429, 429, 429]


async def test_a_broker_that_fails_is_503_and_shown_until_it_takes_a_batch(broker: Broker) -> None:
    post = ArticlesPost(SETTINGS, broker.send)
    async with serving(post) as client:
        broker.fails = True
        answer = await client.post("/articles", json=[ARTICLE], headers=AUTHORISED)
        await problem(answer, 503)
        assert "Retry-After" in answer.headers
        assert post.broker_error
        broker.fails = False
        assert (await client.post("/articles", json=[ARTICLE], headers=AUTHORISED)).status == 200
        assert post.broker_error is None


def test_without_a_token_to_know_the_service_does_not_start() -> None:
    with pytest.raises(InvalidSetting, match=r"SLUGLINE_POST_TOKENS_FILE is missing, and SLUGLINE_POST_TOKENS_SHA256 too"):
        PostSettings.load()


def test_a_token_instead_of_its_hash_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="SLUGLINE_POST_TOKENS_SHA256"):
        PostSettings.load(post_tokens_sha256="made-up")
