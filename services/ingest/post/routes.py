"""`POST /articles`: who posts, how much, and what is answered. Errors are `application/problem+json` (RFC 9457)."""

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import web
from aiokafka.errors import KafkaError

from services.ingest.decompress import decompress
from services.ingest.post.batch import Answer, read_batch
from services.ingest.post.config import PostSettings
from services.ingest.post.limits import Pace
from services.ingest.post.tokens import Senders
from shared import metrics
from shared.errors import Refused, SluglineError
from shared.kafka.decision import Output
from shared.logs import get_logger

log = get_logger()

Send = Callable[[Iterable[Output]], Awaitable[None]]

ITEMS = metrics.counter("slugline_posted_items_total", "Posted articles", "outcome")
POSTS = metrics.counter("slugline_posts_total", "Posted batches", "status")

ACCEPTED_ENCODINGS = "gzip, deflate, br, zstd"
SOURCE_LIMIT = 200
_TOO_MUCH = frozenset(("body_too_large", "too_many_items"))


class Problem(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        """Keep the status, what to do, and headers (underscores in their names are hyphens)."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class ArticlesPost:
    """Takes batches. `send` returns once the broker holds all outputs."""

    def __init__(self, settings: PostSettings, send: Send) -> None:
        """Keep the limits and where articles go."""
        self._settings = settings
        self._send = send
        self._pace = Pace(settings.post_rate_s, settings.post_burst)
        self._senders = Senders(settings.post_tokens_sha256, settings.post_tokens_file)
        self._at_work = 0
        self.broker_error: str | None = None

    def application(self) -> web.Application:
        """Make the application."""
        app = web.Application(middlewares=[problems], client_max_size=self._settings.post_max_body_bytes)
        app.router.add_post("/articles", self.post)
        return app

    async def post(self, request: web.Request) -> web.Response:
        """Take a batch; the answer has the outcome of each item, in the batch's order."""
        sender = self._sender(request)
        if (wait_s := self._pace.wait_s(sender, time.monotonic())) > 0:
            raise Problem(429, "Too many batches from this sender; larger batches need fewer.", Retry_After=str(math.ceil(wait_s)))
        if self._at_work >= self._settings.post_at_once:
            raise Problem(429, f"{self._at_work} batches are in work already.", Retry_After="1")
        self._at_work += 1
        try:
            answers = await self._read(request)
            await self._produce([answer.output for answer in answers if answer.output is not None])
        finally:
            self._at_work -= 1
        return _told(answers, sender)

    def _sender(self, request: web.Request) -> str:
        """Give the sender's name in logs: its token's in the file, else the beginning of its token's hash."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        sender = self._senders.sender(token.strip(), datetime.now(UTC)) if scheme.lower() == "bearer" else None
        if sender is None:
            raise Problem(401, "Send your token as `Authorization: Bearer TOKEN`.", WWW_Authenticate='Bearer realm="slugline"')
        return sender

    async def _read(self, request: web.Request) -> list[Answer]:
        limit = self._settings.post_max_body_bytes
        if request.content_length is not None and request.content_length > limit:
            raise Problem(413, f"A batch has at most {limit:,} bytes; post it in parts.")
        source = request.query.get("source", "")
        if len(source) > SOURCE_LIMIT:
            raise Problem(400, f"`source` has at most {SOURCE_LIMIT} characters.")
        try:
            async with asyncio.timeout(self._settings.post_body_timeout_s):
                body = await request.read()
        except web.RequestPayloadError as error:
            raise Problem(400, "The body is broken.") from error
        except TimeoutError as error:
            raise Problem(408, f"The batch did not arrive within {self._settings.post_body_timeout_s:g} s.") from error
        encoding = request.headers.get("Content-Encoding", "")
        # beside the loop: a batch takes long enough to keep health's answers waiting
        return await asyncio.to_thread(self._understand, body, encoding, source, datetime.now(UTC))

    def _understand(self, body: bytes, encoding: str, source: str, now: datetime) -> list[Answer]:
        try:
            plain = decompress(body, encoding, limit_bytes=self._settings.post_max_body_bytes) if encoding else body
            return read_batch(plain, source, now, most=self._settings.post_max_items)
        except Refused as error:
            if error.reason == "bad_encoding":
                raise Problem(415, error.detail, Accept_Encoding=ACCEPTED_ENCODINGS) from error
            raise Problem(413 if error.reason in _TOO_MUCH else 400, f"{error.reason}: {error.detail}") from error

    async def _produce(self, outputs: list[Output]) -> None:
        try:
            async with asyncio.timeout(self._settings.post_broker_timeout_s):
                await self._send(outputs)
        except (KafkaError, SluglineError, TimeoutError, OSError) as error:
            self.broker_error = f"the last batch was not taken: {type(error).__name__}"
            log.warning("post_not_taken", items=len(outputs), error=f"{type(error).__name__}: {error}")
            raise Problem(503, "The broker did not take the batch. Post it again: nothing counts twice.", Retry_After="5") from error
        self.broker_error = None


@web.middleware
async def problems(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Answer whatever goes wrong with a problem, and count answers."""
    try:
        answer = await handler(request)
    except Problem as problem:
        answer = _problem(problem.status, problem.detail, problem.headers)
    except web.HTTPException as error:
        kept = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        answer = _problem(error.status, _WORDS.get(error.status, error.reason), kept)
    except (ConnectionError, asyncio.IncompleteReadError):
        raise  # the sender has left
    except Exception:
        log.exception("post_broke")
        answer = _problem(500, "Something unexpected happened here; it is logged. Posting the batch again is safe.", {})
    POSTS.labels(str(answer.status)).inc()
    return answer


_WORDS = {
    404: "Articles are posted to /articles.",
    405: "Articles are posted: use the method POST.",
    413: "The batch is larger than is taken; post it in parts.",
}


def _problem(status: int, detail: str, headers: dict[str, str]) -> web.Response:
    title = "Problem"
    with suppress(ValueError):
        title = HTTPStatus(status).phrase
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
    own = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    response = web.Response(status=status, body=body, headers=own | headers)
    # what is left of a refused body is not read
    response.force_close()
    return response


def _told(answers: list[Answer], sender: str) -> web.Response:
    refused = sum(answer.refused is not None for answer in answers)
    accepted = len(answers) - refused
    ITEMS.labels("accepted").inc(accepted)
    ITEMS.labels("refused").inc(refused)
    log.info("articles_posted", sender=sender, accepted=accepted, refused=refused)
    items = [answer.as_json(index) for index, answer in enumerate(answers)]
    return web.json_response({"accepted": accepted, "refused": refused, "items": items}, headers={"Cache-Control": "no-store"})
