"""Post an event to an endpoint: to public addresses alone, within limits, without following redirects."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver

from services.publish.webhooks.endpoints import check_url
from services.publish.webhooks.event import Event
from services.publish.webhooks.sign import headers
from shared.addresses import AddressPolicy, GuardedResolver
from shared.errors import Refused
from shared.health import running_version

ANSWER_BYTES: Final = 500
"""Of an answer that refuses, so much is kept for whoever looks for the fault; no more is read."""
GONE: Final = 410
DELIVERED: Final = "delivered"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a post went."""

    outcome: str
    """delivered, or a stable reason: status_500, timeout, connect_failed, address_refused, …"""
    took_ms: int
    status: int | None = None
    error: str = ""
    retry_after_s: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the endpoint has taken it."""
        return self.outcome == DELIVERED

    @property
    def gone(self) -> bool:
        """Whether the endpoint says that it will never take anything again."""
        return self.status == GONE


class Sender:
    """`async with Sender(policy, timeout_s) as sender: await sender.post(url, event, secrets)`."""

    def __init__(self, policy: AddressPolicy, timeout_s: float, *, resolver: AbstractResolver | None = None) -> None:
        """Keep what may be reached; `resolver` replaces the system's, for tests. It is guarded all the same."""
        self._policy = policy
        self._timeout_s = timeout_s
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(self._policy, self._resolver or aiohttp.ThreadedResolver()),
            limit=0,  # each endpoint has its own limit, so that a slow one takes no other's place
            ttl_dns_cache=60,
            socket_factory=self._policy.open_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"Slugline-Webhooks/{running_version()}", "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            trust_env=False,
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, event: Event, secrets: Sequence[str]) -> Answer:
        """Post an event once, signed now. Never raises for what the endpoint does."""
        assert self._session is not None
        began = time.monotonic()

        def answer(outcome: str, error: str = "", status: int | None = None, retry_after_s: float | None = None) -> Answer:
            return Answer(outcome, round((time.monotonic() - began) * 1000), status, error[:1_000], retry_after_s)

        try:
            signed = headers(str(event.event_id), datetime.now(UTC), event.body, secrets)
            async with self._session.post(check_url(url, self._policy), data=event.body, headers=signed, allow_redirects=False) as response:
                if 200 <= response.status < 300:
                    return answer(DELIVERED, status=response.status)
                said = (await response.content.read(ANSWER_BYTES)).decode(errors="replace")
                hint = "redirects are not followed: give the address that it leads to; " if 300 <= response.status < 400 else ""
                error = f"{hint}answered {response.status} {_printable(said)}".strip()
                return answer(f"status_{response.status}", error, response.status, _retry_after(response.headers.get("Retry-After")))
        except Refused as error:
            return answer(error.reason, error.detail)
        except TimeoutError:
            return answer("timeout", f"did not answer within {self._timeout_s:g} s")
        except aiohttp.ClientConnectorCertificateError as error:
            return answer("tls_failed", str(error))
        except (aiohttp.ClientConnectorError, aiohttp.ClientSSLError) as error:
            return answer("connect_failed", str(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return answer("disconnected", f"{type(error).__name__}: {error}")


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _retry_after(value: str | None) -> float | None:
    """Read Retry-After: seconds or a date (RFC 9110); None where it is neither."""
    if not value:
        return None
    if value.strip().isdigit() and len(value.strip()) < 10:
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
