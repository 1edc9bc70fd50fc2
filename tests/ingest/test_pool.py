"""A document that holds a parser for too long, or needs too much, costs a subprocess and nothing else."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.ingest.config import IngestSettings
from services.ingest.extraction.extract import extract
from services.ingest.extraction.pool import ExtractorPool, PoolBroken
from services.ingest.feeds import parse_feed
from services.ingest.sizes import MIB
from shared.errors import Refused

PAGE = (Path(__file__).parent / "corpus" / "pages" / "json_ld.html").read_bytes()
FEED = (Path(__file__).parent / "corpus" / "feeds" / "rss20_plain.xml").read_bytes()
URL = "https://www.harbour.example/news/ferry-aground"
NOW = datetime(2025, 5, 7, 12, tzinfo=UTC)
SLOW = b"<rss><channel>" + b"<item><title>x</title></item>" * 300_000
"""Nothing hostile, only much: seconds of work."""


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[ExtractorPool]:
    async with ExtractorPool(IngestSettings(extract_workers=1, parse_timeout_s=1.0, extract_timeout_s=20.0)) as pool:
        yield pool


def children() -> set[int]:
    """Give the parsers among this process's children; the session's broker and database are others."""
    pids = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in pids if b"extraction.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()}


async def until(holds: Callable[[], bool], limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not holds():
            await asyncio.sleep(0.01)


async def reads_on(pool: ExtractorPool) -> None:
    """Read what is in order: the pool still does."""
    assert (await pool.extract(PAGE, url=URL, content_type="text/html", now=NOW)).title == "Ferry runs aground off Skarholm"


async def test_what_the_pool_gives_is_what_the_parsers_give(pool: ExtractorPool) -> None:
    """Nothing is lost on the way between the processes."""
    assert await pool.extract(PAGE, url=URL, content_type="text/html", now=NOW) == extract(PAGE, url=URL, content_type="text/html", now=NOW)
    assert await pool.parse_feed(FEED, url=URL, content_type=None, now=NOW) == parse_feed(FEED, url=URL, content_type=None, now=NOW)


async def test_refusals_keep_their_reason(pool: ExtractorPool) -> None:
    """As if they were raised here."""
    with pytest.raises(Refused, match="not_html: "):
        await pool.extract(b"%PDF-1.7", url=URL, content_type="text/html")
    with pytest.raises(Refused, match="not_a_feed: "):
        await pool.parse_feed(b"<svg/>", url=URL, content_type=None)
    with pytest.raises(Refused, match="too_large: "):
        await pool.extract(b"x" * (4 * MIB + 1), url=URL, content_type=None)


async def test_feeds_of_a_page_are_found(pool: ExtractorPool) -> None:
    """Hostile pages are searched in the subprocess too."""
    page = b'<html><head><link rel="alternate" type="application/atom+xml" href="/atom.xml" title="All"></head></html>'
    assert [link.url for link in await pool.discover(page, url=URL, content_type=None)] == ["https://www.harbour.example/atom.xml"]


async def test_a_document_that_takes_too_long_is_given_up(pool: ExtractorPool) -> None:
    """The subprocess is killed and the next document finds a new one."""
    before, replaced = children(), pool.replaced
    with pytest.raises(Refused, match="too_slow: "):
        await pool.parse_feed(SLOW, url=URL, content_type=None)
    assert pool.replaced == replaced + 1
    await reads_on(pool)
    assert not before & children()


async def test_a_killed_subprocess_costs_one_document(pool: ExtractorPool) -> None:
    """Whatever killed it."""
    (child,) = children()
    reading = asyncio.create_task(pool.parse_feed(SLOW, url=URL, content_type=None))
    await until(lambda: _is_busy(child))
    os.kill(child, signal.SIGKILL)
    with pytest.raises(Refused, match="parser_died: "):
        await reading
    await reads_on(pool)


async def test_who_is_cancelled_leaves_no_answer_behind(pool: ExtractorPool) -> None:
    """The next document gets its own answer."""
    (child,) = children()
    reading = asyncio.create_task(pool.parse_feed(SLOW, url=URL, content_type=None))
    await until(lambda: _is_busy(child))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await reads_on(pool)


def environment(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


def _is_busy(process: int) -> bool:
    return _state(process) == "R"


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]


async def test_a_document_that_needs_too_much_memory_is_given_up() -> None:
    """The address space is limited, and the pool reads on."""
    settings = IngestSettings(extract_workers=1, extract_memory_bytes=340 * MIB, feed_max_bytes=64 * MIB)
    feed = b'<rss version="2.0"><channel>' + b"<item><title>x</title></item>" * 300_000 + b"</channel></rss>"
    async with ExtractorPool(settings) as pool:
        with pytest.raises(Refused) as refused:
            await pool.parse_feed(feed, url=URL, content_type=None)
        assert refused.value.reason in ("too_much_memory", "parser_died")
        await reads_on(pool)


async def test_subprocesses_are_renewed() -> None:
    """Parsers leak: after so many documents a fresh one takes over."""
    others = children()
    async with ExtractorPool(IngestSettings(extract_workers=1, extract_recycle_after=2)) as pool:
        first = children() - others
        for _ in range(3):
            await reads_on(pool)
        assert pool.replaced == 1
        assert not first & children()


async def test_nothing_is_left_behind() -> None:
    """Closing ends the subprocesses, busy or not."""
    before = children()
    async with ExtractorPool(IngestSettings(extract_workers=2), warm_up=False):
        assert len(children() - before) == 2
    assert children() == before


HOLDER = """
import asyncio
from services.ingest.config import IngestSettings
from services.ingest.extraction.pool import ExtractorPool

async def main():
    async with ExtractorPool(IngestSettings(extract_workers=1), warm_up=False) as pool:
        reading = asyncio.create_task(pool.parse_feed(b"<rss><channel>" + b"<item><title>x</title></item>" * 300_000, url="", content_type=None))
        print(pool._workers[0]._process.pid, flush=True)
        await reading

asyncio.run(main())
"""


async def test_a_killed_service_leaves_no_subprocess() -> None:
    """Not even a busy one, which would not notice the end of its pipe."""
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDER, stdout=asyncio.subprocess.PIPE)
    assert holder.stdout is not None
    child = int(await holder.stdout.readline())
    holder.kill()
    await holder.wait()
    await until(lambda: not Path(f"/proc/{child}").exists() or _state(child) == "Z")


async def test_a_pool_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation at fault is no document's fault."""
    monkeypatch.setattr("services.ingest.extraction.pool.sys.executable", "/bin/false")
    pool = ExtractorPool(IngestSettings(extract_workers=1))
    with pytest.raises(PoolBroken, match="does not start"):
        await pool.start()
    await pool.close()


async def test_a_start_need_not_wait_for_the_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service takes its partitions meanwhile: its first document waits, and readiness says for what, or why in vain."""
    async with ExtractorPool(IngestSettings(extract_workers=1), warm_up=False, wait=False) as pool:
        assert pool.waits() == "a parser's process reads its libraries"
        await reads_on(pool)
        assert pool.waits() is None
    monkeypatch.setattr("services.ingest.extraction.pool.sys.executable", "/bin/false")
    async with ExtractorPool(IngestSettings(extract_workers=1), wait=False) as pool:
        with pytest.raises(PoolBroken, match="does not start"):
            await reads_on(pool)
        assert "does not start" in (pool.waits() or "")


async def test_a_subprocess_knows_no_secrets(pool: ExtractorPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is bare: what breaks a parser finds no password there."""
    monkeypatch.setenv("SLUGLINE_DATABASE_URL", "postgresql://user:geheim@db/slugline")
    async with ExtractorPool(IngestSettings(extract_workers=1), warm_up=False):
        environments = [environment(child) for child in children()]
    assert environments
    assert not any(b"geheim" in environment for environment in environments)
