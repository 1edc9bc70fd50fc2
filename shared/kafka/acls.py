"""The table of who may do what, applied to a broker with an authorizer, and how the broker's rules differ from it.

Rules are only added here. One that the table does not know is told, and left to an operator: somebody gave it on purpose.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import ClusterAuthorizationFailedError, SecurityDisabled, for_code
from aiokafka.protocol.admin import CreateAclsRequest_v1, DescribeAclsRequest_v1
from aiokafka.protocol.api import Request

from shared.access import ACCESS, Access, Grant
from shared.errors import SluglineError, Unauthorised
from shared.kafka.admin import SETTLE_LIMIT_S, SETTLE_POLL_S

PRINCIPALS: Final = "User:slugline-{name}"
"""How a user's name is made of a name in the table."""
_RESOURCES: Final = {"topic": 2, "group": 3, "cluster": 4, "transactional-id": 5}
_OPERATIONS: Final = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Delete": 6,
    "Alter": 7,
    "Describe": 8,
    "DescribeConfigs": 10,
    "AlterConfigs": 11,
}
_ANY: Final = 1
_LITERAL, _PREFIXED = 3, 4
_ALLOW: Final = 3


class AclsRefused(SluglineError):
    """The broker has no authorizer, or refused a rule. The message says what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One rule of a broker: a user may do one thing to one resource. Codes that we do not give are numbers."""

    principal: str
    resource: str
    name: str
    operation: str
    prefixed: bool

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.principal} {self.operation} {self.resource} {self.name}{'*' if self.prefixed else ''}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a broker's rules stand to the table's."""

    missing: tuple[Rule, ...]
    surplus: tuple[Rule, ...]


class _CreateAcls(Request[CreateAclsRequest_v1]):  # type: ignore[misc]
    """Creates many rules at once; aiokafka's own takes one."""

    API_KEY = 30

    def __init__(self, creations: Sequence[tuple[Any, ...]]) -> None:
        self._creations = creations

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return request_struct_class(self._creations)


class _DescribeAcls(Request[DescribeAclsRequest_v1]):  # type: ignore[misc]
    """Asks for a user's rules; aiokafka's own takes the version that it can't write."""

    API_KEY = 29

    def __init__(self, principal: str) -> None:
        self._principal = principal

    def build(self, request_struct_class: type[DescribeAclsRequest_v1]) -> DescribeAclsRequest_v1:
        return request_struct_class(_ANY, None, _ANY, self._principal, None, _ANY, _ANY)


def rules(principals: str = PRINCIPALS, table: Mapping[str, Access] = ACCESS) -> list[Rule]:
    """Give the table's rules, in its order."""
    return [_rule(principals.format(name=name), grant) for name, access in table.items() for grant in access.grants()]


def commands(bootstrap_servers: str, principals: str = PRINCIPALS, table: Mapping[str, Access] = ACCESS) -> Iterator[str]:
    """Give the table as commands of Kafka's own tool: one for each resource of a user."""
    for name, access in table.items():
        yield f"# {name}: {access.does}"
        for resource, operations in access.by_resource():
            named = "--cluster" if resource.kind == "cluster" else f"--{resource.kind} {quote(resource.name)}"
            yield (
                f"kafka-acls.sh --bootstrap-server {quote(bootstrap_servers)} --command-config admin.properties --add --allow-principal "
                f"{quote(principals.format(name=name))} {' '.join(f'--operation {operation}' for operation in operations)} {named}"
                f"{' --resource-pattern-type prefixed' if resource.prefixed else ''}"
            )


async def compare(admin: AIOKafkaAdminClient, principals: str = PRINCIPALS) -> Standing:
    """Say which rules the broker lacks, and which it has beyond the table for the table's users. Raises `AclsRefused`."""
    wanted = rules(principals)
    found = {rule for principal in dict.fromkeys(rule.principal for rule in wanted) for rule in await _present(admin, principal)}
    return Standing(tuple(dict.fromkeys(rule for rule in wanted if rule not in found)), tuple(sorted(found - set(wanted))))


async def apply(admin: AIOKafkaAdminClient, principals: str = PRINCIPALS) -> Standing:
    """Give the broker the rules that it lacks, and say how it stood before. Raises `AclsRefused`."""
    standing = await compare(admin, principals)
    if standing.missing:
        await _create(admin, standing.missing)
        deadline = time.monotonic() + SETTLE_LIMIT_S
        while (await compare(admin, principals)).missing:  # the brokers learn it from the controller
            if time.monotonic() > deadline:
                raise AclsRefused(f"the broker has not taken its permissions over within {SETTLE_LIMIT_S:g} s; see its log")
            await asyncio.sleep(SETTLE_POLL_S)
    return standing


async def _create(admin: AIOKafkaAdminClient, wanted: Iterable[Rule]) -> None:
    wanted = list(wanted)
    creations = [
        (
            _RESOURCES[rule.resource],
            rule.name,
            _PREFIXED if rule.prefixed else _LITERAL,
            rule.principal,
            "*",
            _OPERATIONS[rule.operation],
            _ALLOW,
        )
        for rule in wanted
    ]
    response = await admin._send_request(_CreateAcls(creations))  # noqa: SLF001 - aiokafka's admin client has no call for it
    for rule, (code, message) in zip(wanted, response.creation_responses, strict=True):
        _raise_refused(code, f"{rule}: {message}" if message else str(rule))


async def _present(admin: AIOKafkaAdminClient, principal: str) -> list[Rule]:
    response = await admin._send_request(_DescribeAcls(principal))  # noqa: SLF001
    _raise_refused(response.error_code, response.error_message or "")
    resources = {code: name for name, code in _RESOURCES.items()}
    operations = {code: name for name, code in _OPERATIONS.items()}
    return [
        Rule(owner, resources.get(kind, str(kind)), name, operations.get(operation, str(operation)), pattern == _PREFIXED)
        for kind, name, pattern, acls in response.resources
        for owner, _host, operation, permission in acls
        if permission == _ALLOW
    ]


def _rule(principal: str, grant: Grant) -> Rule:
    return Rule(principal, grant.resource.kind, grant.resource.name, grant.operation, grant.resource.prefixed)


def _raise_refused(code: int, what: str) -> None:
    if code == SecurityDisabled.errno:
        raise AclsRefused(
            "this broker has no authorizer, so anyone who reaches it may do everything. Set authorizer.class.name="
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer and super.users (docs/security.md), then try again"
        )
    if code == ClusterAuthorizationFailedError.errno:
        raise Unauthorised(f"the broker does not let this user see or change permissions ({what}): use an administrator of the cluster")
    if code:
        raise AclsRefused(f"the broker refused a permission: {for_code(code).__name__}: {what}")
