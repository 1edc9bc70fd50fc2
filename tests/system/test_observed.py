"""A real Prometheus beside the running system: every expression of the dashboard and of the alerts finds what it asks for."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml

from deploy.helm.check import TOOLS
from deploy.helm.generate import CHART
from deploy.local.ports import LOOPBACK, free_ports
from deploy.observability import dashboards
from shared.kafka.decision import Output
from shared.metrics import NAMES
from shared.topics import DISCOVERIES
from tests.system import made_up
from tests.system.recorded import FETCHING, recorded_web
from tests.system.stack import Stack, running
from tests.topics import until, write

PROGRAM: Final = shutil.which("prometheus") or next(map(str, TOOLS.glob("debian/prometheus/usr/bin/prometheus")), None)
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(
        PROGRAM is None, reason="no Prometheus: install it (Debian: prometheus), or run make deploy-check once, which fetches it"
    ),
]

ARTICLES: Final = 40
OF_LATER: Final = {
    "slugline_posts_total": "post is not among the services that run here",
    "slugline_posted_items_total": "as the posts",
    "slugline_brief_model_total": "no model is set",
    "slugline_feed_gaps_total": "no poll came too late",
    "slugline_rows_retired_total": "no row is old enough",
    "slugline_standby_warm": "assign has no standby",
    "slugline_webhook_deliveries_total": "nobody subscribes",
    "slugline_webhooks": "nobody subscribes",
    "slugline_webhook_waiting": "nobody subscribes",
}
"""Metrics that show nothing in this test, each with the reason."""


async def test_every_expression_finds_its_metrics(stack: Stack, tmp_path: Path) -> None:
    """All metrics have values while articles flow; each expression is evaluated without error, and on metrics and labels that exist."""
    stack.configure(**FETCHING)
    async with recorded_web(stack.broker, tmp_path) as outlets, running(stack), prometheus(stack, tmp_path) as ask:
        await outlets.play_to(100)
        lines = made_up.lines(5, ARTICLES)
        await stack.replay(made_up.write_lines(tmp_path / "news.jsonl", lines))
        await write(stack.broker, [Output(DISCOVERIES, "x", Garbage())])
        async with stack.session.get(f"{stack.url}/") as answer:
            assert answer.status == 200
        await stack.until_settled(made_up.identity(line) for line in lines)

        async def all_shown() -> bool:
            return not (NAMES - OF_LATER.keys()) - {base(name) for name in await ask.names()}

        try:
            await until(all_shown, "all metrics", 60)
        except AssertionError as error:
            msg = f"never shown: {sorted((NAMES - OF_LATER.keys()) - {base(name) for name in await ask.names()})}"
            raise AssertionError(msg) from error

        async def twice_scraped() -> bool:
            series = sorted(name for name in await ask.names() if name.startswith("slugline_"))
            return all([await ask.at_least(f"max(count_over_time({name}[5m]))", 2) for name in series])

        await until(twice_scraped, "two scrapes of each metric, which a rate needs", 60)
        known = {base(name) for name in await ask.names()}
        empty = []
        for expression in dashboards.expressions():
            found = await ask.query(expression.replace("$__rate_interval", "30s"))
            if (
                not found
                and not names_of(expression) & OF_LATER.keys()
                and not expression.endswith("> 0")
                and 'reason=~"merged' not in expression
            ):
                empty.append(expression)
        assert empty == [], "these show nothing although all flows"
        for alert, expression in alerts():
            await ask.query(expression)
            assert names_of(expression) <= known | OF_LATER.keys(), alert
            for selector in selectors(expression):
                metric = re.match(r"\w+", selector)
                assert metric is not None
                if metric[0] not in OF_LATER and base(metric[0]) in NAMES and metric[0] not in EMPTY_WHEN_WELL:
                    assert await ask.query(selector) or selector in WHEN_ILL, f"{alert}: {selector} selects nothing"
        firing = [one["labels"]["alertname"] for one in await ask.alerts() if one["state"] == "firing"]
        assert firing == []


class Garbage:
    """No message of any topic."""

    def to_bytes(self) -> bytes:
        return b"not a discovery"


EMPTY_WHEN_WELL: Final = frozenset({"slugline_webhooks"})
WHEN_ILL: Final = frozenset(
    {
        'slugline_dead_letters_total{reason="internal_error"}',
        'slugline_transactions_total{outcome="aborted"}',
        'slugline_http_seconds_count{status=~"5.."}',
    }
)
"""What an alert waits for, and a system that is well does not show."""


class Asked:
    """Asks a Prometheus."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def _get(self, path: str, **parameters: str) -> Any:
        async with self._session.get(f"{self._url}/api/v1/{path}", params=parameters) as answer:
            told = await answer.json()
            assert told["status"] == "success", (parameters, told)
            return told["data"]

    async def query(self, expression: str) -> list[Any]:
        """Give what an expression comes to now."""
        found: list[Any] = (await self._get("query", query=expression))["result"]
        return found

    async def value(self, expression: str) -> float:
        """Give the one value of an expression; 0 where it finds none."""
        return next((float(one["value"][1]) for one in await self.query(expression)), 0.0)

    async def at_least(self, expression: str, wanted: float) -> bool:
        """Compare an expression's value."""
        return await self.value(expression) >= wanted

    async def names(self) -> set[str]:
        """Give the names of all series."""
        return set(await self._get("label/__name__/values"))

    async def alerts(self) -> list[Any]:
        """Give the alerts that are pending or firing."""
        found: list[Any] = (await self._get("alerts"))["alerts"]
        return found


@asynccontextmanager
async def prometheus(stack: Stack, folder: Path) -> AsyncIterator[Asked]:
    """Run a Prometheus that scrapes the stack's services each second, with the alert rules."""
    assert PROGRAM is not None
    [port] = free_ports(1)
    config = {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(CHART / "files" / "alerts.yml")],
        "scrape_configs": [
            {
                "job_name": "slugline",
                "static_configs": [{"targets": [f"{LOOPBACK}:{at}"], "labels": {"component": name}} for name, at in stack.ports.items()],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={LOOPBACK}:{port}",
            stdout=log,
            stderr=log,
        )
    try:
        ask = Asked(f"http://{LOOPBACK}:{port}", stack.session)

        async def answers() -> bool:
            assert process.returncode is None, (folder / "prometheus.log").read_text()[-2_000:]
            try:
                return bool(await ask.query("up"))
            except (aiohttp.ClientError, OSError):
                return False

        await until(answers, "Prometheus has scraped", 40)
        yield ask
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def alerts() -> Iterator[tuple[str, str]]:
    """Give each alert's name and expression."""
    for group in yaml.safe_load((CHART / "files" / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def names_of(expression: str) -> set[str]:
    """Give our metrics in an expression."""
    return {base(name) for name in re.findall(r"\bslugline_\w+", expression)}


def selectors(expression: str) -> list[str]:
    """Give the parts of an expression that select series by labels."""
    return re.findall(r"\bslugline_\w+\{[^}]*\}", expression)


def base(name: str) -> str:
    """Give a histogram's name for one of its series."""
    return re.sub(r"_(bucket|count|sum)$", "", name)
