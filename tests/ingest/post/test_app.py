"""The service as it runs, on a real broker: what is answered as accepted is there, and a clean stop ends it."""

import asyncio
import hashlib

import aiohttp
import pytest

from deploy.local.ports import free_ports
from services.ingest.post.app import run
from services.ingest.post.config import PostSettings
from shared.contracts import Discovery
from shared.errors import InvalidSetting
from shared.kafka.tables import read_table
from shared.topics import DISCOVERIES


async def test_accepted_articles_are_in_their_topic(clean_topics: str) -> None:
    port, health_port = free_ports(2)
    settings = PostSettings(
        kafka_bootstrap_servers=clean_topics,
        post_port=port,
        health_port=health_port,
        post_tokens_sha256=(hashlib.sha256(b"t").hexdigest(),),
    )
    stop = asyncio.Event()
    serving = asyncio.create_task(run(settings, stop))
    articles = [{"id": str(n), "title": f"Title {n}", "url": f"https://outlet{n}.example/a"} for n in range(20)]
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{health_port}/ready") as ready:
                    if ready.status == 200:
                        break
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)
        async with session.post(f"http://127.0.0.1:{port}/articles", json=articles, headers={"Authorization": "Bearer t"}) as answer:
            assert (await answer.json())["accepted"] == 20
        async with session.get(f"http://127.0.0.1:{health_port}/metrics") as shown:
            assert 'slugline_posted_items_total{outcome="accepted"}' in await shown.text()
    found = await read_table(settings, DISCOVERIES)
    assert {Discovery.from_bytes(value).url for value in found.values()} == {article["url"] for article in articles}
    stop.set()
    async with asyncio.timeout(20):
        await serving


async def test_a_port_that_is_taken_is_named(clean_topics: str) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    [health_port] = free_ports(1)
    settings = PostSettings(kafka_bootstrap_servers=clean_topics, post_port=port, health_port=health_port, post_tokens_sha256=("0" * 64,))
    async with taken, asyncio.timeout(20):
        with pytest.raises(InvalidSetting, match=f"SLUGLINE_POST_PORT: 127.0.0.1:{port} .*in use"):
            await run(settings, asyncio.Event())


async def test_a_stop_while_no_broker_answers_ends_it_too() -> None:
    [nobody] = free_ports(1)
    settings = PostSettings(kafka_bootstrap_servers=f"127.0.0.1:{nobody}", post_tokens_sha256=("0" * 64,))
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(20):
        await run(settings, stop)
