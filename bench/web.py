"""The web service under load, with many stories in the database and news flowing in: `python -m bench.web`.

It measures, in one run on a Postgres of its own:
- latency of pages, API answers and searches, asked at a fixed rate (it counts from when a request was due, not from when it was sent),
  while articles are written into the same database, beside that of a bare uvicorn handler asked at the same time: what the machine adds;
- a feed's answer from the API against a bare uvicorn handler that sends the same bytes, both asked as fast as they answer;
- the memory of the process with many listeners of its event stream, and how late they hear of a change.
On a machine that does other work too, `chrt -r 1 python -m bench.web` (as root) shows what a quiet one would.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

import asyncpg

from deploy.local.ports import free_ports
from deploy.local.postgres import ADMIN, ROLE, Server
from deploy.local.supervise import Watchdog
from services.publish import schema
from services.publish.config import PublishSettings
from services.publish.signals import notify

FILL = """
INSERT INTO stories (story_id, revision, status, headline, language, article_count, publisher_count, first_published_at, last_published_at,
    pinned, links, rank, source_partition, source_offset, appended_at)
SELECT md5('s' || n)::uuid, 3, 'open', 'Council number ' || n || ' votes on the harbour toll after talks of ' || (n % 37) || ' hours', lang, 4, 3,
    at - interval '2 hours', at, false, '[]', 14000 - n / 500.0, 0, n, at
FROM (SELECT n, (ARRAY['en','en','en','es','de','fr'])[1 + n % 6] AS lang, now() - n * interval '20 seconds' AS at FROM generate_series(1, $1) n) x;
"""
FILL_MEMBERS = """
INSERT INTO story_members (article_id, story_id, number, version, present, wire_group, title, url, publisher_id, publisher_name, published_at,
    fetched_at, story_revision)
SELECT md5('a' || n || '/' || k)::uuid, md5('s' || n)::uuid, k, 1, true, NULL, 'Report ' || k || ' on council ' || n || ' and the harbour toll',
    'https://outlet' || ((n + k) % 200) || '.example/' || n, 'outlet' || ((n + k) % 200) || '.example', 'Outlet ' || ((n + k) % 200),
    now() - n * interval '20 seconds', now(), k
FROM generate_series(1, $1) n, generate_series(1, 4) k;
"""
FILL_ARTICLES = """
INSERT INTO articles (article_id, version, status, url, canonical_url, appearances, publisher_id, publisher_name, title, text, truncated,
    summary, authors, image, language, published_at, fetched_at, content_hash, extraction, appended_at)
SELECT m.article_id, 1, 'published', m.url, m.url, '{}', m.publisher_id, m.publisher_name, m.title,
    CASE WHEN words.told IS NULL THEN '' ELSE 'The council of place ' || s.source_offset || ' voted on the harbour toll. ' || words.told END,
    false, '', '{}', m.url || '/picture.jpg', s.language, m.published_at, m.fetched_at, '', 'full', m.fetched_at
FROM story_members m JOIN stories s USING (story_id)
CROSS JOIN LATERAL (
    SELECT string_agg('word' || (hashint8(s.source_offset * 1000 + k + m.number) & 16383), ' ') AS told
    FROM generate_series(1, CASE WHEN s.source_offset <= $2 THEN 100 ELSE 0 END) k
) words
"""
WITH_TEXT = 7_500
"""Stories, the newest, whose articles have their text still: 110 words each."""
FILL_WORDS = """
INSERT INTO search_words (word, folded)
SELECT word, word FROM (SELECT DISTINCT left(translate(md5('w' || n), '0123456789', 'ghijklmnop'), 5 + n % 5) AS word FROM generate_series(1, 50000) n) w
UNION VALUES ('council', 'council'), ('number', 'number'), ('votes', 'votes'), ('harbour', 'harbour'), ('toll', 'toll'), ('talks', 'talks')
"""
SEARCHES = {
    "common word": "harbour", "two words": "council 5123", "rare word": "word4711", "phrase": '"harbour toll" 77', "misspelt": "harbuor tol", "none": "zeppelin",
}  # fmt: skip
FILL_BRIEFS = """
INSERT INTO story_briefs (story_id, story_revision, sections, corrected, made_by, appended_at, plain)
SELECT md5('s' || n)::uuid, 3, s.sections, false, 'extractive', now(), 'Council ' || n || ' voted on the harbour toll.'
FROM generate_series(1, $1) n, LATERAL (SELECT jsonb_agg(jsonb_build_object('heading', 'What the council of place ' || n || ' decided', 'sentences',
    jsonb_build_array(
        jsonb_build_object('text', 'The council voted after talks of many hours, and the mayor said that the toll comes in spring ' || k || '.',
            'citations', jsonb_build_array(1, 2, 3)),
        jsonb_build_object('text', 'Ferry crews had asked for a later date, which two parties supported until the evening.', 'citations',
            jsonb_build_array(k))))) AS sections FROM generate_series(1, 4) k) s;
"""
FILL_ENTRIES = """
INSERT INTO feed_entries (feed, story_id, rank)
SELECT feed, story_id, rank FROM stories, LATERAL (VALUES ('top'), ('language/' || language)) f (feed)
UNION ALL
SELECT 'publisher/' || m.publisher_id, m.story_id, s.rank FROM story_members m JOIN stories s USING (story_id)
"""
FILL_UPDATES = """
INSERT INTO story_updates (story_id, revision, event_id, reason, status, article_count, publisher_count, articles_added, articles_removed,
    articles_changed, headline, language, first_published_at, last_published_at, actor, source_partition, source_offset, appended_at)
SELECT story_id, r, md5(story_id::text || r)::uuid, 'article_added', 'open', r, r, '{}', '{}', '{}', headline, language, first_published_at,
    last_published_at, '{"kind": "machine"}', 0, source_offset * 3 + r, appended_at
FROM stories, generate_series(1, 3) r
"""
OFFSETS = """
INSERT INTO consumed_offsets (topic, partition, next_offset, first_offset, end_offset, appended_at)
SELECT 'story_updates.v1', 0, max(source_offset) + 1, 0, max(source_offset) + 1, now() FROM story_updates
"""

BARE = """
import sys, urllib.request, uvicorn
body = urllib.request.urlopen(sys.argv[2]).read()
headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="error", lifespan="off")
"""


@dataclass
class Connection:
    """One kept-alive HTTP connection that knows as little as it can."""

    port: int
    reader: asyncio.StreamReader = field(init=False)
    writer: asyncio.StreamWriter = field(init=False)

    async def open(self) -> "Connection":
        """Connect."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        return self

    async def get(self, path: str, *, gzip: bool = True) -> tuple[int, int]:
        """Ask, and give the status and the body's bytes."""
        accept = "Accept-Encoding: gzip\r\n" if gzip else ""
        self.writer.write(f"GET {path.partition('#')[0]} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{accept}\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")))
        await self.reader.readexactly(length)
        return int(head[9:12]), length


async def at_rate(port: int, rate: float, seconds: float, paths: Sequence[str], connections: int) -> dict[str, list[float]]:
    """Ask `paths` in turn at a fixed rate; gives seconds from due to answered, by kind of path."""
    took: dict[str, list[float]] = {}
    pool: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        pool.put_nowait(await Connection(port).open())

    async def one(path: str, due: float) -> None:
        connection = await pool.get()
        status, _ = await connection.get(path)
        took.setdefault(kind(path) if status == 200 else f"{kind(path)} {status}", []).append(time.perf_counter() - due)
        pool.put_nowait(connection)

    began, tasks = time.perf_counter(), []
    for index in range(int(rate * seconds)):
        due = began + index / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(paths[index % len(paths)], due)))
    await asyncio.gather(*tasks)
    return took


def kind(path: str) -> str:
    """Name what a path is."""
    if "#" in path:
        return "search: " + path.partition("#")[2]
    head = path.partition("?")[0].split("/")
    return "/".join(head[:2]) if head[1] != "api" else "/".join(head[:3])


async def saturate(port: int, path: str, seconds: float, connections: int, *, gzip: bool) -> float:
    """Ask as fast as it answers; gives requests a second."""
    end, count = time.perf_counter() + seconds, 0

    async def one() -> None:
        nonlocal count
        connection = await Connection(port).open()
        while time.perf_counter() < end:
            await connection.get(path, gzip=gzip)
            count += 1

    await asyncio.gather(*(one() for _ in range(connections)))
    return count / seconds


def rss_mb(pid: int) -> float:
    """Give a process' resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> float:
    """Give the seconds of CPU that a process has used: what it needs, however busy the machine is otherwise."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def write_news(url: str, rate: float, stories: int, stop: asyncio.Event) -> None:
    """Write `rate` articles a second as the materialiser would: article, member, story, update, entries, signal; ten in one transaction."""
    connection = await asyncpg.connect(url)
    offset = await connection.fetchval("SELECT next_offset FROM consumed_offsets")
    random_ = random.Random(1)
    while not stop.is_set():
        began = time.perf_counter()
        ids = await connection.fetch(
            "SELECT story_id FROM stories WHERE story_id = ANY ($1::uuid[])", [_story(random_, stories) for _ in range(10)]
        )
        async with connection.transaction():
            for row in ids:
                story_id = row["story_id"]
                revision = await connection.fetchval(
                    "UPDATE stories SET revision = revision + 1, article_count = article_count + 1, rank = rank + 0.01, appended_at = now()"
                    " WHERE story_id = $1 RETURNING revision",
                    story_id,
                )
                await connection.execute(
                    "INSERT INTO story_members SELECT gen_random_uuid(), story_id, $2 + 1000, 1, true, NULL, title, url, publisher_id,"
                    " publisher_name, now(), now(), $2 FROM story_members WHERE story_id = $1 AND number = 1",
                    story_id,
                    revision,
                )
                await connection.execute(
                    "INSERT INTO articles (article_id, version, status, url, canonical_url, appearances, publisher_id, publisher_name, title,"
                    " text, truncated, summary, authors, language, published_at, fetched_at, content_hash, extraction, appended_at)"
                    " SELECT m.article_id, 1, 'published', m.url, m.url, '{}', m.publisher_id, m.publisher_name, m.title, t.text, false, '', '{}',"
                    " t.language, now(), now(), '', 'full', now() FROM story_members m, articles t"
                    " WHERE m.story_id = $1 AND m.number = $2 + 1000 AND t.article_id = md5('a' || 1 + $2 * 7 % 1000 || '/1')::uuid",
                    story_id,
                    revision,
                )
                await connection.execute("UPDATE feed_entries SET rank = rank + 0.01 WHERE story_id = $1", story_id)
                await connection.execute(
                    "INSERT INTO story_updates SELECT story_id, $2, gen_random_uuid(), reason, status, $2, $2, '{}', '{}', '{}', headline, language,"
                    " first_published_at, last_published_at, NULL, NULL, actor, 0, $3, now() FROM story_updates WHERE story_id = $1 AND revision = 1",
                    story_id,
                    revision,
                    offset,
                )
                offset += 1
            await connection.execute("UPDATE consumed_offsets SET next_offset = $1, end_offset = $1, appended_at = now()", offset)
            await notify(connection, [row["story_id"] for row in ids])
        await asyncio.sleep(max(0.0, 10 / rate - (time.perf_counter() - began)))
    await connection.close()


def _story(random_: random.Random, stories: int) -> str:
    return hashlib.md5(f"s{random_.randint(1, stories)}".encode(), usedforsecurity=False).hexdigest()


@contextlib.asynccontextmanager
async def database(stories: int) -> AsyncIterator[str]:
    """Give a database of its own with many stories."""
    watchdog, folder = Watchdog(), Path(tempfile.mkdtemp(prefix="slugline-bench-"))
    [port] = free_ports(1)
    server = Server(folder, port, watchdog)
    server.prepare()
    await server.start()
    try:
        admin = await asyncpg.connect(server.url("postgres", ADMIN))
        await admin.execute(f"CREATE DATABASE bench OWNER {ROLE} TEMPLATE template0")
        await admin.close()
        url = server.url("bench")
        await schema.migrate(PublishSettings(database_url=url))
        connection = await asyncpg.connect(url)
        for statement in (FILL, FILL_MEMBERS, FILL_BRIEFS):
            await connection.execute(statement.replace("$1", str(stories)))
        for statement in (FILL_ARTICLES.replace("$2", str(WITH_TEXT)), FILL_WORDS, FILL_ENTRIES, FILL_UPDATES, OFFSETS, "ANALYZE"):
            await connection.execute(statement)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        yield url
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
        watchdog.close()


@contextlib.contextmanager
def process(arguments: list[str], port: int, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends."""
    running = subprocess.Popen([sys.executable, *arguments], env={**os.environ, **(environment or {})}, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1).read()
                break
            time.sleep(0.1)
        yield running
    finally:
        running.terminate()
        running.wait(20)


class Ear(asyncio.Protocol):
    """A listener of the stream that knows as little as it can: when it stood, and how many events came when."""

    def __init__(self, stands: Callable[[], None], heard: list[float]) -> None:
        """Call `stands` at the first id, and note each event's time in `heard`."""
        self._stands: Callable[[], None] | None = stands
        self._heard = heard

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast("asyncio.Transport", transport).write(b"GET /api/stream?feed=top HTTP/1.1\r\nHost: x\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        """Count. An event that comes in two pieces counts by the one that has its name."""
        if self._stands is not None and b"id: " in data:
            self._stands()
            self._stands = None
        self._heard.extend([time.time()] * data.count(b"event: story"))


async def listen(port: int, count: int, heard: list[float]) -> list[asyncio.BaseTransport]:
    """Open `count` streams, wait until all stand, and give them."""
    standing, ready = 0, asyncio.Event()

    def stands() -> None:
        nonlocal standing
        standing += 1
        if standing == count:
            ready.set()

    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(lambda: Ear(stands, heard), "127.0.0.1", port))[0] for _ in range(count)]
    await asyncio.wait_for(ready.wait(), 60)
    return cast("list[asyncio.BaseTransport]", opened)


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """Run all of it."""
    told: dict[str, object] = {"stories": options.stories, "rate": options.rate, "articles_s": options.articles}
    async with database(options.stories) as url:
        port, bare_port = free_ports(2)
        environment = {
            "SLUGLINE_DATABASE_URL": url, "SLUGLINE_WEB_PORT": str(port), "SLUGLINE_RATE_PER_CLIENT_S": "1000000",
            "SLUGLINE_RATE_BURST": "1000000", "SLUGLINE_STREAM_LISTENERS_PER_CLIENT": "100000", "SLUGLINE_STREAM_LISTENERS": "100000",
        }  # fmt: skip
        with process(["-m", "services.publish.web"], port, environment) as web:
            random_ = random.Random(2)
            paths = []
            for _ in range(500):
                story = _story(random_, options.stories)
                paths += [
                    "/",
                    "/api/feeds/top",
                    f"/stories/{story}",
                    f"/api/stories/{story}",
                    "/api/feeds/language/es",
                    f"/feeds/publisher/outlet{random_.randint(0, 199)}.example".replace("/feeds/publisher/", "/publishers/"),
                ]
            random_.shuffle(paths)
            searches = [f"/search?{urlencode({'q': asked})}#{name}" for name, asked in SEARCHES.items()]
            await at_rate(port, 50, 3, paths, 16)
            _, told["feed_bytes"] = await (await Connection(port).open()).get("/api/feeds/top", gzip=False)
            bare = ["-c", BARE, str(bare_port), f"http://127.0.0.1:{port}/api/feeds/top"]
            with process(bare, bare_port) as bare_process:
                stop = asyncio.Event()
                writing = asyncio.create_task(write_news(url, options.articles, options.stories, stop))
                used_s = cpu_s(web.pid)
                took, searched, floor = await asyncio.gather(
                    at_rate(port, options.rate, options.seconds, paths, 64),
                    at_rate(port, options.searches, options.seconds, searches, 8),
                    at_rate(bare_port, options.rate / 4, options.seconds, ["/"], 8),
                )
                told["web_cpu_ms_a_request"] = round((cpu_s(web.pid) - used_s) * 1000 / (options.rate * options.seconds), 2)
                stop.set()
                await writing
                everything = [seconds for found in took.values() for seconds in found]
                told["latency_ms"] = {name: spread(found) for name, found in sorted({**took, "all": everything}.items())}
                told["search_ms"] = {name: spread(found) for name, found in sorted(searched.items())}
                told["bare_ms"] = spread(floor["/"])
                rounds = []
                for _ in range(3):
                    bare_rps = await saturate(bare_port, "/", 3, 16, gzip=False)
                    rounds.append((await saturate(port, "/api/feeds/top", 3, 16, gzip=False), bare_rps))
                told["feed_rps"] = round(statistics.median(ours for ours, _ in rounds))
                told["bare_rps"] = round(statistics.median(bare_rps for _, bare_rps in rounds))
                told["ratio_to_bare"] = round(statistics.median(ours / bare_rps for ours, bare_rps in rounds), 2)
                spent = {}
                for name, pid, address in (("ours", web.pid, (port, "/api/feeds/top")), ("bare", bare_process.pid, (bare_port, "/"))):
                    used_s, asked_s = cpu_s(pid), 4
                    asked = await saturate(*address, asked_s, 4, gzip=False) * asked_s
                    spent[name] = (cpu_s(pid) - used_s) * 1000 / asked
                told["cpu_ms_a_feed"] = {name: round(ms, 4) for name, ms in spent.items()}
                told["ratio_to_bare_by_cpu"] = round(spent["bare"] / spent["ours"], 2)
            before = rss_mb(web.pid)
            heard: list[float] = []
            ears = await listen(port, options.listeners, heard)
            told["rss_mb"] = {"before": round(before), "with_listeners": round(rss_mb(web.pid)), "listeners": options.listeners}
            stop = asyncio.Event()
            sent = time.time()
            writing = asyncio.create_task(write_news(url, 10, options.stories, stop))
            for _ in range(200):
                if len(heard) >= options.listeners:
                    break
                await asyncio.sleep(0.05)
            stop.set()
            await writing
            told["stream"] = {"events_heard": len(heard), "after_ms": spread([at - sent for at in heard[: options.listeners]])}
            told["rss_mb"]["after_events"] = round(rss_mb(web.pid))  # type: ignore[index]
            stop = asyncio.Event()
            writing = asyncio.create_task(write_news(url, options.articles, options.stories, stop))
            used_s = cpu_s(web.pid)
            took = await at_rate(port, options.rate / 6, options.seconds / 2, paths, 32)
            told["pages_beside_listeners"] = {
                "latency_ms": spread([seconds for found in took.values() for seconds in found]),
                "cpu": round((cpu_s(web.pid) - used_s) / (options.seconds / 2), 2),
            }
            stop.set()
            await writing
            for ear in ears:
                ear.close()
    return told


def spread(seconds: list[float]) -> dict[str, float]:
    """Give count, median, p99 and the worst in milliseconds."""
    ordered = sorted(seconds)

    def at(part: float) -> float:
        return round(ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1000, 1)

    return {"n": len(ordered), "p50": at(0.5), "p99": at(0.99), "max": at(1.0)}


def main() -> None:
    """Print what was measured as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stories", type=int, default=100_000)
    arguments.add_argument("--rate", type=float, default=300)
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--articles", type=float, default=100)
    arguments.add_argument("--searches", type=float, default=5, help="a second, beside the rate")
    arguments.add_argument("--listeners", type=int, default=1_000)
    print(json.dumps(asyncio.run(measure(arguments.parse_args())), indent=2))


if __name__ == "__main__":
    main()
