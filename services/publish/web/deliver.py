"""Deliver answers: kept until a row changes, conditional (ETag, 304), compressed, with the headers that every answer has.

One ASGI layer does it for pages, JSON and feeds alike, so that no route has to think of it. Streams pass through untouched.
"""

import asyncio
import gzip
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from traceback import format_exc
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.publish.web.limits import RateLimit, client_key
from services.publish.web.problems import FAILED, body_of
from services.publish.web.problems import MEDIA_TYPE as PROBLEM
from services.publish.web.streams import HEADERS_ALONE
from shared.logs import get_logger

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {pictures}; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), interest-cohort=()"),
)
COMPRESSIBLE: Final = (b"text/", b"application/json", b"application/problem+json", b"application/feed+json", b"application/rss+xml",
                       b"application/atom+xml", b"image/svg+xml")  # fmt: skip
SMALLEST_COMPRESSED: Final = 600
"""Bytes; below, one network packet carries it as it is."""
GZIP_LEVEL: Final = 5
LONGEST_QUERY_KEPT: Final = 400
NOT_LIMITED: Final = frozenset({"/live", "/ready", "/metrics"})
STREAM: Final = "/api/stream"
NOT_KEPT: Final = frozenset({STREAM, *NOT_LIMITED})
"""Answers that are each client's own; nobody waits for another's."""

EXPOSED: Final = b"ETag, Retry-After"
ANY_ORIGIN: Final = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", EXPOSED)]
PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", b"If-None-Match, Last-Event-ID, Cache-Control"),
    (b"access-control-max-age", b"86400"),
)
_PROBLEM_HEADERS: Final = ((b"content-type", PROBLEM.encode()), (b"cache-control", b"no-store"))

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Answer:
    """A whole answer of the application, with what is needed to give it again."""

    status: int
    headers: Headers
    body: bytes
    generation: int | None
    made_s: float
    etag: bytes = b""
    written: dict[tuple[bool, bool], tuple[Message, Message]] = field(default_factory=dict, repr=False)
    """Its messages, whether it is unchanged and whether it is compressed: an answer that is given a thousand times is written once."""
    _packed: bytes | None = field(default=None, repr=False)
    _compressible: bool | None = None

    def packed(self) -> bytes:
        """Give the body compressed, once."""
        if self._packed is None:
            self._packed = gzip.compress(self.body, GZIP_LEVEL, mtime=0)
        return self._packed

    def compressible(self) -> bool:
        """Tell whether compressing it is of use."""
        if self._compressible is None:
            self._compressible = (
                len(self.body) >= SMALLEST_COMPRESSED
                and header(self.headers, b"content-type").startswith(COMPRESSIBLE)
                and not header(self.headers, b"content-encoding")
            )
        return self._compressible

    def size(self) -> int:
        """Give the bytes that keeping it takes."""
        return len(self.body) + len(self._packed or b"") + 1_000


def header(headers: Headers, name: bytes) -> bytes:
    """Give a header's value, or nothing."""
    for key, value in headers:
        if key == name:
            return value
    return b""


def matches(etag: bytes, if_none_match: bytes) -> bool:
    """Compare weakly, by RFC 9110 section 13.1.2."""
    if if_none_match.strip() == b"*":
        return True
    opaque = etag.removeprefix(b"W/")
    return any(opaque == candidate for candidate in re.findall(rb'"[^"]*"', if_none_match))


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Tell whether a client takes gzip."""
    for part in accept_encoding.lower().split(b","):
        name, _, parameters = part.partition(b";")
        if name.strip() in (b"gzip", b"*"):
            return not re.fullmatch(rb"\s*q=0(\.0*)?\s*", parameters)
    return False


class Deliver:
    """The layer around the application. `generation` gives a number that changes whenever a row may have, or None when unknown."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        generation: Callable[[], int | None],
        limit: RateLimit,
        origins: tuple[str, ...],
        picture_sources: tuple[str, ...],
        keep_bytes: int,
        keep_s: float,
        observe: Callable[[str, int, float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wrap `app`. `observe` takes route, status and seconds of each answer; `clock` gives monotonic seconds."""
        self._app = app
        self._generation = generation
        self._limit = limit
        self._origins = frozenset(origin.encode() for origin in origins)
        self._any_origin = b"*" in self._origins
        policy = CSP.format(pictures=" ".join(("'self'", *picture_sources)))
        self._security = ((b"content-security-policy", policy.encode()), *SECURITY)
        self._keep_bytes = keep_bytes
        self._keep_s = keep_s
        self._observe = observe
        self._clock = clock
        self._log = get_logger()
        self._kept: OrderedDict[tuple[str, bytes, bytes], Answer] = OrderedDict()
        self._kept_bytes = 0
        self._making: dict[tuple[str, bytes, bytes], asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._clock()
        path: str = scope["path"]
        client = scope.get("client")
        if path not in NOT_LIMITED:
            wait_s = self._limit.wait_s(client_key(client[0]) if client else "", began_s)
            if wait_s:
                await self._refuse(scope, send, wait_s)
                self._observe("limited", 429, self._clock() - began_s)
                return
        request: Headers = scope["headers"]
        if scope["method"] == "OPTIONS" and header(request, b"access-control-request-method") and _is_shared(path):
            headers = [*self._cross_origin(path, request), *PREFLIGHT, *self._security]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        if scope["method"] not in ("GET", "HEAD"):
            answer = await self._ask(scope, receive, send)
            if answer is not None:
                answer.etag = b""
                await self._give(answer, scope, send)
                self._observe(_route(scope), answer.status, self._clock() - began_s)
            return
        key = (path, scope["query_string"], header(request, b"host"))
        answer = self._fresh(key) or await self._answer(key, scope, receive, send)
        if answer is not None:
            await self._give(answer, scope, send)
            self._observe(_route(scope), answer.status, self._clock() - began_s)

    async def _answer(self, key: tuple[str, bytes, bytes], scope: Scope, receive: Receive, send: Send) -> Answer | None:
        keepable = len(key[1]) <= LONGEST_QUERY_KEPT and self._keep_bytes > 0 and key[0] not in NOT_KEPT
        if keepable and (making := self._making.get(key)) is not None:
            await making.wait()
            if (kept := self._fresh(key)) is not None:
                return kept
        done = asyncio.Event()
        mine = keepable and key not in self._making
        if mine:
            self._making[key] = done
        try:
            answer = await self._ask(scope, receive, send)
            if answer is not None and keepable:
                self._keep(key, answer)
            return answer
        finally:
            if mine:
                del self._making[key]
            done.set()

    def _fresh(self, key: tuple[str, bytes, bytes]) -> Answer | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        now = self._generation()
        if now is None or kept.generation != now or self._clock() - kept.made_s > self._keep_s:
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def _forget(self, key: tuple[str, bytes, bytes]) -> None:
        self._kept_bytes -= self._kept.pop(key).size()

    def _keep(self, key: tuple[str, bytes, bytes], answer: Answer) -> None:
        if answer.generation is None or answer.status != 200 or b"no-store" in header(answer.headers, b"cache-control"):
            return
        if key in self._kept:
            self._forget(key)
        if answer.status == 200 and answer.compressible():
            answer.packed()  # now, so that its size is known
        self._kept[key] = answer
        self._kept_bytes += answer.size()
        while self._kept_bytes > self._keep_bytes and self._kept:
            self._forget(next(iter(self._kept)))

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> Answer | None:
        """Run the application; None if it streamed its answer itself."""
        generation = self._generation()
        start: Message | None = None
        parts: list[bytes] = []
        streaming = False

        async def capture(message: Message) -> None:
            nonlocal start, streaming
            if message["type"] == "http.response.start":
                start = message
                if header(message["headers"], b"content-type").startswith(b"text/event-stream"):
                    streaming = True
                    cross = self._cross_origin(scope["path"], scope["headers"])
                    await send({**message, "headers": [*message["headers"], *self._security, *cross]})
                return
            if streaming:
                await send(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        inner = {**scope, "method": "GET", HEADERS_ALONE: True} if scope["method"] == "HEAD" else scope
        try:
            await self._app(inner, receive, capture)
        except ClientDisconnect:
            return None  # nobody is there to be answered
        except Exception as error:  # noqa: BLE001 - logged, and answered as the 500 that it is
            # Plain lines: a traceback with the locals of every frame takes seconds to write, and holds texts.
            self._log.error("request_failed", path=scope["path"], error=repr(error)[:500], traceback=format_exc())
            if streaming:
                return None
            if start is not None and start["status"] != 500:
                start = None
        if "route" in inner:
            scope["route"] = inner["route"]
        if streaming:
            return None
        if start is None:
            return Answer(500, [*_PROBLEM_HEADERS], body_of(500, FAILED), None, self._clock())
        body = b"".join(parts)
        answer = Answer(start["status"], list(start["headers"]), body, generation, self._clock())
        if answer.status == 200 and not header(answer.headers, b"etag"):
            answer.etag = b'W/"' + hashlib.blake2b(body, digest_size=9).hexdigest().encode() + b'"'
        else:
            answer.etag = header(answer.headers, b"etag")
        return answer

    async def _give(self, answer: Answer, scope: Scope, send: Send) -> None:
        request: Headers = scope["headers"]
        condition = header(request, b"if-none-match")
        unchanged = bool(answer.etag and condition and matches(answer.etag, condition))
        packed = not unchanged and answer.compressible() and accepts_gzip(header(request, b"accept-encoding"))
        messages = answer.written.get((unchanged, packed))
        if messages is None:
            cross = self._cross_origin(scope["path"], request) if self._any_origin else []
            messages = answer.written[unchanged, packed] = _write(answer, [*self._security, *cross], unchanged=unchanged, packed=packed)
        start, body = messages
        if not self._any_origin and (cross := self._cross_origin(scope["path"], request)):
            start = {**start, "headers": [*start["headers"], *cross]}
        await send(start)
        await send({**body, "body": b""} if scope["method"] == "HEAD" else body)

    async def _refuse(self, scope: Scope, send: Send, wait_s: float) -> None:
        seconds = max(1, round(wait_s))
        body = body_of(429, f"Too many requests from this address. Try again in {seconds} s.")
        headers = [
            *_PROBLEM_HEADERS,
            (b"retry-after", str(seconds).encode()),
            (b"content-length", str(len(body)).encode()),
            *self._security,
            *self._cross_origin(scope["path"], scope["headers"]),
        ]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _cross_origin(self, path: str, request: Headers) -> Headers:
        """Let pages of other origins read what is made for programs."""
        if not self._origins or not _is_shared(path):
            return []
        if self._any_origin:
            return ANY_ORIGIN
        origin = header(request, b"origin")
        allowed = [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED)]
        return [(b"vary", b"Origin"), *(allowed if origin in self._origins else [])]


def _is_shared(path: str) -> bool:
    return path.startswith("/api/") or path.endswith((".rss", ".atom", ".json"))


def _write(answer: Answer, more: Headers, *, unchanged: bool, packed: bool) -> tuple[Message, Message]:
    headers = [pair for pair in answer.headers if pair[0] not in (b"content-length", b"etag")]
    if answer.status == 405:
        headers = [(b"allow", value.replace(b"GET", b"GET, HEAD")) if name == b"allow" else (name, value) for name, value in headers]
    headers.extend(more)
    if answer.etag:
        headers.append((b"etag", answer.etag))
    if not header(headers, b"cache-control"):
        headers.append((b"cache-control", b"no-cache"))
    headers.append((b"vary", b"Accept-Encoding"))
    status, body = answer.status, answer.packed() if packed else answer.body
    if unchanged:
        status, body = 304, b""
        headers = [pair for pair in headers if pair[0] not in (b"content-type", b"content-encoding")]
    else:
        if packed:
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(body)).encode()))
    return {"type": "http.response.start", "status": status, "headers": headers}, {"type": "http.response.body", "body": body}


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "kept" if "route" not in scope else "other")
