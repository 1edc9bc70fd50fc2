"""A pool of subprocesses that parse feeds and pages. One that takes too long or too much is killed and replaced."""

import asyncio
import contextlib
import json
import os
import struct
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from services.ingest.config import IngestSettings
from services.ingest.extraction.model import Extracted
from services.ingest.extraction.page import PageLimits
from services.ingest.extraction.worker import READY
from services.ingest.feeds.model import FeedLink, ParsedFeed
from shared.errors import Refused, SluglineError

_Read = TypeVar("_Read")

_START_TIMEOUT_S = 120.0
"""Reading libraries and models takes two seconds on a free machine."""
_MAX_ANSWER_BYTES = 512 * 1_048_576
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")

_EXTRACTED: TypeAdapter[Extracted] = TypeAdapter(Extracted)
_PARSED: TypeAdapter[ParsedFeed] = TypeAdapter(ParsedFeed)
_FOUND: TypeAdapter[tuple[FeedLink, ...]] = TypeAdapter(tuple[FeedLink, ...])


class PoolBroken(SluglineError):
    """The subprocesses can't be started at all: the installation is at fault, not a document."""


class ExtractorPool:
    """`async with ExtractorPool(settings) as pool: await pool.extract(…)`. Calls wait for a free subprocess."""

    def __init__(self, settings: IngestSettings, *, warm_up: bool = True) -> None:
        """Keep the settings. Without `warm_up` the language model is read with the first page: a command that reads a feed needs none."""
        self._settings = settings
        limits = PageLimits(max_bytes=settings.page_max_bytes, max_depth=settings.page_max_depth, max_elements=settings.page_max_elements)
        self._arguments = json.dumps(
            {
                "memory_bytes": settings.extract_memory_bytes,
                "warm_up": warm_up,
                "page_limits": asdict(limits),
                "feed_limits": {"max_items": settings.feed_max_items, "max_bytes": settings.feed_max_bytes},
                "future_tolerance_s": settings.future_tolerance_s,
            }
        )
        self._free: asyncio.Queue[_Worker] = asyncio.Queue()
        self._workers: list[_Worker] = []
        self.replaced = 0
        """Subprocesses killed or lost so far."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def start(self) -> None:
        """Start all subprocesses. Raises `PoolBroken` where none comes up."""
        for _ in range(self._settings.extract_workers):
            worker = _Worker(self._arguments)
            self._workers.append(worker)
            await worker.start()
        for worker in self._workers:
            await worker.wait_ready()
            self._free.put_nowait(worker)

    async def close(self) -> None:
        """End all subprocesses, busy or not."""
        for worker in self._workers:
            await worker.kill()

    async def extract(self, html: bytes, *, url: str, content_type: str | None, now: datetime | None = None) -> Extracted:
        """Read an article page. Raises `Refused` as `extract` does, and too_slow, too_much_memory, parser_died, parser_failed."""
        if len(html) > self._settings.page_max_bytes:
            raise Refused("too_large", f"{len(html)} bytes; {self._settings.page_max_bytes} are allowed")
        answer = await self._ask("extract", html, url, content_type, now, self._settings.extract_timeout_s)
        return _read(_EXTRACTED, answer)

    async def parse_feed(self, body: bytes, *, url: str, content_type: str | None, now: datetime | None = None) -> ParsedFeed:
        """Read a feed. Raises `Refused` as `parse_feed` does, and too_slow, too_much_memory, parser_died, parser_failed."""
        if len(body) > self._settings.feed_max_bytes:
            raise Refused("too_large", f"{len(body)} bytes; {self._settings.feed_max_bytes} are allowed")
        answer = await self._ask("parse_feed", body, url, content_type, now, self._settings.parse_timeout_s)
        return _read(_PARSED, answer)

    async def discover(self, html: bytes, *, url: str, content_type: str | None) -> tuple[FeedLink, ...]:
        """Give the feeds that a site's page offers. Raises `Refused` as `extract` does."""
        if len(html) > self._settings.feed_max_bytes:
            raise Refused("too_large", f"{len(html)} bytes; {self._settings.feed_max_bytes} are allowed")
        return _read(_FOUND, await self._ask("discover", html, url, content_type, None, self._settings.extract_timeout_s))

    async def _ask(self, task: str, body: bytes, url: str, content_type: str | None, now: datetime | None, timeout_s: float) -> bytes:
        request = json.dumps(
            {"task": task, "url": url, "content_type": content_type, "now": (now or datetime.now(UTC)).isoformat()}
        ).encode()
        worker = await self._free.get()
        try:
            await worker.wait_ready()
            async with asyncio.timeout(timeout_s):
                answer = await worker.ask(request, body)
        except TimeoutError as error:
            await self._replace(worker)
            raise Refused("too_slow", f"not read within {timeout_s:g} s") from error
        except (OSError, asyncio.IncompleteReadError) as error:
            await self._replace(worker)
            raise Refused("parser_died", "the parser's process died over the document, most likely for want of memory") from error
        except BaseException:
            # cancelled while busy: its answer would be taken for the next one's
            await self._replace(worker)
            raise
        worker.served += 1
        if worker.served >= self._settings.extract_recycle_after or answer.startswith(b'{"refused": ["too_much_memory"'):
            await self._replace(worker)
        else:
            self._free.put_nowait(worker)
        return answer

    async def _replace(self, worker: "_Worker") -> None:
        self.replaced += 1
        await worker.kill()
        await worker.start()
        self._free.put_nowait(worker)


class _Worker:
    """One subprocess, and the next one in its place."""

    def __init__(self, arguments: str) -> None:
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._is_ready = False
        self.served = 0

    async def start(self) -> None:
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self._is_ready = False
        self.served = 0
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.ingest.extraction.worker",
            self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )

    async def wait_ready(self) -> None:
        """Wait until the subprocess has read its libraries. Raises `PoolBroken`."""
        if self._is_ready:
            return
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                first = await self._answer()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            code = self._process.returncode if self._process else None
            raise PoolBroken(
                f"a parser's process does not start (exit code {code}): is slugline[ingest] installed, and is"
                " SLUGLINE_EXTRACT_MEMORY_BYTES large enough?"
            ) from error
        if first != READY:
            raise PoolBroken("a parser's process speaks another protocol: are two versions of Slugline installed?")
        self._is_ready = True

    async def ask(self, request: bytes, body: bytes) -> bytes:
        process = self._process
        if process is None or process.stdin is None:
            raise BrokenPipeError
        process.stdin.write(struct.pack("!I", len(request)) + request + struct.pack("!I", len(body)))
        process.stdin.write(body)
        await process.stdin.drain()
        return await self._answer()

    async def _answer(self) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            raise BrokenPipeError
        (length,) = struct.unpack("!I", await process.stdout.readexactly(4))
        if length > _MAX_ANSWER_BYTES:
            raise BrokenPipeError
        return await process.stdout.readexactly(length)

    async def kill(self) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await asyncio.shield(process.wait())


def _read(adapter: TypeAdapter[_Read], answer: bytes) -> _Read:
    if answer.startswith(b'{"ok":'):
        try:
            return adapter.validate_json(answer[6:-1])
        except ValidationError as error:
            raise Refused("parser_failed", f"the parser's answer is not of its form: {error.error_count()} faults") from error
    refused: dict[str, Any] = json.loads(answer)
    reason, detail = refused["refused"]
    raise Refused(str(reason), str(detail))
