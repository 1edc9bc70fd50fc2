"""Why a broker does not serve us: what aiokafka's errors mean for an operator, and the reasons that it only logs."""

import socket
import ssl
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    StaleMetadata,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)

from shared.errors import SluglineError, Unauthorised, Unreachable
from shared.refusals import causes

_REFUSED: Final = {
    TopicAuthorizationFailedError: "the topic",
    GroupAuthorizationFailedError: "the consumer group",
    TransactionalIdAuthorizationFailed: "the transactional id",
    ClusterAuthorizationFailedError: "the cluster",
}
_PROBE_TIMEOUT_MS: Final = 10_000


def explain(error: BaseException | None) -> Unauthorised | None:
    """Give what an operator has to know if an error, or what caused it, is a broker's refusal for want of a permission."""
    for seen in causes(error):
        for kind, what in _REFUSED.items():
            if isinstance(seen, kind):
                names = ", ".join(_names(argument) for argument in seen.args)
                return Unauthorised(
                    f"Kafka refuses this user {what}{f' {names}' if names else ''}: a permission is missing. "
                    "Give it with: slugline topics acls --apply (as an administrator), or see which: slugline topics acls"
                )
    return None


def tell_refused_topics(consumer: AIOKafkaConsumer) -> None:
    """Have a consumer's questions for offsets raise `Unauthorised` where it may not see a topic; aiokafka asks again for 40 s instead."""
    fetcher, cluster = consumer._fetcher, consumer._client.cluster  # noqa: SLF001 - aiokafka has no hook for it
    ask = fetcher._proc_offset_requests  # noqa: SLF001

    async def ask_or_refuse(timestamps: dict[TopicPartition, int]) -> Any:
        try:
            return await ask(timestamps)
        except StaleMetadata as error:
            refused = {tp.topic for tp in timestamps} & cluster.unauthorized_topics
            if refused and (refusal := explain(TopicAuthorizationFailedError(refused))) is not None:
                raise refusal from error
            raise

    fetcher._proc_offset_requests = ask_or_refuse  # noqa: SLF001


async def find_reason(client: Any) -> SluglineError | None:
    """Try the brokers that a client could not start with, and say why none serves it; None if one does now, or none answers.

    `Unauthorised` means that waiting is in vain. aiokafka itself only says that it could not bootstrap.
    """
    inner = getattr(client, "_client", None) or client.client
    reason: SluglineError | None = None
    for host, port, _ in inner.hosts:
        try:
            connection = await create_conn(
                host,
                port,
                client_id=inner._client_id,  # noqa: SLF001 - aiokafka has no other place where these are
                request_timeout_ms=_PROBE_TIMEOUT_MS,
                ssl_context=inner._ssl_context,  # noqa: SLF001
                security_protocol=inner._security_protocol,  # noqa: SLF001
                sasl_mechanism=inner._sasl_mechanism,  # noqa: SLF001
                sasl_plain_username=inner._sasl_plain_username,  # noqa: SLF001
                sasl_plain_password=inner._sasl_plain_password,  # noqa: SLF001
            )
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            reason = _reason(error, f"{host}:{port}", inner) or reason
        else:
            connection.close()
            return None
    return reason


def _reason(error: Exception, where: str, inner: Any) -> SluglineError | None:
    protocol, user = inner._security_protocol, inner._sasl_plain_username  # noqa: SLF001
    match error:
        case UnsupportedSaslMechanismError():
            return Unauthorised(
                f"the broker at {where} does not take {inner._sasl_mechanism}: {error}. "  # noqa: SLF001
                "Set SLUGLINE_KAFKA_SASL_MECHANISM to one that it has enabled"
            )
        case SaslAuthenticationFailed() | AuthenticationFailedError():
            return Unauthorised(
                f"the broker at {where} refuses the user {user!r}: wrong password, or no such user. "
                "Check SLUGLINE_KAFKA_USERNAME and SLUGLINE_KAFKA_PASSWORD (or its file), and that the user has a "
                f"{inner._sasl_mechanism} password: kafka-configs.sh --describe --entity-type users"  # noqa: SLF001
            )
        case IllegalSaslStateError():
            return Unauthorised(f"the listener at {where} takes no user and password; set SLUGLINE_KAFKA_SECURITY_PROTOCOL as it is set")
        case ssl.SSLCertVerificationError():
            return Unauthorised(
                f"the certificate of the broker at {where} is not trusted: {error.verify_message}. "
                "SLUGLINE_KAFKA_CA_FILE must hold the authority that signed it, and the certificate name that host"
            )
        case ssl.SSLError() | KafkaConnectionError(__cause__=ssl.SSLError()):
            return Unauthorised(
                f"there is no TLS with the broker at {where}: {error.__cause__ or error}. Is its listener one for {protocol} "
                "(SLUGLINE_KAFKA_SECURITY_PROTOCOL), or does it want a client's certificate (SLUGLINE_KAFKA_CERTIFICATE_FILE)?"
            )
        case KafkaConnectionError(__cause__=None | EOFError() | ConnectionError()) | ConnectionResetError() | ConnectionAbortedError():
            return Unreachable(
                f"{where} takes the connection and closes it: perhaps it is starting or stopping, perhaps its listener is not one for "
                f"{protocol} (SLUGLINE_KAFKA_SECURITY_PROTOCOL), or it wants a client's certificate"
            )
        case socket.gaierror():
            return Unreachable(
                f"the name in {where} is not known: {error.strerror}. Correct SLUGLINE_KAFKA_BOOTSTRAP_SERVERS, or the resolver"
            )
        case _:
            return None


def _names(argument: object) -> str:
    if isinstance(argument, str):
        return argument
    return ", ".join(sorted(map(str, argument))) if isinstance(argument, set | frozenset | list | tuple) else str(argument)
