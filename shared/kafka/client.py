"""How every client of ours connects to Kafka, and how it waits while no broker answers."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaConnectionError, KafkaError

from shared.errors import Unreachable
from shared.logs import get_logger
from shared.settings import Settings

log = get_logger()

RETRY_S = 1.0
"""Pause between two tries to reach a broker. Short: an operator who mends it wants to see it go on."""


def client_options(settings: Settings) -> dict[str, Any]:
    """Give the arguments that each aiokafka client takes to reach the broker."""
    return {"bootstrap_servers": settings.kafka_bootstrap_servers}


async def start_client(make: Callable[[], Any], *, give_up_s: float | None = None) -> Any:
    """Start a client, waiting for the broker as long as it takes (or `give_up_s` seconds), with one log line a change.

    Raises `Unreachable` after `give_up_s`.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    told = False
    while True:
        client = make()
        try:
            await client.start()
        except (KafkaConnectionError, KafkaError, OSError) as error:
            await _discard(client)
            if isinstance(error, KafkaError) and not (isinstance(error, KafkaConnectionError) or error.retriable):
                raise
            if give_up_s is not None and loop.time() - started > give_up_s:
                raise Unreachable(
                    f"no Kafka broker answers at {client_address(client)}: {error}. Is it running, is the address right?"
                ) from error
            if not told:
                log.warning("broker_unreachable", error=str(error), then="waiting until it answers")
                told = True
            await asyncio.sleep(RETRY_S)
        except BaseException:
            await _discard(client)
            raise
        else:
            if told:
                log.info("broker_answers")
            return client


def client_address(client: Any) -> str:
    """Give the addresses that a client was told, for messages."""
    inner = getattr(client, "_client", None) or getattr(client, "client", None)
    return ",".join(str(address) for address in getattr(inner, "_bootstrap_servers", ())) or "the configured address"


async def _discard(client: Any) -> None:
    try:
        await asyncio.wait_for(client.stop(), timeout=5)
    except (KafkaError, OSError, TimeoutError, AssertionError):
        log.debug("half_started_client_did_not_stop")
