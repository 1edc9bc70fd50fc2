"""Ten minutes of ten thousand recorded feeds, and their graph: `python -m bench.ingest_run --feeds 10000 --minutes 10`.

A real broker, one poll and one fetch process, and a web of recorded feeds of which one in 25 does something wrong and some pages refuse. New items come
all the time. Every two seconds the processes' own metrics and memory are read; at the end they are drawn as SVG.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil  # type: ignore[import-untyped]
from prometheus_client import parser

from bench.broker import own_broker
from bench.ingest_web import ALLOWED, Plan, recorded_web
from deploy.local.ports import free_ports
from services.ingest.registry import new_feed, register
from shared import logs
from shared.kafka import admin as kafka_admin
from shared.settings import Settings
from tests.processes import Service, running

SAMPLE_S = 2.0
SMOOTHED = 5
"""Samples that a rate is averaged over."""
PANEL_PX = 130
WIDTH_PX = 900
COLOURS = ("#1f5fa8", "#c2571a", "#3b7d3b", "#8a3b8f")


@dataclass(frozen=True, slots=True)
class Sample:
    """What the processes said at one time."""

    at_s: float
    polls: float
    polls_failed: float
    pages: float
    pages_failed: float
    articles: float
    latest_s: float
    waiting: float
    lag: float
    poll_mb: float
    fetch_mb: float


Line = tuple[str, Callable[[Sample, Sample], float]]


def main() -> None:
    """Run, draw and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--feeds", type=int, default=10_000)
    arguments.add_argument("--hosts", type=int, default=2_500)
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument("--items-a-second", type=float, default=5.0, help="new items over all feeds")
    arguments.add_argument("--out", type=Path, default=Path("docs/ingest-run.svg"))
    options = arguments.parse_args()
    plan = Plan(options.feeds, options.hosts, items=1, items_a_second=options.items_a_second, faults=True)
    samples = asyncio.run(_on_own_broker(plan, options.minutes * 60.0))
    options.out.write_text(draw(samples, plan), encoding="utf-8")
    _print(samples, plan)


async def _on_own_broker(plan: Plan, seconds: float) -> list[Sample]:
    with own_broker() as (broker, folder):
        async with kafka_admin.connected(broker.bootstrap_servers) as admin:
            await kafka_admin.recreate(admin)
        return await run(broker.bootstrap_servers, folder, plan, seconds)


async def run(broker: str, folder: Path, plan: Plan, seconds: float) -> list[Sample]:
    """Let the services work for so long; gives what they said of themselves."""
    settings = Settings(kafka_bootstrap_servers=broker, log_level="warning")
    logs.configure(settings, service="bench")
    ports = free_ports(2)
    with recorded_web(plan) as port:
        await register(
            settings,
            (new_feed(f"http://{plan.host(feed)}:{port}/feeds/{feed}", now=datetime.now(UTC)) for feed in range(plan.feeds)),
        )
        told = {"kafka_bootstrap_servers": broker, "fetch_allow": ALLOWED, "log_level": "warning", "poll_interval_first_s": 120}
        services = [
            Service(name, folder / f"{name}.log", health_port=health, **told) for name, health in zip(("poll", "fetch"), ports, strict=True)
        ]
        samples: list[Sample] = []
        with running(*services):
            began = time.monotonic()
            async with aiohttp.ClientSession() as session:
                while time.monotonic() - began < seconds:
                    await asyncio.sleep(SAMPLE_S - (time.monotonic() - began) % SAMPLE_S)
                    assert all(service.alive for service in services), [service.logged()[-2_000:] for service in services]
                    samples.append(await _sample(session, services, ports, time.monotonic() - began))
    return samples


async def _sample(session: aiohttp.ClientSession, services: Sequence[Service], ports: Sequence[int], at_s: float) -> Sample:
    values: dict[tuple[str, str], float] = {}
    for port in ports:
        try:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                text = await answer.text()
        except aiohttp.ClientError:
            continue  # it still starts
        families: Any = parser.text_string_to_metric_families(text)
        for family in families:
            for sample in family.samples:
                of = sample.labels.get("outcome") or sample.labels.get("stage") or ""
                values[sample.name, of] = values.get((sample.name, of), 0.0) + sample.value

    def total(name: str, *of: str) -> float:
        return sum(value for (one, label), value in values.items() if one == name and (not of or label in of))

    memory = [_resident_mb(service.pid) for service in services]
    return Sample(
        at_s=at_s,
        polls=total("slugline_feed_fetches_total"),
        polls_failed=total("slugline_feed_fetches_total", "failed", "gone"),
        pages=total("slugline_article_fetches_total"),
        pages_failed=total("slugline_article_fetches_total", "failed", "refused", "gone"),
        articles=total("slugline_articles_total"),
        latest_s=total("slugline_feed_latest_seconds"),
        waiting=total("slugline_pages_waiting"),
        lag=total("slugline_lag_messages", "fetch"),
        poll_mb=memory[0],
        fetch_mb=memory[1],
    )


def _resident_mb(pid: int) -> float:
    """Give the memory of a process and its subprocesses."""
    try:
        process = psutil.Process(pid)
        return float(sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def _rate(name: str) -> Callable[[Sample, Sample], float]:
    return lambda before, now: (getattr(now, name) - getattr(before, name)) / max(now.at_s - before.at_s, 0.001)


def _level(name: str) -> Callable[[Sample, Sample], float]:
    return lambda _, now: float(getattr(now, name))


PANELS: tuple[tuple[str, tuple[Line, ...]], ...] = (
    ("fetches a second", (("feeds polled", _rate("polls")), ("pages fetched", _rate("pages")), ("articles published", _rate("articles")))),
    ("errors a second", (("feeds failed", _rate("polls_failed")), ("pages failed or refused", _rate("pages_failed")))),
    ("lag: seconds by which the latest feed is late", (("feeds", _level("latest_s")),)),
    ("lag: pages that wait for their host's turn", (("pending", _level("waiting")), ("in the topic", _level("lag")))),
    ("memory in MB, subprocesses included", (("poll", _level("poll_mb")), ("fetch", _level("fetch_mb")))),
)


def draw(samples: Sequence[Sample], plan: Plan) -> str:
    """Draw the samples as an SVG, a panel a figure."""
    height = (PANEL_PX + 46) * len(PANELS) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH_PX}" height="{height}" fill="white"/>',
        f'<text x="60" y="20" font-size="14">{plan.feeds:,} recorded feeds of {plan.hosts:,} hosts, one poll and one fetch process</text>',
    ]
    end_s = samples[-1].at_s
    for number, (title, lines) in enumerate(PANELS):
        top = 50 + number * (PANEL_PX + 46)
        values = [
            [line(samples[max(0, at - SMOOTHED)], sample) for at, sample in enumerate(samples)] if samples else [] for _, line in lines
        ]
        most = max((max(of) for of in values if of), default=0.0) or 1.0
        parts.append(f'<text x="60" y="{top - 6}">{title}</text>')
        parts.append(f'<rect x="60" y="{top}" width="{WIDTH_PX - 80}" height="{PANEL_PX}" fill="none" stroke="#bbb"/>')
        parts += [
            f'<text x="54" y="{top + PANEL_PX * (1 - share) + 4:.0f}" text-anchor="end">{most * share:,.{0 if most >= 10 else 1}f}</text>'
            for share in (0.0, 0.5, 1.0)
        ]
        for place, ((name, _), of) in enumerate(zip(lines, values, strict=True)):
            points = " ".join(
                f"{60 + (WIDTH_PX - 80) * sample.at_s / end_s:.1f},{top + PANEL_PX * (1 - value / most):.1f}"
                for sample, value in zip(samples, of, strict=True)
            )
            parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[place]}" stroke-width="1.5"/>')
            parts.append(f'<text x="{WIDTH_PX - 24 - 160 * place}" y="{top - 6}" text-anchor="end" fill="{COLOURS[place]}">{name}</text>')
        parts += [
            f'<text x="{60 + (WIDTH_PX - 80) * minute * 60 / end_s:.0f}" y="{top + PANEL_PX + 14}" text-anchor="middle">{minute} min</text>'
            for minute in range(int(end_s // 60) + 1)
        ]
    return "\n".join([*parts, "</svg>", ""])


def _print(samples: Sequence[Sample], plan: Plan) -> None:
    last = samples[-1]
    print(f"{plan.feeds:,} feeds of {plan.hosts:,} hosts, {last.at_s / 60:.1f} minutes, {plan.items_a_second:g} new items a second")
    print(f"polls {last.polls:,.0f}, of them failed {last.polls_failed:,.0f}; at most {_most(samples, 'polls'):.0f} a second")
    print(f"pages {last.pages:,.0f}, of them failed or refused {last.pages_failed:,.0f}; at most {_most(samples, 'pages'):.0f} a second")
    print(f"articles {last.articles:,.0f}; at the end {last.waiting:,.0f} pages wait, {last.lag:,.0f} discoveries in the topic")
    print(f"latest feed late by at most {max(one.latest_s for one in samples):.0f} s, at the end {last.latest_s:.0f} s")
    print(
        f"memory with subprocesses at most: poll {max(one.poll_mb for one in samples):.0f} MB, fetch {max(one.fetch_mb for one in samples):.0f} MB"
    )


def _most(samples: Sequence[Sample], name: str) -> float:
    return max(_rate(name)(samples[max(0, at - SMOOTHED)], sample) for at, sample in enumerate(samples))


if __name__ == "__main__":
    main()
