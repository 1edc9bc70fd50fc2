"""The web service: only wiring."""

import asyncio
import contextlib
import gc
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, Histogram, generate_latest
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from services.publish.web import api, pages
from services.publish.web.config import WebSettings
from services.publish.web.connection import BoundedConnection
from services.publish.web.database import Connections
from services.publish.web.deliver import Deliver
from services.publish.web.fanout import Fanout
from services.publish.web.limits import RateLimit
from services.publish.web.metrics import HTTP
from services.publish.web.problems import FAILED, Problem, ProblemRaised, ProblemResponse
from services.publish.web.site import Site
from shared import health
from shared.errors import Unreachable
from shared.health import Readiness, running_version
from shared.logs import get_logger

LOOK_S = 2.0
"""How often the service looks whether the database is well and how old its rows are."""
RETRY_AFTER_S = 5
UNACKNOWLEDGED_MS = 60_000
"""A connection whose peer acknowledges nothing for so long is dropped by the kernel."""

_SAID = {
    404: ("Not found", "There is nothing here", ["The address may be mistyped, or what was here is no longer kept."]),
    405: ("Not allowed", "This page can only be read", []),
    500: ("Our fault", "This page failed", ["Something went wrong here, and it is noted. Other pages work."]),
}
_SAID_TO_PROGRAMS = {
    "Not Found": "There is nothing at this address; /api/openapi.json says what there is.",
    "Method Not Allowed": "This address does not take this method; the Allow header says which ones it takes.",
}


def create_site(settings: WebSettings) -> Site:
    """Make the parts; nothing connects."""
    connections = Connections(settings)
    fanout = Fanout(
        connect=connections.listening,
        pool=connections.pool,
        pending_events=settings.stream_pending_events,
        poll_s=settings.stream_poll_s,
        heartbeat_s=settings.stream_heartbeat_s,
    )
    return Site(settings, connections, fanout, now=lambda: datetime.now(UTC), clock=time.monotonic)


def create_app(site: Site) -> ASGIApp:
    """Make the application, with its delivery around it."""
    app = FastAPI(
        title="Slugline",
        version=running_version(),
        description="Stories: one event, told once, from every outlet that covered it.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,
    )
    app.include_router(pages.router(site))
    app.include_router(api.router(site))
    _health_routes(app, site)
    _error_answers(app, site)
    _describe(app)
    settings = site.settings
    return Deliver(
        app,
        generation=lambda: site.fanout.generation,
        limit=RateLimit(settings.rate_per_client_s, settings.rate_burst, settings.rate_clients),
        origins=settings.cors_origins,
        picture_sources=settings.picture_sources,
        keep_bytes=settings.page_cache_bytes,
        keep_s=settings.page_cache_s,
        observe=_observer(),
    )


def _observer() -> Callable[[str, int, float], None]:
    @cache
    def series(route: str, status: int) -> Histogram:
        return HTTP.labels(route, str(status))

    return lambda route, status, seconds: series(route, status).observe(seconds)


def _health_routes(app: FastAPI, site: Site) -> None:
    @app.get("/live", include_in_schema=False)
    async def live() -> dict[str, object]:
        return {"live": True, "version": running_version()}

    @app.get("/ready", include_in_schema=False)
    async def ready() -> Response:
        told = to_json({"ready": not site.waits, "waits": site.waits, "version": running_version()})
        headers = {"Cache-Control": "no-store"}
        return Response(told, status_code=503 if site.waits else 200, media_type="application/json", headers=headers)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


def _error_answers(app: FastAPI, site: Site) -> None:
    def answer(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
        if _for_programs(request):
            return ProblemResponse(status, _SAID_TO_PROGRAMS.get(detail, detail), headers)
        path: str = request.scope["path"]
        if status == 404 and request.method == "GET" and path.endswith("/"):  # quoted, or a backslash would lead to another host
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse("/" + quote(path.strip("/")) + query, status_code=308)
        kicker, heading, paragraphs = _SAID.get(status, (str(status), "This did not work", []))
        said = [detail] if detail and detail not in _SAID_TO_PROGRAMS else []
        page = pages.message(site, request, status, heading, said or paragraphs, kicker=kicker)
        page.headers.update({"Cache-Control": "no-store", **(headers or {})})
        return page

    @app.exception_handler(ProblemRaised)
    async def on_problem(request: Request, error: ProblemRaised) -> Response:
        return answer(request, error.status, error.detail, error.headers)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        return answer(request, error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        faults = "; ".join(f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5])
        return answer(request, 422, faults)

    @app.exception_handler(Exception)
    async def on_fault(request: Request, _error: Exception) -> Response:
        return answer(request, 500, FAILED if _for_programs(request) else "")

    @app.exception_handler(Unreachable)
    async def on_away(request: Request, error: Unreachable) -> Response:
        get_logger().debug("database_away", path=request.url.path, error=str(error))
        headers = {"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"}
        if _for_programs(request):
            return ProblemResponse(503, "The database does not answer at the moment. Try again in a few seconds.", headers)
        page = pages.message(
            site,
            request,
            503,
            "We will be right back",
            ["The stories can’t be read at the moment. Nothing is lost; this page works again as soon as the database answers."],
            kicker="One moment",
            ways=((request.url.path, "Try again"),),
        )
        page.headers.update(headers)
        return page


def _for_programs(request: Request) -> bool:
    return request.url.path == "/api" or request.url.path.startswith("/api/")


def _describe(app: FastAPI) -> None:
    """Add what FastAPI does not describe by itself: the shape of problems."""
    original = app.openapi

    def described() -> dict[str, Any]:
        schema = original()
        schema["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return schema

    app.openapi = described  # type: ignore[method-assign] # FastAPI's documented way to extend the schema


class _Server(uvicorn.Server):
    """A server whose stop is decided outside."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to who runs the service."""
        yield


def listening_socket(settings: WebSettings) -> socket.socket:
    """Open the port."""
    family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    opened.bind((settings.web_host, settings.web_port))
    opened.listen(settings.web_backlog_connections)
    opened.setblocking(False)
    return opened


async def run(settings: WebSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; then end streams, let requests under way end, and return."""
    site = create_site(settings)
    log = get_logger()
    opened = listening_socket(settings)
    server = _Server(
        uvicorn.Config(
            create_app(site),
            log_config=None,
            access_log=False,
            http=BoundedConnection,
            lifespan="off",
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=settings.web_proxies,
            backlog=settings.web_backlog_connections,
            timeout_graceful_shutdown=max(1, int(settings.drain_s)),
        )
    )
    readiness = Readiness()
    readiness.add("web", lambda: "; ".join(f"{part}: {words}" for part, words in site.waits.items()) or None)
    runner = await health.serve(readiness, settings)
    site.waits = {"database": "not looked at yet"}
    gc.collect()
    gc.freeze()  # what the start made stays: no later collection walks it while a reader waits
    host, port = opened.getsockname()[:2]
    log.info("web_started", host=host, port=port)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(site.fanout.run(stop))
            tasks.create_task(_look(site, stop))
            tasks.create_task(server.serve(sockets=[opened]))
            await stop.wait()
            server.should_exit = True
    finally:
        await site.connections.close()
        if runner is not None:
            await runner.cleanup()
    log.info("web_stopped")


async def _look(site: Site, stop: asyncio.Event) -> None:
    log = get_logger()
    away_since: float | None = None
    while not stop.is_set():
        await site.look()
        waits = site.waits.get("database")
        if waits is not None and away_since is None:
            away_since = time.monotonic()
            log.warning("database_unreachable", error=waits, then="readers are told so, until it answers")
        elif waits is None and away_since is not None:
            log.info("database_answers", after_s=round(time.monotonic() - away_since, 1))
            away_since = None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_S)
