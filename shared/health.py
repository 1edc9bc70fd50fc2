"""Health over HTTP: `/live` (the event loop turns), `/ready` (the service does its work) and `/metrics`.

Liveness never fails for a slow dependency: restarting a service does not mend a broker.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.settings import Settings


def running_version() -> str:
    """Give the distribution's version, for health answers."""
    try:
        return version("slugline")
    except PackageNotFoundError:
        return "unknown"


@dataclass(slots=True)
class Readiness:
    """Whether a service does its work. Each part gives None when well, else what it waits for, in words."""

    checks: dict[str, Callable[[], str | None]] = field(default_factory=dict)

    def add(self, name: str, check: Callable[[], str | None]) -> None:
        """Add a part by name."""
        self.checks[name] = check

    def waits(self) -> dict[str, str]:
        """Give the parts that are not well with what each waits for; empty means ready. A service without parts yet is starting."""
        if not self.checks:
            return {"service": "starts"}
        return {name: reason for name, check in self.checks.items() if (reason := check()) is not None}


def application(readiness: Readiness) -> web.Application:
    """Make the health application."""

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"live": True, "version": running_version()})

    async def ready(_: web.Request) -> web.Response:
        waits = readiness.waits()
        return web.json_response({"ready": not waits, "waits": waits, "version": running_version()}, status=503 if waits else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/live", live), web.get("/ready", ready), web.get("/metrics", metrics)])
    return app


async def serve(readiness: Readiness, settings: Settings) -> web.AppRunner | None:
    """Start the health server if a port is set. The caller cleans the runner up."""
    if not settings.health_port:
        return None
    runner = web.AppRunner(application(readiness), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings.health_host, settings.health_port).start()
    return runner
