"""A pool of subprocesses that parse feeds and pages. One that takes too long or too much is killed and replaced."""

import asyncio
import contextlib
import json
import os
import struct
import sys
from collections import deque
from dataclasses import asdict, dataclass
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
_DOCUMENTS_A_WORKER = 2
"""One that is read, and one in the pipe, so that a subprocess never waits for us."""
_TRIES = 5
_OUT_OF_MEMORY = b'{"refused": ["too_much_memory"'
_MAX_ANSWER_BYTES = 512 * 1_048_576
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")

_EXTRACTED: TypeAdapter[Extracted] = TypeAdapter(Extracted)
_PARSED: TypeAdapter[ParsedFeed] = TypeAdapter(ParsedFeed)
_FOUND: TypeAdapter[tuple[FeedLink, ...]] = TypeAdapter(tuple[FeedLink, ...])


class PoolBroken(SluglineError):
    """The subprocesses can't be started at all: the installation is at fault, not a document."""


class ExtractorPool:
    """`async with ExtractorPool(settings) as pool: await pool.extract(…)`. Calls wait for a free subprocess."""

    def __init__(self, settings: IngestSettings, *, warm_up: bool = True, wait: bool = True) -> None:
        """Keep the settings.

        Without `warm_up` what reads pages is loaded with the first one: 100 MB that who reads feeds does not need. Without `wait` it
        is the first documents that wait until the subprocesses have read their libraries, and not the start.
        """
        self._settings = settings
        self._wait = wait
        self._all_were_ready = False
        limits = PageLimits(max_bytes=settings.page_max_bytes, max_depth=settings.page_max_depth, max_elements=settings.page_max_elements)
        self._arguments = json.dumps(
            {
                "parent": os.getpid(),
                "memory_bytes": settings.extract_memory_bytes,
                "warm_up": warm_up,
                "page_limits": asdict(limits),
                "feed_limits": {"max_items": settings.feed_max_items, "max_bytes": settings.feed_max_bytes},
                "future_tolerance_s": settings.future_tolerance_s,
            }
        )
        self._free: asyncio.Queue[_Worker] = asyncio.Queue()
        self._workers: list[_Worker] = []

    @property
    def replaced(self) -> int:
        """Give how many subprocesses were killed, lost or renewed so far."""
        return sum(worker.replaced for worker in self._workers)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def start(self) -> None:
        """Start all subprocesses. Raises `PoolBroken` where one does not come up that is waited for."""
        self._workers = [_Worker(self._arguments, self._settings.extract_recycle_after) for _ in range(self._settings.extract_workers)]
        for worker in self._workers:
            await worker.start()
        if self._wait:
            for worker in self._workers:
                await worker.wait_ready()
        for worker in self._workers * _DOCUMENTS_A_WORKER:
            self._free.put_nowait(worker)

    def waits(self) -> str | None:
        """Say what the start waits for; None once all subprocesses were ready."""
        waiting = [reason for worker in self._workers if (reason := worker.waits()) is not None]
        self._all_were_ready = self._all_were_ready or not waiting
        return None if self._all_were_ready else waiting[0]

    async def close(self) -> None:
        """End all subprocesses, busy or not."""
        for worker in self._workers:
            await worker.close()

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
        for _ in range(_TRIES):
            worker = await self._free.get()
            try:
                return await worker.ask(request, body, timeout_s)
            except _Lost:
                continue
            finally:
                self._free.put_nowait(worker)
        raise Refused("parser_died", f"the parsers' processes died {_TRIES} times before they came to the document")


class _Lost(Exception):
    """The subprocess ended over the document before this one: nothing is known of this one."""


@dataclass(eq=False, slots=True)
class _Job:
    """A document on its way. It is being read once all before it have their answers."""

    answer: asyncio.Future[bytes]
    begun: asyncio.Event


class _Worker:
    """One subprocess, and the next one in its place. While it reads a document, the next one already waits in its pipe."""

    def __init__(self, arguments: str, recycle_after: int) -> None:
        self._arguments = arguments
        self._recycle_after = recycle_after
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._jobs: deque[_Job] = deque()
        self._ready = asyncio.Event()
        self._failure: PoolBroken | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._sending = asyncio.Lock()
        self._given = 0
        self.replaced = 0

    async def start(self) -> None:
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self._given = 0
        self._ready.clear()
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
        self._reader = asyncio.create_task(self._read_answers(self._process))

    def waits(self) -> str | None:
        if self._failure is not None:
            return str(self._failure)
        return None if self._ready.is_set() else "a parser's process reads its libraries"

    async def wait_ready(self) -> None:
        """Wait until the subprocess has read its libraries. Raises `PoolBroken`."""
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await self._ready.wait()
        except TimeoutError as error:
            raise PoolBroken(f"a parser's process is not ready after {_START_TIMEOUT_S:g} s") from error
        if self._failure is not None:
            raise self._failure

    async def ask(self, request: bytes, body: bytes, timeout_s: float) -> bytes:
        """Give the answer to a request. Raises `Refused` (too_slow, parser_died), `_Lost`, `PoolBroken`."""
        async with self._sending:
            if self._given >= self._recycle_after:
                await self._idle.wait()
                await self._renew()
            await self.wait_ready()
            job = self._send(request, body)
        try:
            await job.begun.wait()
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(job.answer)
        except TimeoutError as error:
            await self._give_up(job)
            raise Refused("too_slow", f"not read within {timeout_s:g} s") from error
        except asyncio.CancelledError:
            # nobody would watch over its time any more
            await self._give_up(job)
            raise

    async def close(self) -> None:
        """End the subprocess for good."""
        if self._reader is not None:
            self._reader.cancel()
        await self._kill()

    def _send(self, request: bytes, body: bytes) -> _Job:
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            raise _Lost
        job = _Job(asyncio.get_running_loop().create_future(), asyncio.Event())
        self._given += 1
        self._idle.clear()
        self._jobs.append(job)
        if len(self._jobs) == 1:
            job.begun.set()
        # not drained: the documents on their way are few and bounded, and who drains would wait for the one before
        process.stdin.write(struct.pack("!I", len(request)) + request + struct.pack("!I", len(body)))
        process.stdin.write(body)
        return job

    async def _read_answers(self, process: asyncio.subprocess.Process) -> None:
        """Hand answers to the jobs in their order, until the process ends; then start the next one."""
        try:
            first = await _frame(process)
            if first != READY:
                self._failure = PoolBroken("a parser's process speaks another protocol: are two versions of Slugline installed?")
            self._ready.set()
            while self._failure is None:
                answer = await _frame(process)
                job = self._jobs.popleft()
                if not job.answer.done():
                    job.answer.set_result(answer)
                if answer.startswith(_OUT_OF_MEMORY):
                    await self._replace(None)  # it ends itself now
                    return
                if self._jobs:
                    self._jobs[0].begun.set()
                else:
                    self._idle.set()
        except (OSError, asyncio.IncompleteReadError):
            pass
        if not self._ready.is_set():
            code = await process.wait()
            self._failure = PoolBroken(
                f"a parser's process does not start (exit code {code}): is slugline[ingest] installed, and is"
                " SLUGLINE_EXTRACT_MEMORY_BYTES large enough?"
            )
            self._ready.set()
            return
        if self._failure is None:
            reason = Refused("parser_died", "the parser's process died over the document, most likely for want of memory")
            await self._replace(reason)

    async def _give_up(self, job: _Job) -> None:
        """Kill the subprocess if it is at this job; what waits behind it is lost and asked for anew."""
        if self._jobs and self._jobs[0] is job:
            await self._renew()
        else:
            job.answer.cancel()

    async def _renew(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        await self._replace(None)

    async def _replace(self, reason: Refused | None) -> None:
        """End the process, tell the jobs, and start the next: `reason` is for the first, which it died of."""
        self.replaced += 1
        self._ready.clear()
        jobs, self._jobs = self._jobs, deque()
        self._idle.set()
        for position, job in enumerate(jobs):
            if not job.answer.done():
                job.answer.set_exception(reason if reason is not None and position == 0 else _Lost())
                job.answer.exception()  # seen: who asked may have left
            job.begun.set()
        await self._kill()
        await self.start()

    async def _kill(self) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await asyncio.shield(process.wait())


async def _frame(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None:
        raise BrokenPipeError
    (length,) = struct.unpack("!I", await process.stdout.readexactly(4))
    if length > _MAX_ANSWER_BYTES:
        raise BrokenPipeError
    return await process.stdout.readexactly(length)


def _read(adapter: TypeAdapter[_Read], answer: bytes) -> _Read:
    if answer.startswith(b'{"ok":'):
        try:
            return adapter.validate_json(answer[6:-1])
        except ValidationError as error:
            raise Refused("parser_failed", f"the parser's answer is not of its form: {error.error_count()} faults") from error
    refused: dict[str, Any] = json.loads(answer)
    reason, detail = refused["refused"]
    raise Refused(str(reason), str(detail))
