"""How every client of ours connects to Kafka, and how it waits while no broker answers."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared.errors import InvalidSetting, Unauthorised, Unreachable
from shared.kafka.refusals import explain, find_reason, tell_refused_topics
from shared.logs import get_logger
from shared.settings import Settings
from shared.tls import client_context

log = get_logger()

RETRY_S = 1.0
"""Pause between two tries to reach a broker. Short: an operator who mends it wants to see it go on."""


def client_options(settings: Settings | str) -> dict[str, Any]:
    """Give the arguments that each aiokafka client takes to reach the broker. Files are read anew, so that they can be renewed.

    A string stands for the addresses of brokers that want neither TLS nor a user.
    Raises `InvalidSetting` for a file that does not hold what it should.
    """
    if isinstance(settings, str):
        return {"bootstrap_servers": settings}
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_uses_tls:
        options["ssl_context"] = client_context(settings.kafka_ca_file, settings.kafka_certificate_file, settings.kafka_key_file)
    if settings.kafka_uses_sasl:
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = kafka_password(settings)
    return options


def kafka_password(settings: Settings) -> str:
    """Give the password, from its file if there is one. Raises `InvalidSetting` for a file that holds none."""
    if not settings.kafka_password_file:
        return settings.kafka_password.get_secret_value()
    try:
        password = Path(settings.kafka_password_file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"SLUGLINE_KAFKA_PASSWORD_FILE names {settings.kafka_password_file}, which can't be read: {error}") from error
    if not password:
        raise InvalidSetting(f"SLUGLINE_KAFKA_PASSWORD_FILE names {settings.kafka_password_file}, which is empty")
    return password


async def start_client(make: Callable[[], Any], *, give_up_s: float | None = None) -> Any:
    """Start a client, waiting for the broker as long as it takes, with one log line a change, or `give_up_s` seconds in silence.

    Raises `Unreachable` after `give_up_s`, and `Unauthorised` at once when a broker answers and refuses us: waiting would be in vain.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    told = ""
    while True:
        client = make()
        try:
            await client.start()
        except (KafkaConnectionError, KafkaError, OSError) as error:
            await _discard(client)
            if (refusal := explain(error)) is not None:
                raise refusal from error
            if isinstance(error, KafkaError) and not (isinstance(error, KafkaConnectionError) or error.retriable):
                raise
            reason = await find_reason(client)
            if isinstance(reason, Unauthorised):
                raise reason from error
            if give_up_s is not None and loop.time() - started > give_up_s:
                raise Unreachable(str(reason) if reason else unanswered(client_address(client))) from error
            if give_up_s is None and told != (now := str(reason or f"no Kafka broker answers at {client_address(client)}")):
                log.warning("broker_unreachable", error=now, then="waiting until it answers")
                told = now
            await asyncio.sleep(RETRY_S)
        except BaseException:
            await _discard(client)
            raise
        else:
            if told:
                log.info("broker_answers")
            if isinstance(client, AIOKafkaConsumer):
                tell_refused_topics(client)
            return client


def unanswered(address: str) -> str:
    """Say that no broker answers, and what to do."""
    return f"no Kafka broker answers at {address}. Start it, or set SLUGLINE_KAFKA_BOOTSTRAP_SERVERS"


def client_address(client: Any) -> str:
    """Give the addresses that a client was told, for messages."""
    inner = getattr(client, "_client", None) or getattr(client, "client", None)
    return ",".join(f"{host}:{port}" for host, port, _ in inner.hosts) if inner is not None else "the configured address"


async def _discard(client: Any) -> None:
    try:
        await asyncio.wait_for(client.stop(), timeout=5)
    except (KafkaError, OSError, TimeoutError, AssertionError):
        log.debug("half_started_client_did_not_stop")
