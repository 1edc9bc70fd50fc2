"""HTTP over the edition: which outlet a request's Host means, and what its path answers now."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil

from aiohttp import web

from deploy.recorded_web import render
from deploy.recorded_web.content import FeedPlan, Outlet, PageKind
from deploy.recorded_web.edition import HOST_SUFFIX, MOBILE_PREFIX, Address, Edition, Status
from deploy.recorded_web.expected import expected

HUGE_PAGE_BYTES = 5_300_000
"""Above the 5 MB of text that a fetcher can be expected to bear, below what would burden a laptop."""
RETRY_AFTER_S = 10
"""What an unavailable outlet asks for at most, so that it comes back while a visitor looks on."""
LOOP_STEP = "step"
KEPT = 500
"""Rendered pages and feeds kept, some 8 KB each."""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything a handler needs."""

    edition: Edition
    now: Callable[[], datetime]
    drip_interval_s: float
    kept: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """What was rendered, by URL and stage of its outlet: a feed is polled far more often than it changes."""

    def position(self) -> timedelta:
        """Give how far the play is."""
        return self.edition.play.position(self.now())

    def rendered(self, outlet: Outlet, url: str, position: timedelta, render_now: Callable[[], bytes]) -> bytes:
        """Give a page or feed of an outlet as it is now, rendered only if the outlet changed since the last time."""
        key = (url, self.edition.stage(outlet, position))
        body = self.kept.get(key)
        if body is None:
            if len(self.kept) >= KEPT:
                self.kept.clear()
            body = self.kept[key] = render_now()
        return body


SITE = web.AppKey("SITE", Site)


def application(edition: Edition, now: Callable[[], datetime], *, drip_interval_s: float = 1.0) -> web.Application:
    """Make the application: every host and path goes through one handler."""
    app = web.Application()
    app[SITE] = Site(edition, now, drip_interval_s)
    app.router.add_route("*", "/{path:.*}", _answer)
    return app


async def _answer(request: web.Request) -> web.StreamResponse:
    if request.method not in {"GET", "HEAD"}:
        return web.Response(status=405, headers={"Allow": "GET, HEAD"})
    site = request.app[SITE]
    host = request.host.rsplit(":", 1)[0].lower().rstrip(".")
    if not host.endswith(HOST_SUFFIX):
        return _plain_host(request, site)
    name = host.removesuffix(HOST_SUFFIX)
    try:
        outlet = site.edition.content.outlet(name.removeprefix(MOBILE_PREFIX))
    except KeyError:
        return web.Response(status=404, text=f"There is no outlet at {host}.\n")
    if site.position() < outlet.unavailable_until:
        return _unavailable(site, outlet)
    return await _outlet(request, site, outlet, name)


def _plain_host(request: web.Request, site: Site) -> web.Response:
    """Answer for the recorded web itself, at the address without an outlet's name."""
    match request.path:
        case "/":
            return _html(render.index(site.edition, site.now()))
        case "/live":
            return web.json_response({"live": True, "second": round(site.position().total_seconds(), 3)})
        case "/feeds.opml":
            return _conditional(request, render.opml(site.edition), "text/x-opml", site.edition.play.epoch)
        case "/expected.json":
            return _conditional(request, json.dumps(expected(site.edition), indent=1).encode(), "application/json", site.edition.play.epoch)
        case _:
            return web.Response(status=404, text="There is no such page. Outlets are listed at /.\n")


async def _outlet(request: web.Request, site: Site, outlet: Outlet, host: str) -> web.StreamResponse:
    edition, position, path = site.edition, site.position(), request.path
    address = edition.addresses.get((host, path))
    if address is not None:
        return await _article(request, site, address)
    if (host, f"{path}/") in edition.addresses:
        raise web.HTTPMovedPermanently(f"{path}/")
    if host != outlet.name:
        raise web.HTTPMovedPermanently(edition.origin(outlet.name) + request.path_qs)
    feed = next((plan for plan in outlet.feeds if plan.path == path), None)
    if feed is not None:
        return _feed(request, site, outlet, feed)
    if path == "/":
        return _html(render.front(edition, outlet, edition.online(outlet, position)))
    if path == "/robots.txt":
        return _conditional(request, render.robots(edition, outlet), "text/plain", edition.play.epoch, max_age_s=3600)
    if path == "/sitemap-news.xml":
        pages = edition.online(outlet, position)
        return _conditional(request, render.sitemap(outlet, pages), "application/xml", edition.changed_at(outlet, position))
    if path.startswith("/images/"):
        return _conditional(request, render.image(path, outlet.colour), "image/svg+xml", edition.play.epoch, max_age_s=86_400)
    if (section := path.removeprefix("/section/")) in render.sections(edition, outlet):
        return _html(render.front(edition, outlet, edition.online(outlet, position, section), section.capitalize()))
    return _html(render.message(outlet, "not_found"), status=404)


def _feed(request: web.Request, site: Site, outlet: Outlet, feed: FeedPlan) -> web.Response:
    edition, position = site.edition, site.position()
    changed_at = edition.changed_at(outlet, position)

    def rendered() -> bytes:
        return render.feed(edition, outlet, feed, edition.online(outlet, position, feed.section), changed_at)

    body = site.rendered(outlet, edition.feed_url(outlet, feed), position, rendered)
    return _conditional(request, body, render.MEDIA_TYPES[feed.format], changed_at, max_age_s=render.MAX_AGE_S)


async def _article(request: web.Request, site: Site, address: Address) -> web.StreamResponse:
    edition, position = site.edition, site.position()
    outlet, plan = address.outlet, address.plan
    match edition.status(plan, position):
        case Status.UPCOMING:
            return _html(render.message(outlet, "not_found"), status=404)
        case Status.WITHDRAWN:
            assert plan.withdrawn is not None
            return _html(render.message(outlet, "gone", plan.withdrawn.reason), status=410)
        case Status.ONLINE:
            pass
    if plan.page is PageKind.LOOP:
        step = int(request.query.get(LOOP_STEP) != "1")
        raise web.HTTPFound(f"{request.path}?{LOOP_STEP}={step}", headers={"Cache-Control": "no-store"})
    padding = HUGE_PAGE_BYTES if plan.page is PageKind.HUGE else 0

    def article() -> bytes:
        page = edition.page(address.story, plan, position)
        return render.article(edition, page, edition.online(outlet, position), address.variant, padding=padding)

    if plan.page is PageKind.HUGE:
        return _html(article())
    body = site.rendered(outlet, edition.url(plan, address.variant), position, article)
    if plan.page is PageKind.ENDLESS:
        return await _endless(request, body, site.drip_interval_s)
    return _conditional(request, body, "text/html", edition.changed_at(outlet, position), max_age_s=render.MAX_AGE_S)


async def _endless(request: web.Request, body: bytes, interval_s: float) -> web.StreamResponse:
    """Send the page up to its end, then a little now and then until the reader leaves."""
    response = web.StreamResponse(headers={"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"})
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    await response.write(body.partition(b"</body>")[0])
    number = 0
    with contextlib.suppress(ConnectionResetError):  # the reader has left
        while True:
            number += 1
            await response.write(f"<p>The ticker goes on, line {number}.</p>\n".encode())
            await asyncio.sleep(interval_s)
    return response


def _unavailable(site: Site, outlet: Outlet) -> web.Response:
    wait_s = site.edition.play.until(outlet.unavailable_until, site.now()).total_seconds()
    response = _html(render.message(outlet, "unavailable"), status=503)
    response.headers["Retry-After"] = str(max(1, min(RETRY_AFTER_S, ceil(wait_s))))
    return response


def _html(body: bytes, status: int = 200) -> web.Response:
    response = web.Response(body=body, status=status, content_type="text/html", charset="utf-8")
    response.headers["Cache-Control"] = "no-cache"
    return response


def _conditional(request: web.Request, body: bytes, media_type: str, changed_at: datetime, *, max_age_s: int = 60) -> web.Response:
    """Answer with the body, compressed where the reader takes that, or with 304 where he has it (RFC 9110)."""
    tag = hashlib.sha256(body).hexdigest()[:20]
    headers = {
        "ETag": f'W/"{tag}"',
        "Last-Modified": format_datetime(changed_at.astimezone(UTC), usegmt=True),
        "Cache-Control": f"max-age={max_age_s}",
        "Vary": "Accept-Encoding",
    }
    if _is_known(request, tag, changed_at):
        return web.Response(status=304, headers=headers)
    response = web.Response(body=body, content_type=media_type, charset="utf-8", headers=headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        response.enable_compression(web.ContentCoding.gzip)
    return response


def _is_known(request: web.Request, tag: str, changed_at: datetime) -> bool:
    """Tell whether the reader's copy is current; If-None-Match goes before If-Modified-Since."""
    known = request.if_none_match
    if known is not None:
        return any(entry.value in {tag, "*"} for entry in known)
    since = request.if_modified_since
    return since is not None and changed_at <= since
