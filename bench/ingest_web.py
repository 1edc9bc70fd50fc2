"""A web of recorded outlets on the loopback address, in a process of its own: feeds in four formats, article pages, and what was asked for.

Everything follows from a feed's number, so that a run knows what must come of it. `/-/counts` tells how often each page and feed was asked
for, `/-/show?items=N` lets each feed show N items.
"""

import asyncio
import html
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from random import Random

import uvloop
from aiohttp import web

ALLOWED = "127.0.0.1,*.localhost"
"""What SLUGLINE_FETCH_ALLOW must open."""
_EPOCH = datetime(2026, 1, 5, 6, tzinfo=UTC)
_FORMATS = ("rss", "atom", "json", "rdf")
_SYLLABLES = ["ba", "den", "ko", "lir", "mas", "no", "pel", "ri", "sta", "tu", "van", "wes", "zo", "chan", "dor", "el", "fi", "gra"]
_FAULTS = ("error", "busy", "missing", "gone", "broken", "dropped", "page", "moved")
"""What one feed of 25 each does for ever, one after the other; seven of eight are failures."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the web holds."""

    feeds: int
    hosts: int
    items: int = 1
    """Shown by each feed from the beginning."""
    items_a_second: float = 0.0
    """Shown anew, over all feeds, as time goes by."""
    faults: bool = False

    def host(self, feed: int) -> str:
        """Give the host of a feed and of its pages."""
        return f"outlet-{feed % self.hosts}.localhost"

    def fault(self, feed: int) -> str | None:
        """Give what a feed always does wrong."""
        return _FAULTS[feed // 25 % len(_FAULTS)] if self.faults and feed % 25 == 0 else None

    def shown(self, feed: int, seconds: float, items: int) -> int:
        """Give how many items a feed shows after so many seconds."""
        if not self.items_a_second:
            return items
        every_s = self.feeds / self.items_a_second
        return items + int((seconds + Random(feed).random() * every_s) / every_s)


def page_path(feed: int, item: int) -> str:
    """Give the path of an article's page."""
    return f"/2026/{feed}-{item}-{'-'.join(_words(Random(f'{feed}-{item}'), 4))}.html"


@contextmanager
def recorded_web(plan: Plan) -> Iterator[int]:
    """Serve until the block ends; gives the port."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, plan), daemon=True)
    server.start()
    try:
        yield ours.recv()
    finally:
        server.terminate()
        server.join()


def _serve(port_to: Connection, plan: Plan) -> None:
    uvloop.run(_Web(plan).run(port_to))


class _Web:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.items = plan.items
        self.began = time.monotonic()
        self.pages: Counter[str] = Counter()
        self.feeds: Counter[int] = Counter()

    async def run(self, port_to: Connection) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/-/counts", self.counts),
                web.get("/-/show", self.show),
                web.get(r"/feeds/{feed:\d+}", self.feed),
                web.get(r"/moved/{feed:\d+}", self.feed),
                web.get(r"/2026/{feed:\d+}-{item:\d+}-{slug}.html", self.page),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1_024).start()
        port_to.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    async def counts(self, _: web.Request) -> web.Response:
        return web.json_response({"pages": self.pages, "feeds": self.feeds})

    async def show(self, request: web.Request) -> web.Response:
        self.items = int(request.query["items"])
        return web.Response()

    async def feed(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["feed"])
        self.feeds[number] += 1
        fault = None if request.path.startswith("/moved/") else self.plan.fault(number)
        if fault is not None and (answer := _faulty(fault, number, request)) is not None:
            return answer
        shown = self.plan.shown(number, time.monotonic() - self.began, self.items)
        etag = f'"{number}-{shown}"'
        headers = {"ETag": etag, "Cache-Control": "max-age=60"}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        body, media_type = _document(number, shown, f"http://{request.host}")
        if fault == "broken":
            body = body.replace("</title>", " &nbsp; & </title>", 1) + "<p>Fatal error: too many connections"
        return web.Response(text=body, content_type=media_type, charset="utf-8", headers=headers)

    async def page(self, request: web.Request) -> web.Response:
        feed, item = int(request.match_info["feed"]), int(request.match_info["item"])
        self.pages[request.path] += 1
        if self.plan.faults and (feed + item) % 100 == 0:
            return web.Response(status=403)
        if self.plan.faults and (feed + item) % 100 == 1 and self.pages[request.path] == 1:
            return web.Response(status=503, headers={"Retry-After": "20"})
        return web.Response(text=_page(feed, item), content_type="text/html", charset="utf-8")


def _faulty(fault: str, number: int, request: web.Request) -> web.Response | None:
    if fault == "dropped" and request.transport is not None:
        request.transport.abort()
    if fault == "moved":
        return web.Response(status=301, headers={"Location": f"/moved/{number}"})
    if fault == "page":
        return web.Response(text=_page(number, 0), content_type="text/html")
    status = {"error": 500, "busy": 503, "missing": 404, "gone": 410, "dropped": 500}.get(fault)
    return web.Response(status=status, headers={"Retry-After": "120"} if fault == "busy" else None) if status else None


def _document(number: int, shown: int, base: str) -> tuple[str, str]:
    """Give a feed's document, newest item first, at most 30, and its media type."""
    kind = _FORMATS[number % len(_FORMATS)]
    name = f"Outlet {number}"
    items = [
        (base + page_path(number, item), _title(number, item), _sentence(Random(f"s{number}-{item}")), _EPOCH + timedelta(minutes=item * 7))
        for item in reversed(range(max(0, shown - 30), shown))
    ]
    if kind == "json":
        entries = [
            {"id": url, "url": url, "title": title, "summary": summary, "date_published": at.isoformat()}
            for url, title, summary, at in items
        ]
        document = {"version": "https://jsonfeed.org/version/1.1", "title": name, "home_page_url": base, "items": entries}
        return json.dumps(document), "application/feed+json"
    if kind == "atom":
        inner = "".join(
            f"<entry><id>{url}</id><link href='{url}'/><title>{title}</title><summary>{summary}</summary><updated>{at.isoformat()}</updated></entry>"
            for url, title, summary, at in items
        )
        return f"<feed xmlns='http://www.w3.org/2005/Atom'><title>{name}</title><id>{base}</id>{inner}</feed>", "application/atom+xml"
    inner = "".join(
        f"<item{f' rdf:about={chr(34)}{url}{chr(34)}' if kind == 'rdf' else ''}><link>{url}</link><title>{title}</title>"
        f"<description>{summary}</description>"
        + (
            f"<dc:date>{at.isoformat()}</dc:date></item>"
            if kind == "rdf"
            else f"<guid>{url}</guid><pubDate>{at:%a, %d %b %Y %H:%M:%S} GMT</pubDate></item>"
        )
        for url, title, summary, at in items
    )
    channel = f"<title>{name}</title><link>{base}</link><description>Recorded</description>"
    if kind == "rdf":
        namespaces = "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/' xmlns:dc='http://purl.org/dc/elements/1.1/'"
        return f"<rdf:RDF {namespaces}><channel rdf:about='{base}'>{channel}</channel>{inner}</rdf:RDF>", "application/rdf+xml"
    return f"<rss version='2.0'><channel>{channel}{inner}</channel></rss>", "application/rss+xml"


def _page(feed: int, item: int) -> str:
    chance = Random(f"t{feed}-{item}")
    title, at = _title(feed, item), (_EPOCH + timedelta(minutes=item * 7)).isoformat()
    said = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": title,
        "datePublished": at,
        "author": {"name": "Ada Marsh"},
    }
    paragraphs = "".join(f"<p>{' '.join(_sentence(chance) for _ in range(4))}</p>" for _ in range(6))
    return (
        f"<!DOCTYPE html><html lang='en'><head><title>{html.escape(title)} | Outlet {feed}</title>"
        f"<script type='application/ld+json'>{json.dumps(said)}</script></head><body><nav><a href='/'>Home</a> <a href='/sport'>Sport</a></nav>"
        f"<article><h1>{html.escape(title)}</h1>{paragraphs}</article><footer>All rights reserved</footer></body></html>"
    )


def _title(feed: int, item: int) -> str:
    return " ".join(_words(Random(f"h{feed}-{item}"), 7)).capitalize()


def _sentence(chance: Random) -> str:
    return " ".join(_words(chance, 14)).capitalize() + "."


def _words(chance: Random, count: int) -> list[str]:
    return ["".join(chance.choice(_SYLLABLES) for _ in range(chance.randint(2, 3))) for _ in range(count)]
