"""The table of topics applied to a broker, and how a broker's topics differ from it.

Nothing here deletes or repartitions a topic: `apply` creates what is missing and sets the settings of the table, and leaves
other settings that an operator gave alone.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupIdNotFound,
    GroupLoadInProgressError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.protocol.group import LeaveGroupRequest
from pydantic import Field

from shared import topics
from shared.errors import SluglineError, Unauthorised, Unreachable
from shared.kafka.client import client_options, unanswered
from shared.kafka.refusals import explain, find_reason
from shared.settings import Settings
from shared.topics import Topic

PRODUCTION_REPLICATION: Final = 3
REPLICATED: Final[Mapping[str, str]] = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}
"""Added to every topic that has three replicas or more: an acknowledged record then survives the loss of one broker."""
SETTLE_LIMIT_S: Final = 30.0
"""How long brokers may take to learn what the controller did: milliseconds when well."""
SETTLE_POLL_S: Final = 0.02
GROUP_PREFIX: Final = "slugline-"
"""All consumer groups of ours begin so."""
DYNAMIC_TOPIC_CONFIG: Final = 1
"""DescribeConfigs' source of a setting that was given to the topic itself."""
_UNAUTHORISED: Final = frozenset((TopicAuthorizationFailedError.errno, ClusterAuthorizationFailedError.errno))
REPARTITIONING: Final = (
    "A topic's partitions are never changed automatically, since keys would change places: "
    "see docs/operations.md, 'Change a topic's number of partitions'"
)


class TopicSettings(Settings):
    """Settings of `slugline topics`."""

    kafka_replication: int = Field(
        default=0, ge=0, le=10, description=f"replicas of each topic; 0: {PRODUCTION_REPLICATION}, or one a broker where there are fewer"
    )


class TopicsRefused(SluglineError):
    """The broker refused to create or to change topics. The message names each with the broker's reason."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a broker's topic differs from the table. `setting` is `topic`, `partitions`, `replication` or a config's name."""

    topic: str
    setting: str
    wanted: str
    found: str
    remedy: Literal["apply", "operation"]
    """`apply` mends it, or it takes the documented operation."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did: names of created topics, names of topics with changed settings, and what it leaves to an operation."""

    created: tuple[str, ...]
    changed: tuple[str, ...]
    left: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: int
    replication: int
    configs: Mapping[str, str]
    given: frozenset[str]
    """Names of the settings that were given to the topic itself."""


@asynccontextmanager
async def connected(to: Settings | str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a started admin client.

    Raises `Unreachable` when no broker answers, and `Unauthorised` when one refuses us or what is asked within the block.
    """
    options = client_options(to)
    admin = AIOKafkaAdminClient(**options, client_id="slugline-admin")
    try:
        try:
            await admin.start()
        except (KafkaError, OSError) as error:
            reason = await find_reason(admin)
            raise (reason or Unreachable(unanswered(options["bootstrap_servers"]))) from error
        yield admin
    except KafkaError as error:
        if (refusal := explain(error)) is None:
            raise
        raise refusal from error
    finally:
        await admin.close()


async def apply(admin: AIOKafkaAdminClient, wanted: Sequence[Topic] = topics.ALL, *, replication: int = 0) -> Applied:
    """Create the topics that are missing and set the settings that differ.

    Applied twice, it does nothing the second time. Raises `TopicsRefused` with the broker's reasons.
    """
    replication = replication or await _default_replication(admin)
    found = await _describe(admin, wanted)
    missing = [topic for topic in wanted if topic.name not in found]
    if missing:
        await _create(admin, missing, replication)
        await _until(lambda: _led(admin, {topic.name for topic in missing}))
        found = await _describe(admin, wanted)
    differences = _differences(wanted, found, replication)
    changed = {difference.topic for difference in differences if difference.remedy == "apply" and difference.setting != "topic"}
    if changed:
        await _configure(admin, [topic for topic in wanted if topic.name in changed], found, replication)
        await _until(lambda: _configured(admin, wanted, replication))
    left = tuple(difference for difference in differences if difference.remedy == "operation")
    return Applied(tuple(topic.name for topic in missing), tuple(sorted(changed)), left)


async def check(admin: AIOKafkaAdminClient, wanted: Sequence[Topic] = topics.ALL, *, replication: int = 0) -> list[Difference]:
    """Give how the broker's topics differ from the table, in the table's order; empty means they agree."""
    return _differences(wanted, await _describe(admin, wanted), replication or await _default_replication(admin))


async def check_presence(admin: AIOKafkaAdminClient, wanted: Sequence[Topic]) -> list[Difference]:
    """Give which topics are missing or have other partitions; for users who may not ask for settings.

    One that the user may not see counts as missing.
    """
    partitions = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics() if not topic["error_code"]}
    missing = [Difference(topic.name, "topic", "present", "missing", "apply") for topic in wanted if topic.name not in partitions]
    return missing + [
        Difference(topic.name, "partitions", str(topic.partitions), str(partitions[topic.name]), "operation")
        for topic in wanted
        if partitions.get(topic.name, topic.partitions) != topic.partitions
    ]


async def recreate(admin: AIOKafkaAdminClient, wanted: Sequence[Topic] = topics.ALL) -> None:
    """Delete the topics with all they hold, and our groups, and create the topics anew: for tests, whose broker holds nothing of worth.

    A group's offset in a topic that was made anew would be taken for a lost changelog.
    """
    await _until(lambda: _without_groups(admin))
    present = await _describe(admin, wanted)
    if present:
        response = await admin.delete_topics(list(present))
        _raise_refused("delete", [(name, code, "") for name, code in response.topic_error_codes])
        await _until(lambda: _gone(admin, set(present)))
    await _create(admin, list(wanted), replication=1)
    await _until(lambda: _led(admin, {topic.name for topic in wanted}))


async def _without_groups(admin: AIOKafkaAdminClient) -> bool:
    """Delete our groups with their offsets; say whether none was left. Members that were killed are made to leave.

    A broker that started a moment ago still loads its groups and says so.
    """
    try:
        names = [group[0] for group in await admin.list_consumer_groups() if group[0].startswith(GROUP_PREFIX)]
    except (GroupLoadInProgressError, GroupCoordinatorNotAvailableError):
        return False
    refused = 0
    for name in names:
        # aiokafka's admin client has no call for these two.
        coordinator = await admin.find_coordinator(name)
        for response in await admin.describe_consumer_groups([name], coordinator):
            for group in response.groups:
                for member in group[5]:
                    await admin._send_request(LeaveGroupRequest(name, member[0]), coordinator)  # noqa: SLF001
        deleted = await admin._send_request(DeleteGroupsRequest([name]), coordinator)  # noqa: SLF001
        refused += sum(code not in {0, GroupIdNotFound.errno} for _, code in deleted.results)
    return not refused


def settings_of(topic: Topic, replication: int) -> dict[str, str]:
    """Give the settings that a topic must have with that many replicas."""
    return dict(topic.config) | (dict(REPLICATED) if replication >= PRODUCTION_REPLICATION else {})


async def _default_replication(admin: AIOKafkaAdminClient) -> int:
    cluster = await admin.describe_cluster()
    return max(1, min(PRODUCTION_REPLICATION, len(cluster["brokers"])))


async def _create(admin: AIOKafkaAdminClient, missing: Sequence[Topic], replication: int) -> None:
    new = [NewTopic(topic.name, topic.partitions, replication, topic_configs=settings_of(topic, replication)) for topic in missing]
    response = await admin.create_topics(new)
    # One that another process created meanwhile is as good as ours: its settings are compared afterwards.
    _raise_refused(
        "create", [(name, code, message) for name, code, message in response.topic_errors if code != TopicAlreadyExistsError.errno]
    )


async def _gone(admin: AIOKafkaAdminClient, names: set[str]) -> bool:
    return not any(topic["topic"] in names for topic in await admin.describe_topics())


async def _led(admin: AIOKafkaAdminClient, names: set[str]) -> bool:
    """Say whether every partition has its leader, so that the first record sent to it isn't refused."""
    described = [topic for topic in await admin.describe_topics() if topic["topic"] in names and not topic["error_code"]]
    leaders = [partition["leader"] for topic in described for partition in topic["partitions"] if not partition["error_code"]]
    return len(described) == len(names) and all(leader >= 0 for leader in leaders)


async def _configured(admin: AIOKafkaAdminClient, wanted: Sequence[Topic], replication: int) -> bool:
    return not any(difference.remedy == "apply" for difference in _differences(wanted, await _describe(admin, wanted), replication))


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the brokers have learned what the controller has decided."""
    deadline = time.monotonic() + SETTLE_LIMIT_S
    while not await condition():
        if time.monotonic() > deadline:
            raise TopicsRefused(f"the broker has not carried out the change of its topics within {SETTLE_LIMIT_S:g} s; see its log")
        await asyncio.sleep(SETTLE_POLL_S)


async def _configure(admin: AIOKafkaAdminClient, changed: Sequence[Topic], found: Mapping[str, _Found], replication: int) -> None:
    # The request replaces all settings that were given to a topic, so those that the table doesn't know are sent along.
    resources = [
        ConfigResource(
            ConfigResourceType.TOPIC,
            topic.name,
            {name: found[topic.name].configs[name] for name in found[topic.name].given} | settings_of(topic, replication),
        )
        for topic in changed
    ]
    for response in await admin.alter_configs(resources):
        _raise_refused("configure", [(resource[3], resource[0], resource[1]) for resource in response.resources])


async def _describe(admin: AIOKafkaAdminClient, wanted: Sequence[Topic]) -> dict[str, _Found]:
    names = {topic.name for topic in wanted}
    # All topics are listed, since asking for one by name may create it where the broker is set so.
    described = [topic for topic in await admin.describe_topics() if topic["topic"] in names and not topic["error_code"]]
    if not described:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic["topic"]) for topic in described]
    entries: dict[str, Any] = {}
    for response in await admin.describe_configs(resources):
        for code, message, _kind, name, configs in response.resources:
            _raise_refused("describe", [(name, code, message)])
            entries[name] = configs
    return {
        topic["topic"]: _Found(
            len(topic["partitions"]),
            min(len(partition["replicas"]) for partition in topic["partitions"]),
            {entry[0]: entry[1] for entry in entries[topic["topic"]]},
            frozenset(entry[0] for entry in entries[topic["topic"]] if entry[3] == DYNAMIC_TOPIC_CONFIG),
        )
        for topic in described
    }


def _differences(wanted: Iterable[Topic], found: Mapping[str, _Found], replication: int) -> list[Difference]:
    differences: list[Difference] = []
    for topic in wanted:
        present = found.get(topic.name)
        if present is None:
            differences.append(Difference(topic.name, "topic", "present", "missing", "apply"))
            continue
        if present.partitions != topic.partitions:
            differences.append(Difference(topic.name, "partitions", str(topic.partitions), str(present.partitions), "operation"))
        if present.replication != replication:
            differences.append(Difference(topic.name, "replication", str(replication), str(present.replication), "operation"))
        differences.extend(
            Difference(topic.name, name, value, present.configs.get(name, "not set"), "apply")
            for name, value in settings_of(topic, replication).items()
            if not _same(value, present.configs.get(name))
        )
    return differences


def _same(wanted: str, found: str | None) -> bool:
    """Compare two values of a setting; those with commas are sets, since the broker gives them in an order of its own."""
    return found is not None and set(wanted.split(",")) == set(found.split(","))


def _raise_refused(what: str, results: Iterable[tuple[str, int, str | None]]) -> None:
    results = [result for result in results if result[1]]
    refused = [f"{name}: {(message or for_code(code).__name__).rstrip('.')}" for name, code, message in results]
    if any(code in _UNAUTHORISED for _, code, _ in results):
        raise Unauthorised(
            f"the broker does not let this user {what} {'; '.join(refused)}. Use an administrator: services need no such right"
        )
    if refused:
        raise TopicsRefused(f"the broker did not {what} {'; '.join(refused)}")
