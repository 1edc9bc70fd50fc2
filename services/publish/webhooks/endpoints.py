"""The endpoints that operators define, and how each does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from services.publish.connect import Connection
from services.publish.feeds.define import NAME
from services.publish.materialise.entries import ENTRIES_LOCK
from services.publish.read.models import Database
from services.publish.webhooks.queue import CHANNEL, begin_told, touch_feed
from shared.addresses import AddressPolicy, is_local_name
from shared.errors import Refused

ROTATION: Final = timedelta(hours=24)
"""How long the old secret signs beside the new one."""
URL_CHARACTERS: Final = 2_000
_DERIVED_FEED: Final = re.compile(r"top|language/[a-z]{2,3}|country/[A-Z]{2}|publisher/\S+")

_ADD = "INSERT INTO webhooks (webhook_id, name, feed, url, secret) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING RETURNING 1"
_LIST = "SELECT * FROM webhooks WHERE $1::text IS NULL OR name = $1 ORDER BY name"
_REMOVE = "DELETE FROM webhooks WHERE name = $1 RETURNING 1"
_ENABLE = """
UPDATE webhooks SET disabled_at = NULL, disabled_reason = '', failures = 0, failing_since = NULL, next_try_at = '-infinity'
WHERE name = $1 RETURNING webhook_id
"""
_TRY_NOW = "UPDATE webhook_pending SET not_before = '-infinity', attempts = 0, since = now() WHERE webhook_id = $1"
_ROTATE = """
UPDATE webhooks SET previous_secret = secret, previous_until = now() + $3, secret = $2 WHERE name = $1 RETURNING 1
"""
_DELIVERIES = """
SELECT d.* FROM webhook_deliveries d JOIN webhooks w USING (webhook_id) WHERE w.name = $1 ORDER BY d.delivery DESC LIMIT $2
"""
_SUCCEEDED = """
UPDATE webhooks SET failures = 0, failing_since = NULL, last_error = '', last_success_at = now(), next_try_at = '-infinity'
WHERE webhook_id = $1
"""
_FAILED = """
UPDATE webhooks SET failures = failures + 1, failing_since = coalesce(failing_since, now()), last_error = $2, next_try_at = $3
WHERE webhook_id = $1
"""
_DISABLE = "UPDATE webhooks SET disabled_at = now(), disabled_reason = $2 WHERE webhook_id = $1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as it stands."""

    webhook_id: UUID
    name: str
    feed: str
    url: str
    secrets: tuple[str, ...]
    created_at: datetime
    failures: int
    """In a row, without a success between."""
    failing_since: datetime | None
    next_try_at: datetime | None
    """None: at any time."""
    last_error: str
    last_success_at: datetime | None
    disabled_at: datetime | None
    disabled_reason: str

    @property
    def state(self) -> str:
        """Say in a word how it does."""
        return "disabled" if self.disabled_at else "failing" if self.failing_since else "ok" if self.last_success_at else "new"


def check_url(url: str, policy: AddressPolicy) -> str:
    """Give the URL, or raise `Refused` for one that is never posted to."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise Refused("url_refused", f"{url[:200]!r} is no URL: {error}") from error
    if (
        parts.scheme not in ("http", "https")
        or not host
        or len(url) > URL_CHARACTERS
        or not url.strip().isprintable()
        or " " in url.strip()
    ):
        raise Refused("url_refused", f"{url[:200]!r} is no address that could be posted to; https://receiver.example/slugline is")
    if parts.username is not None or parts.password is not None:
        raise Refused("url_refused", "put no password into the URL: it would be shown in lists. What is sent is signed instead")
    try:
        if is_local_name(host):
            policy.check(host, "127.0.0.1")
        policy.check_literal(host)
    except Refused as error:
        raise Refused(error.reason, f"{error.detail}; SLUGLINE_WEBHOOK_ALLOW opens it, for this command and for what sends") from error
    if parts.scheme == "http" and not _is_opened(host, policy):
        raise Refused("url_refused", f"{url[:200]!r}: use https; http is for hosts that SLUGLINE_WEBHOOK_ALLOW opens")
    return parts._replace(fragment="").geturl()


def _is_opened(host: str, policy: AddressPolicy) -> bool:
    """Tell whether the allow-list names a host or its address: then it is the operator's own, and may do without TLS."""
    if policy.allows_name(host):
        return True
    try:
        AddressPolicy().check_literal(host)
    except Refused:
        return True  # not public, and yet it passed the policy
    return False


async def add_endpoint(connection: Connection, webhook_id: UUID, name: str, feed: str, url: str, secret: str, *, existing: bool) -> None:
    """Define an endpoint. It hears of what happens from now on, and with `existing` also of the stories that stand in the feed.

    Raises `Refused`.
    """
    if not NAME.fullmatch(name):
        raise Refused("webhook_name", f"{name!r} is no name: use lower-case letters, digits and hyphens, 60 at most")
    async with connection.transaction():
        # Alone with the entries, as who fills a feed is, so that no change falls between.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", ENTRIES_LOCK)
        await _check_feed(connection, feed)
        if await connection.fetchval(_ADD, webhook_id, name, feed, url, secret) is None:
            raise Refused("webhook_exists", f"there is a webhook {name!r} already: slugline webhooks remove {name}, or take another name")
        if existing:
            await touch_feed(connection, feed)
        else:
            await begin_told(connection, webhook_id, feed)
        await _signal(connection)


async def _check_feed(connection: Connection, feed: str) -> None:
    if _DERIVED_FEED.fullmatch(feed) or await connection.fetchval("SELECT count(*) FROM feed_views WHERE feed = $1", feed):
        return
    raise Refused(
        "feed_unknown",
        f"there is no feed {feed!r}; feeds are top, language/en, country/KR, publisher/example.org, and those of: slugline views list",
    )


async def endpoints(db: Database, name: str | None = None) -> list[Endpoint]:
    """Give all endpoints, or the one of a name."""
    return [_endpoint(row) for row in await db.fetch(_LIST, name)]


async def endpoint(db: Database, name: str) -> Endpoint:
    """Give an endpoint by name. Raises `Refused`."""
    found = await endpoints(db, name)
    if not found:
        raise _unknown(name)
    return found[0]


def _endpoint(row: Any) -> Endpoint:
    old = (
        row["previous_secret"]
        if row["previous_until"] is not None and row["previous_until"] > datetime.now(row["previous_until"].tzinfo)
        else None
    )
    return Endpoint(
        webhook_id=row["webhook_id"],
        name=row["name"],
        feed=row["feed"],
        url=row["url"],
        secrets=(row["secret"], *((old,) if old else ())),
        created_at=row["created_at"],
        failures=row["failures"],
        failing_since=row["failing_since"],
        next_try_at=row["next_try_at"] if row["next_try_at"].year > 1 else None,
        last_error=row["last_error"],
        last_success_at=row["last_success_at"],
        disabled_at=row["disabled_at"],
        disabled_reason=row["disabled_reason"],
    )


async def remove_endpoint(connection: Connection, name: str) -> None:
    """Remove an endpoint with all that waits for it. Raises `Refused`."""
    async with connection.transaction():
        # Alone, so that no one notes meanwhile that there is something to tell it.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", ENTRIES_LOCK)
        if await connection.fetchval(_REMOVE, name) is None:
            raise _unknown(name)
        await _signal(connection)


async def enable_endpoint(connection: Connection, name: str) -> None:
    """Try an endpoint again now, one that was disabled too; it hears of all that changed meanwhile. Raises `Refused`."""
    async with connection.transaction():
        webhook_id = await connection.fetchval(_ENABLE, name)
        if webhook_id is None:
            raise _unknown(name)
        await connection.execute(_TRY_NOW, webhook_id)
        await _signal(connection)


async def rotate_secret(connection: Connection, name: str, secret: str) -> None:
    """Sign by another secret; for a day by the old one too. Raises `Refused`."""
    async with connection.transaction():
        if await connection.fetchval(_ROTATE, name, secret, ROTATION) is None:
            raise _unknown(name)
        await _signal(connection)


async def deliveries(db: Database, name: str, most: int) -> Sequence[Any]:
    """Give an endpoint's last tries, newest first."""
    return await db.fetch(_DELIVERIES, name, most)


async def note_success(connection: Any, webhook_id: UUID) -> None:
    """Note that an endpoint took something."""
    await connection.execute(_SUCCEEDED, webhook_id)


async def note_failure(connection: Any, webhook_id: UUID, error: str, next_try_at: datetime) -> None:
    """Note that an endpoint took nothing of what it was sent."""
    await connection.execute(_FAILED, webhook_id, error, next_try_at)


async def disable(connection: Any, webhook_id: UUID, reason: str) -> None:
    """Send nothing more to an endpoint until an operator enables it."""
    await connection.execute(_DISABLE, webhook_id, reason)


async def _signal(connection: Connection) -> None:
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


def _unknown(name: str) -> Refused:
    return Refused("webhook_unknown", f"there is no webhook {name!r}: slugline webhooks list")
