"""What `docker-compose.yml` promises, read without an engine; docker-compose itself checks it in `make deploy-check`."""

from typing import Any

import pytest
import yaml

from deploy.cli import SERVICES
from deploy.helm.check import ROOT
from deploy.local.services import DEMO_ENVIRONMENT
from shared.retention import RetentionSettings
from shared.settings import PREFIX

STACK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = {name: service for name, service in STACK.items() if str(service["image"]).startswith("${SLUGLINE_IMAGE")}


def test_every_service_runs() -> None:
    """All but post, which takes articles from outside and is off by default."""
    assert {name for name in STACK if name in SERVICES} == set(SERVICES) - {"post"}


@pytest.mark.parametrize("name", sorted(STACK))
def test_everything_is_bounded_and_pinned(name: str) -> None:
    """A limit of memory, a release of the image, and no more rights than needed."""
    service = STACK[name]
    assert service["mem_limit"]
    assert ":" in service["image"]
    assert "latest" not in service["image"]
    if name in OURS:
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_what_stays_can_be_waited_for() -> None:
    """`up --wait` fails on a service whose healthcheck is disabled, unless it ends by itself."""
    disabled = {name for name, service in STACK.items() if service.get("healthcheck", {}).get("disable")}
    assert {STACK[name]["restart"] for name in disabled} == {"on-failure"}


def test_what_looks_at_the_made_up_outlets_may() -> None:
    """Polling, fetching and registering them need the same settings."""
    for name in ("poll", "fetch", "demo-feeds"):
        assert {*DEMO_ENVIRONMENT, "SLUGLINE_FETCH_LOCALHOST"} <= set(STACK[name]["environment"]), name


def test_members_with_a_name_have_their_own() -> None:
    """Two of one name in a group would put each other out."""
    named = {name: service.get("environment", {}).get("SLUGLINE_GROUP_INSTANCE_ID") for name, service in OURS.items()}
    assert {name for name, given in named.items() if given} == {"poll", "fetch", "assign"}
    assert all(given in {None, name} for name, given in named.items())


def test_topics_and_rows_are_kept_by_the_same_settings() -> None:
    """With their defaults, each settable in .env."""
    kept = {f"{PREFIX}{name.upper()}": field.default for name, field in RetentionSettings.model_fields.items() if name.startswith("keep_")}
    for name in ("topics", "materialise"):
        given = STACK[name]["environment"]
        assert {setting: given[setting] for setting in kept} == {setting: f"${{{setting}:-{default}}}" for setting, default in kept.items()}
