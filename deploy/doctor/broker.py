"""The broker: whether it answers and knows us, its topics, how far each stage is, permissions, and its clock."""

import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from deploy.doctor.findings import Finding, clocks, problem, told, warning, well
from deploy.doctor.transactions import open_transactions
from shared.access import DOCTOR_PREFIX
from shared.errors import SluglineError, Unauthorised
from shared.kafka import acls, admin, offsets
from shared.kafka.admin import REPARTITIONING, TopicSettings
from shared.kafka.client import client_options
from shared.kafka.refusals import explain
from shared.settings import Settings
from shared.topics import ALL

AREA: Final = "kafka"
ONLY_ONE: Final = 1


async def examine(settings: Settings) -> list[Finding]:
    """Look at all of it; a broker that does not answer is one finding."""
    try:
        async with admin.connected(settings) as client:
            return [
                _exposed(settings),
                *[
                    finding
                    for part in (_topics, _stages, open_transactions, _permissions, _clock)
                    for finding in await _guarded(part, client, settings)
                ],
            ]
    except SluglineError as error:
        return [told(AREA, error)]


async def _guarded(
    part: Callable[[AIOKafkaAdminClient, Settings], Awaitable[list[Finding]]], client: AIOKafkaAdminClient, settings: Settings
) -> list[Finding]:
    """Let one part fail without the others."""
    try:
        return await part(client, settings)
    except SluglineError as error:
        return [told(AREA, error)]
    except (KafkaError, OSError, TimeoutError) as error:
        refusal = explain(error)
        what = part.__name__.strip("_").replace("_", " ")
        return [
            told(AREA, refusal)
            if refusal
            else problem(AREA, f"{what} could not be looked at: {error!r}", "see the broker's log; try again")
        ]


def _exposed(settings: Settings) -> Finding:
    where = settings.kafka_bootstrap_servers
    if settings.kafka_uses_tls and settings.kafka_uses_sasl:
        return well(AREA, f"{where} answers over TLS and knows the user {settings.kafka_username}")
    if settings.kafka_uses_tls:
        return well(AREA, f"{where} answers over TLS")
    if all(is_here(server.strip().rpartition(":")[0]) for server in where.split(",")):
        return well(AREA, f"{where} answers, on this machine alone")
    return warning(
        AREA,
        f"{where} answers without TLS: articles and passwords can be read on the way",
        "fine within a closed network (compose); else give the brokers a SASL_SSL listener: docs/security.md",
    )


def is_here(host: str) -> bool:
    """Say whether a host is this machine by any network's word."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


async def _topics(client: AIOKafkaAdminClient, _: Settings) -> list[Finding]:
    found = [
        problem(
            AREA,
            f"topic {one.topic}: {one.setting} is {one.found}, not {one.wanted}",
            "slugline topics apply" if one.remedy == "apply" else REPARTITIONING,
        )
        for one in await admin.check(client, replication=TopicSettings.load().kafka_replication)
    ]
    brokers = len((await client.describe_cluster())["brokers"])
    if brokers == ONLY_ONE:
        found.append(well(AREA, "the cluster is one broker: records live on one disk, so back it up"))
    return found or [well(AREA, f"{len(ALL)} topics are as they should be, on {brokers} brokers")]


async def _stages(_: AIOKafkaAdminClient, settings: Settings) -> list[Finding]:
    found = []
    waiting = {}
    for stage in offsets.STAGES.values():
        standings = await offsets.show(settings, stage)
        waiting[stage.name] = sum(max(0, standing.lag) for standing in standings)
        found += [
            problem(
                AREA,
                f"{stage.name}: the next input of {stage.source.name}[{at.partition}] is {at.next_offset}, the oldest kept is {at.begin}: "
                "records were deleted before they were handled",
                f"accept the loss with: slugline offsets reset {stage.name} --partition {at.partition}",
            )
            for at in standings
            if at.expired
        ]
        found += [
            problem(
                AREA,
                f"{stage.name}: its group has handled {stage.source.name}[{at.partition}] up to {at.next_offset}, "
                f"but the topic ends at {at.end}: it was made anew",
                f"start afresh with: slugline offsets reset {stage.name} --partition {at.partition}",
            )
            for at in standings
            if at.next_offset is not None and at.next_offset > at.end
        ]
    return found or [well(AREA, "no stage has lost inputs; waiting: " + ", ".join(f"{name} {count:,}" for name, count in waiting.items()))]


async def _permissions(client: AIOKafkaAdminClient, _: Settings) -> list[Finding]:
    try:
        standing = await acls.compare(client)
    except acls.AclsRefused:
        return [well(AREA, "the brokers have no authorizer: whoever reaches them may do everything (docs/security.md)")]
    except Unauthorised:
        return [well(AREA, "this user may not see permissions, so they were not compared")]
    if len(standing.missing) == len(dict.fromkeys(acls.rules())):
        return [
            warning(
                AREA,
                "no service has its permissions under the name slugline-SERVICE",
                "slugline topics acls --apply, unless your users have other names: slugline topics acls --check --principal …",
            )
        ]
    found = [problem(AREA, f"a permission is missing: {rule}", "slugline topics acls --apply") for rule in standing.missing]
    found += [
        warning(
            AREA, f"a permission that is not in the table: {rule}", "take it away unless you gave it on purpose (kafka-acls.sh --remove)"
        )
        for rule in standing.surplus
    ]
    return found or [well(AREA, "every user has the permissions that it needs, and no others")]


async def _clock(client: AIOKafkaAdminClient, settings: Settings) -> list[Finding]:
    """Have the broker stamp a record with its time, in a topic that lives for as long as that takes."""
    name = f"{DOCTOR_PREFIX}{secrets.token_hex(6)}"
    made = await client.create_topics([NewTopic(name, 1, 1, topic_configs={"message.timestamp.type": "LogAppendTime"})])
    if code := made.topic_errors[0][1]:
        return [well(AREA, f"its clock was not compared: a topic for it could not be made ({for_code(code).__name__})")]
    try:
        producer: Any = AIOKafkaProducer(**client_options(settings))
        await producer.start()
        try:
            await producer.send_and_wait(name, b"warm up", partition=0)
            before = time.time()
            stamped = await producer.send_and_wait(name, b"what time is it?", partition=0)
            after = time.time()
        finally:
            await producer.stop()
    finally:
        await client.delete_topics([name])
    apart_s = stamped.timestamp / 1000 - (before + after) / 2
    return [
        well(AREA, f"it takes a record in {(after - before) * 1000:.0f} ms"),
        clocks(AREA, "the broker's", apart_s, (after - before) / 2),
    ]
