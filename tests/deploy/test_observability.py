"""Alerts, dashboard and runbooks name metrics, commands and pages that there are. Promtool's tests run by `make deploy-check`."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from deploy.cli import SERVICES, app
from deploy.helm.generate import CHART
from deploy.observability import dashboards
from shared.metrics import NAMES

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((CHART / "files" / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
OBSERVABILITY = ROOT / "deploy" / "observability"
SUFFIX = re.compile(r"_(bucket|count|sum)$")


def metrics_in(expression: str) -> set[str]:
    return {name if name in NAMES else SUFFIX.sub("", name) for name in re.findall(r"\bslugline_\w+", expression)}


@pytest.mark.parametrize("expression", [*(rule["expr"] for rule in RULES), *dashboards.expressions()])
def test_metrics_of_expressions_exist(expression: str) -> None:
    """A renamed metric would make an alert silent for ever."""
    assert metrics_in(expression) <= NAMES
    assert metrics_in(expression) or "process_" in expression or "up{" in expression


def test_metrics_of_expressions_are_set_somewhere() -> None:
    """A metric that no code sets is as silent as one that does not exist."""
    named = {name for rule in RULES for name in metrics_in(rule["expr"])} | {
        name for query in dashboards.expressions() for name in metrics_in(query)
    }
    sources = [path.read_text() for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py")]
    for name in named:
        assert any(f'("{name}"' in source for source in sources), name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_is_complete_and_tested(rule: dict[str, Any]) -> None:
    """It has a severity, a page that says what to do, and a test by promtool that sets it off."""
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    page = ROOT / rule["annotations"]["runbook_url"]
    assert page.parent == RUNBOOKS
    text = page.read_text()
    assert all(part in text for part in ("**Means:**", "**Look at**", "**Do**"))
    assert rule["alert"] in (RUNBOOKS / "README.md").read_text()
    tests = yaml.safe_load((OBSERVABILITY / "alerts.test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    assert any(case["exp_alerts"] for case in cases)


def test_every_service_is_scraped_and_missed() -> None:
    """Prometheus of compose knows each service, and an alert misses each that runs by default."""
    config = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    [scraped] = [job["dns_sd_configs"][0] for job in config["scrape_configs"] if job["job_name"] == "slugline"]
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert set(scraped["names"]) == set(SERVICES) & set(composed)
    assert scraped["port"] == 9100
    [down] = [rule for rule in RULES if rule["alert"] == "SluglineServiceDown"]
    enabled = {name for name, one in yaml.safe_load((CHART / "values.yaml").read_text())["services"].items() if one["enabled"]}
    assert set(re.findall(r'absent\(up\{job="slugline",component="(\w+)"\}\)', down["expr"])) == enabled


def test_spans_find_their_way_through_compose() -> None:
    """From the services to the collector to Jaeger, Prometheus reads the collector's own metrics, and nothing is named that is not there."""
    config = yaml.safe_load((OBSERVABILITY / "collector.yml").read_text())
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    [(exporter, to)] = config["exporters"].items()
    [pipeline] = config["service"]["pipelines"].values()
    assert pipeline == {"receivers": list(config["receivers"]), "processors": list(config["processors"]), "exporters": [exporter]}
    assert to["endpoint"] == "jaeger:4317"
    assert set(composed["jaeger"]["networks"]) & set(composed["collector"]["networks"])
    assert all(set(composed[name]["networks"]) & set(composed["collector"]["networks"]) for name in set(SERVICES) & set(composed))
    port = config["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    assert f"http://collector:{port}" in (OBSERVABILITY / "README.md").read_text()
    [reader] = config["service"]["telemetry"]["metrics"]["readers"]
    scraped = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())["scrape_configs"]
    assert [job["static_configs"][0]["targets"] for job in scraped if job["job_name"] == "collector"] == [
        [f"collector:{reader['pull']['exporter']['prometheus']['port']}"]
    ]


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_commands_of_runbooks_exist(path: Path) -> None:
    """Whoever is called at night can type what the page says."""
    root = typer.main.get_command(app)
    for line in re.findall(r"`(slugline (?:[a-z][a-z-]+ ?)+)", path.read_text()):
        _, group, *rest = line.split()
        command: Any = root.get_command(None, group)
        assert command is not None, line
        if rest and hasattr(command, "make_context") and type(command).__name__ == "Deferred":
            context = command.make_context(group, [rest[0], "--help"], resilient_parsing=True)
            command = context.command
            assert command.get_command(context, rest[0]) is not None, line


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_settings_of_runbooks_exist(path: Path) -> None:
    """A setting that a page tells to change is one of a service's."""
    from deploy.helm.generate import settings_of
    from shared.settings import PREFIX

    known = {f"{PREFIX}{name.upper()}" for service in SERVICES for name in settings_of(service).model_fields} | {"SLUGLINE_IMAGE"}
    assert set(re.findall(r"\bSLUGLINE_[A-Z_]+", path.read_text())) <= known


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_links_of_runbooks_exist(path: Path) -> None:
    """A link leads to a page."""
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert (RUNBOOKS / target).exists(), target


def test_dashboard_is_current() -> None:
    """The committed JSON is what the code gives; else: python -m deploy.observability.dashboards."""
    assert dashboards.main(["--check"]) == 0


def test_panels_do_not_overlap() -> None:
    """Each panel has its own place on the grid."""
    taken: set[tuple[int, int]] = set()
    for panel in dashboards.dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        assert place["x"] + place["w"] <= dashboards.GRID_WIDTH
        taken |= cells
