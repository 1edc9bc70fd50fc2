"""The one way Slugline fetches: over HTTP(S), from public addresses, within limits of time and size, honestly named."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from services.ingest.config import IngestSettings
from services.ingest.decompress import decompress
from services.ingest.identity import absolute_url
from shared.addresses import AddressPolicy, GuardedResolver
from shared.errors import Refused

ACCEPT_FEED: Final = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, */*;q=0.5"
)
ACCEPT_PAGE: Final = "text/html, application/xhtml+xml;q=0.9, */*;q=0.5"
TRANSIENT: Final = frozenset(
    ("dns_failed", "connect_failed", "connect_timeout", "first_byte_timeout", "total_timeout", "body_incomplete", "disconnected")
)
"""Reasons that may pass: trying again later makes sense. The others are the outlet's or the URL's fault."""

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_PERMANENT = frozenset((301, 308))
_KEPT_HEADERS = (
    "content-type", "etag", "last-modified", "cache-control", "expires", "date", "age", "retry-after", "content-language", "link",
    "x-robots-tag",
)  # fmt: skip
_CHUNK_BYTES = 65_536
_THREAD_BYTES = 65_536
"""A larger compressed body is decompressed in a thread, so that the loop goes on."""
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\d{1,5}(?:/|$))")
_MAX_COOKIES = 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. A status of 400 and more is an answer too."""

    status: int
    url: str
    """As asked for."""
    final_url: str
    """After redirects."""
    redirects: tuple[str, ...]
    """The URLs that were redirected to, the final one included."""
    permanent_url: str | None
    """Where the resource has moved for good: the end of the leading 301 and 308 redirects."""
    headers: Mapping[str, str]
    """Some, names in lower case."""
    body: bytes = field(repr=False)
    """After decompression; empty for 304."""
    not_modified: bool = False
    retry_after_s: float | None = None
    max_age_s: float | None = None
    """From Cache-Control, less Age; else Expires less Date. 0 for no-store and no-cache."""

    @property
    def content_type(self) -> str | None:
        """Give the Content-Type with its charset."""
        return self.headers.get("content-type")

    @property
    def etag(self) -> str | None:
        """Give the ETag, to be sent back as it is."""
        return self.headers.get("etag")

    @property
    def last_modified(self) -> str | None:
        """Give the Last-Modified time, to be sent back as it is."""
        return self.headers.get("last-modified")


class Fetcher:
    """`async with Fetcher(settings) as fetcher: await fetcher.get(url)`. Politeness (delays, robots.txt) is the caller's."""

    def __init__(
        self, settings: IngestSettings, *, resolver: AbstractResolver | None = None, blocks: Callable[[str], bool] = lambda _: False
    ) -> None:
        """Keep the settings; `resolver` replaces the system's, for tests and special networks. It is guarded all the same.

        A URL that `blocks` is true of is refused (`blocked`), also where a redirect leads to it.
        """
        self._blocks = blocks
        self._settings = settings
        self._policy = AddressPolicy(settings.fetch_allow)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        resolver = GuardedResolver(self._policy, self._resolver or aiohttp.ThreadedResolver(), self._settings.fetch_localhost)
        connector = aiohttp.TCPConnector(
            resolver=resolver,
            limit=self._settings.fetch_connections,
            ttl_dns_cache=60,
            socket_factory=self._policy.open_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._settings.user_agent, "Accept-Encoding": "gzip, deflate, br, zstd"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.fetch_connect_timeout_s),
            max_line_size=self._settings.fetch_max_header_bytes,
            max_field_size=self._settings.fetch_max_header_bytes,
            max_headers=self._settings.fetch_max_headers,
            raise_for_status=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        accept: str = ACCEPT_PAGE,
        max_bytes: int | None = None,
    ) -> Fetched:
        """Fetch a URL, redirects followed.

        Raises `Refused`. Transient (see `TRANSIENT`): dns_failed, connect_failed, connect_timeout, first_byte_timeout,
        total_timeout, body_incomplete, disconnected. Lasting: url_refused, scheme_refused, address_refused, tls_failed,
        too_many_redirects, redirect_loop, header_too_large, body_too_large, bad_encoding, protocol_error.
        """
        limit = self._settings.fetch_max_body_bytes if max_bytes is None else min(max_bytes, self._settings.fetch_max_body_bytes)
        headers = {"Accept": accept}
        if etag and _is_header_value(etag):
            headers["If-None-Match"] = etag
        if last_modified and _is_header_value(last_modified):
            headers["If-Modified-Since"] = last_modified
        try:
            async with asyncio.timeout(self._settings.fetch_total_timeout_s):
                return await self._follow(url, headers, limit)
        except TimeoutError as error:
            raise Refused("total_timeout", f"{_shown(url)} took more than {self._settings.fetch_total_timeout_s:g} s in all") from error

    async def _follow(self, url: str, headers: dict[str, str], limit: int) -> Fetched:
        current = self._checked(url)
        permanent: str | None = None
        only_permanent = True
        redirects: list[str] = []
        cookies: dict[str, str] = {}
        seen = {(str(current), "")}
        while True:
            response = await self._request(current, headers, cookies)
            try:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or not location:
                    return await self._read(response, url, str(current), redirects, permanent, limit)
                target = self._target(location, current)
                if target.host != current.host:
                    cookies.clear()
                elif len(cookies) < _MAX_COOKIES:
                    # some outlets redirect once to the same page with a cookie, and for ever without
                    cookies |= {name: morsel.value for name, morsel in response.cookies.items()}
            finally:
                response.close()
            only_permanent = only_permanent and response.status in _PERMANENT
            if only_permanent:
                permanent = str(target)
            redirects.append(str(target))
            if len(redirects) > self._settings.fetch_max_redirects:
                raise Refused("too_many_redirects", f"{_shown(url)} redirects more than {self._settings.fetch_max_redirects} times")
            key = (str(target), ";".join(f"{name}={value}" for name, value in sorted(cookies.items())))
            if key in seen:
                raise Refused("redirect_loop", f"{_shown(url)} redirects in a circle over {_shown(str(target))}")
            seen.add(key)
            current = target

    async def _request(self, url: URL, headers: dict[str, str], cookies: dict[str, str]) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the fetcher is not open: use it as `async with Fetcher(settings) as fetcher`")
        shown = _shown(str(url))
        budget = self._settings.fetch_connect_timeout_s + self._settings.fetch_first_byte_timeout_s
        try:
            async with asyncio.timeout(budget) as clock:
                return await self._session.get(url, headers=headers, cookies=cookies or None, allow_redirects=False)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise Refused(
                    "connect_timeout", f"{shown} did not accept a connection in {self._settings.fetch_connect_timeout_s:g} s"
                ) from error
            if not clock.expired():
                raise
            raise Refused("first_byte_timeout", f"{shown} did not answer within {budget:g} s") from error
        except aiohttp.InvalidURL as error:
            raise Refused("url_refused", f"{shown} is no URL that can be fetched") from error
        except aiohttp.ClientConnectorDNSError as error:
            raise Refused("dns_failed", f"the name of {shown} is not known: {error.os_error}") from error
        except aiohttp.ClientSSLError as error:
            raise Refused("tls_failed", f"no secure connection to {shown}: {error}") from error
        except aiohttp.ClientConnectorError as error:
            raise Refused("connect_failed", f"no connection to {shown}: {error.os_error}") from error
        except aiohttp.ClientResponseError as error:
            too_large = any(words in error.message.lower() for words in ("more than", "too many", "too long"))
            raise Refused(
                "header_too_large" if too_large else "protocol_error", f"{shown}: {error.message.splitlines()[0][:200]}"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Refused("disconnected", f"{shown} broke the connection: {str(error)[:200]}") from error
        except ValueError as error:
            raise Refused("protocol_error", f"{shown} can't be asked for: {str(error)[:200]}") from error

    async def _read(
        self, response: aiohttp.ClientResponse, url: str, final_url: str, redirects: list[str], permanent: str | None, limit: int
    ) -> Fetched:
        shown = _shown(final_url)
        headers = {name: response.headers[name][:4_000] for name in _KEPT_HEADERS if name in response.headers}
        not_modified = response.status == 304
        body = b""
        if not not_modified:
            if response.content_length is not None and response.content_length > limit:
                raise Refused("body_too_large", f"{shown} announces {response.content_length} bytes; {limit} are allowed")
            received = bytearray()
            try:
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    received += chunk
                    if len(received) > limit:
                        raise Refused("body_too_large", f"{shown} sends more than {limit} bytes")
            except aiohttp.ClientPayloadError as error:
                raise Refused("body_incomplete", f"{shown} ended before all was sent: {str(error)[:200]}") from error
            except (aiohttp.ClientError, OSError) as error:
                if isinstance(error, TimeoutError):
                    raise
                raise Refused("disconnected", f"{shown} broke the connection: {str(error)[:200]}") from error
            body = await self._decompressed(bytes(received), response.headers.get("Content-Encoding", ""), limit)
        now = _http_date(headers.get("date")) or datetime.now(UTC)
        return Fetched(
            status=response.status,
            url=url,
            final_url=final_url,
            redirects=tuple(redirects),
            permanent_url=permanent,
            headers=headers,
            body=body,
            not_modified=not_modified,
            retry_after_s=_retry_after(headers.get("retry-after"), now),
            max_age_s=_max_age(headers, now),
        )

    async def _decompressed(self, received: bytes, encoding: str, limit: int) -> bytes:
        if not encoding or not received:
            return received
        if len(received) < _THREAD_BYTES:
            return decompress(received, encoding, limit_bytes=limit)
        return await asyncio.to_thread(decompress, received, encoding, limit_bytes=limit)

    def _checked(self, url: str) -> URL:
        tidy = url.strip()
        scheme = _SCHEME.match(tidy)
        if scheme and scheme.group(1).lower() not in ("http", "https"):
            raise Refused("scheme_refused", f"{scheme.group(1)[:20]!r} is not fetched; http and https are")
        absolute = absolute_url(tidy) if scheme else None
        if absolute is None:
            raise Refused("url_refused", f"{_shown(url)} is no http or https URL")
        try:
            parsed = URL(absolute).with_fragment(None)
        except ValueError as error:
            raise Refused("url_refused", f"{_shown(url)} is no URL: {error}") from error
        self._policy.check_literal(parsed.host or "")
        if self._blocks(str(parsed)):
            raise Refused("blocked", f"{parsed.host} is a blocked outlet's; it is freed with: slugline feeds unblock {parsed.host}")
        return parsed

    def _target(self, location: str, current: URL) -> URL:
        absolute = absolute_url(_as_text(location), str(current))
        if absolute is None:
            raise Refused("scheme_refused", f"{_shown(str(current))} redirects to {location[:100]!r}; only http and https are fetched")
        return self._checked(absolute)


def _shown(url: str) -> str:
    """Give a URL for a message: without user, password and query, short."""
    shown = re.sub(r"//[^/@]*@", "//", url.split("?", 1)[0].split("#", 1)[0])
    return shown[:200]


def _as_text(header: str) -> str:
    """Read a header's raw bytes as UTF-8, which outlets write into Location unescaped."""
    try:
        return header.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return header.encode("utf-8", "replace").decode("utf-8")


def _is_header_value(value: str) -> bool:
    return value.isprintable() and value.isascii() and len(value) < 1_000


def _http_date(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        read = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def _retry_after(value: str | None, now: datetime) -> float | None:
    if not value:
        return None
    if value.strip().isdigit() and len(value.strip()) < 10:
        return float(value)
    moment = _http_date(value)
    return max(0.0, (moment - now).total_seconds()) if moment else None


def _max_age(headers: Mapping[str, str], now: datetime) -> float | None:
    control = headers.get("cache-control", "").lower()
    if "no-store" in control or "no-cache" in control:
        return 0.0
    found = _MAX_AGE.search(control)
    if found:
        age = headers.get("age", "").strip()
        return max(0.0, float(found.group(1)) - (float(age) if age.isdigit() and len(age) < 10 else 0.0))
    expires = _http_date(headers.get("expires"))
    return max(0.0, (expires - now).total_seconds()) if expires else None
