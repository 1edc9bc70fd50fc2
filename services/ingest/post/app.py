"""The wiring of post: a web server before an idempotent producer."""

import asyncio
import os
from collections.abc import Iterable
from typing import Any, Final

from aiohttp import web
from aiokafka import AIOKafkaProducer

from services.ingest.post.config import PostSettings
from services.ingest.post.routes import ArticlesPost
from shared import health
from shared.errors import InvalidSetting
from shared.kafka.client import client_options, start_client
from shared.kafka.decision import Decision, Output
from shared.kafka.encode import encode
from shared.logs import get_logger
from shared.topics import MAX_MESSAGE_BYTES

log = get_logger()

DRAIN_S = 5.0
SERVER_OPTIONS: Final[dict[str, Any]] = {"access_log": None, "auto_decompress": False, "shutdown_timeout": DRAIN_S}
"""Bodies are decompressed by the handler, within its limit."""


async def run(settings: PostSettings, stop: asyncio.Event) -> None:
    """Take articles until `stop` is set."""
    readiness = health.Readiness()
    starting = {"broker": "waits for the broker"}
    readiness.add("broker", lambda: starting.get("broker"))
    runner = await health.serve(readiness, settings)
    producer: Any = None
    server: web.AppRunner | None = None
    try:
        producer = await _start_or_stop(settings, stop)
        if producer is None:
            return
        post = ArticlesPost(settings, lambda outputs: _send(producer, outputs))
        server = web.AppRunner(post.application(), **SERVER_OPTIONS)
        await server.setup()
        await _listen(server, settings)
        log.info("post_listens", addresses=[f"{address[0]}:{address[1]}" for address in server.addresses])
        starting.clear()
        readiness.add("broker", lambda: post.broker_error)
        await stop.wait()
    finally:
        if server is not None:
            await server.cleanup()
        if producer is not None:
            await producer.stop()
        if runner is not None:
            await runner.cleanup()


async def _listen(server: web.AppRunner, settings: PostSettings) -> None:
    try:
        await web.TCPSite(server, settings.post_host, settings.post_port).start()
    except OSError as error:
        where = f"{settings.post_host}:{settings.post_port}"
        raise InvalidSetting(
            f"SLUGLINE_POST_HOST, SLUGLINE_POST_PORT: {where} can't be listened on: {os.strerror(error.errno or 0)}"
        ) from error


async def _start_or_stop(settings: PostSettings, stop: asyncio.Event) -> Any:
    """Start a producer however long the broker takes; None if `stop` comes first."""
    starting = asyncio.ensure_future(
        start_client(
            lambda: AIOKafkaProducer(**client_options(settings), enable_idempotence=True, max_request_size=MAX_MESSAGE_BYTES, linger_ms=5)
        )
    )
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if starting.done():
        return starting.result()
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    return None


async def _send(producer: Any, outputs: Iterable[Output]) -> None:
    sent = [
        await producer.send(one.topic, key=one.key, value=one.value, partition=one.partition)
        for one in encode(Decision(outputs=tuple(outputs)))
    ]
    for future in sent:
        await future
