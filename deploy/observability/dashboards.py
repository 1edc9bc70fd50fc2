"""The Grafana dashboard as code: `python -m deploy.observability.dashboards` writes its JSON; `--check` says if that is not current."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

WRITTEN: Final = Path(__file__).parents[1] / "helm" / "slugline" / "files" / "dashboards" / "slugline.json"
GRID_WIDTH: Final = 24
PANEL_HEIGHT: Final = 8
STAT_HEIGHT: Final = 4
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure: its expressions with their legends, the unit in Grafana's names, and what a reader should know."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    about: str = ""
    stat: bool = False
    width: int = 8


def _rate(metric: str, by: str, where: str = "") -> tuple[str, str]:
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return f"sum by ({by}) (rate({metric}{where}[$__rate_interval]))", legend


def _quantile(quantile: float, metric: str, by: str, where: str = "") -> tuple[str, str]:
    return f"histogram_quantile({quantile}, sum by ({by}, le) (rate({metric}_bucket{where}[$__rate_interval])))", f"{{{{{by}}}}}"


ROWS: Final[tuple[tuple[str, tuple[Panel, ...]], ...]] = (
    (
        "Do readers see everything in time?",
        (
            Panel(
                "Newest row on the page",
                (('time() - max(slugline_last_input_timestamp_seconds{stage="materialise"})', ""),),
                "s",
                "Its age. High is fine while nothing waits",
                stat=True,
                width=4,
            ),
            Panel("Records that wait for the page", (('sum(slugline_lag_messages{stage="materialise"})', ""),), stat=True, width=4),
            Panel("Articles an hour", (("sum(rate(slugline_articles_total[1h])) * 3600", ""),), stat=True, width=4),
            Panel("Feeds that fail", (('sum(slugline_feeds{state="failing"})', ""),), about="slugline feeds status", stat=True, width=4),
            Panel("Feeds silent", (("sum(slugline_feeds_silent)", ""),), about="slugline feeds status", stat=True, width=4),
            Panel(
                "Dead letters in a day",
                (("sum(increase(slugline_dead_letters_total[1d]))", ""),),
                about="slugline deadletters list",
                stat=True,
                width=4,
            ),
            Panel(
                "Latency by stage, 99th percentile",
                (_quantile(0.99, "slugline_latency_seconds", "stage"),),
                "s",
                "From the append of an input to the commit of what followed",
            ),
            Panel("Latency by stage, median", (_quantile(0.5, "slugline_latency_seconds", "stage"),), "s"),
            Panel("Waiting", (("sum by (stage) (max by (stage, partition) (slugline_lag_messages))", "{{stage}}"),), about="Inputs"),
        ),
    ),
    (
        "Stages",
        (
            Panel(
                "Waiting, in seconds",
                (("max by (stage) (slugline_lag_seconds)", "{{stage}}"),),
                "s",
                "Since when the oldest input waits",
            ),
            Panel(
                "Since offsets were committed",
                (("time() - max by (stage) (slugline_commit_timestamp_seconds)", "{{stage}}"),),
                "s",
                "High is fine while nothing waits",
            ),
            Panel("Inputs", (_rate("slugline_inputs_total", "stage"),), "ops"),
            Panel("Outputs", (_rate("slugline_outputs_total", "stage, topic"),), "ops"),
            Panel("Dead letters", (_rate("slugline_dead_letters_total", "stage, reason"),), "ops"),
            Panel("Transactions", (_rate("slugline_transactions_total", "stage, outcome"),), "ops"),
            Panel("Partitions being restored", (("sum by (stage) (slugline_restoring)", "{{stage}}"),)),
            Panel(
                "Waiting by partition",
                (("max by (stage, partition) (slugline_lag_messages) > 0", "{{stage}} {{partition}}"),),
                about="Partitions of story_inputs.v1 belong to languages",
            ),
        ),
    ),
    (
        "Outlets",
        (
            Panel("Feeds by state", (("sum by (state) (slugline_feeds)", "{{state}}"),)),
            Panel("Polls by outcome", (_rate("slugline_feed_fetches_total", "outcome"),), "ops"),
            Panel("Pages by outcome", (_rate("slugline_article_fetches_total", "outcome"),), "ops"),
            Panel("Articles by what their text is", (_rate("slugline_articles_total", "extraction"),), "ops"),
            Panel(
                "Items a day against the feeds' habit",
                (
                    ("sum(slugline_feed_items_a_day)", "habit"),
                    ('sum(increase(slugline_outputs_total{stage="poll",topic="discoveries.v1"}[1d]))', "came"),
                ),
            ),
            Panel(
                "Polls that came too late to see all",
                (("sum(increase(slugline_feed_gaps_total[1h]))", "an hour"),),
                about="The feed showed nothing that had been seen before",
            ),
        ),
    ),
    (
        "Stories and the page",
        (
            Panel("Revisions", (_rate("slugline_outputs_total", "topic", '{stage="assign",topic="story_updates.v1"}'),), "ops"),
            Panel("Open stories", (("sum(slugline_open_stories)", "stories"), ("sum(slugline_open_articles)", "articles"))),
            Panel(
                "Merges, splits and moves",
                (_rate("slugline_story_revisions_total", "reason", '{reason=~"merged|split|article_moved|article_removed"}'),),
                "ops",
            ),
            Panel("Briefs by how they were made", (_rate("slugline_briefs_total", "made_by"),), "ops"),
            Panel("Rows written", (_rate("slugline_rows_total", "table"),), "ops"),
            Panel("Answers by status", (_rate("slugline_http_seconds_count", "status"),), "reqps"),
            Panel("Time to answer, 99th percentile", (_quantile(0.99, "slugline_http_seconds", "route"),), "s"),
            Panel("Listeners of the event stream", (("sum(slugline_sse_listeners)", "listeners"),)),
        ),
    ),
    (
        "Processes",
        (
            Panel("Memory", (('process_resident_memory_bytes{job="slugline"}', "{{component}} {{instance}}"),), "bytes"),
            Panel(
                "Processor",
                (('rate(process_cpu_seconds_total{job="slugline"}[$__rate_interval])', "{{component}} {{instance}}"),),
                about="Cores. Subprocesses that parse pages or compose briefs are not in it",
            ),
            Panel("Up for", (('time() - process_start_time_seconds{job="slugline"}', "{{component}} {{instance}}"),), "s"),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """Give the dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": _place(0, y, GRID_WIDTH, 1)}
        )
        x, y, height = 0, y + 1, 0
        for panel in row:
            if x + panel.width > GRID_WIDTH:
                x, y = 0, y + height
            height = STAT_HEIGHT if panel.stat else PANEL_HEIGHT
            panels.append(_panel(panel, len(panels) + 1, _place(x, y, panel.width, height)))
            x += panel.width
        y += height
    return {
        "uid": "slugline",
        "title": "Slugline",
        "tags": ["slugline"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}}]},
        "annotations": {"list": []},
        "panels": panels,
    }


def expressions() -> list[str]:
    """Give every query of the dashboard, for checking."""
    return [query for _, row in ROWS for panel in row for query, _ in panel.queries]


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}}
        if panel.stat
        else {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": query, "legendFormat": legend or "__auto"}
            for at, (query, legend) in enumerate(panel.queries)
        ],
    }


def main(arguments: list[str]) -> int:
    """Write the JSON, or with `--check` compare it."""
    text = json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
    if WRITTEN.exists() and WRITTEN.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in arguments:
        sys.stderr.write(f"{WRITTEN.name} is not current: python -m deploy.observability.dashboards\n")
        return 1
    WRITTEN.parent.mkdir(parents=True, exist_ok=True)
    WRITTEN.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
