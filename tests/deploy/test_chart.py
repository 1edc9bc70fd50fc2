"""The chart says of topics, settings and services what the code says. No Helm is needed; `make deploy-check` renders it."""

import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, ValidationError

from deploy.cli import SERVICES
from deploy.helm import generate
from deploy.helm.generate import CHART, OWNED, settings_of
from shared import topics
from shared.access import ACCESS
from shared.kafka.admin import TopicSettings
from shared.retention import KEPT_BY
from shared.settings import PREFIX, Settings

REQUIRED = {
    "image": {"repository": "registry.example/slugline"},
    "kafka": {"bootstrapServers": "kafka:9092"},
    "database": {"existingSecret": {"name": "slugline-database"}},
}
TEMPLATES = "\n".join(path.read_text() for path in sorted((CHART / "templates").iterdir()))


def values(**more: Any) -> dict[str, Any]:
    return merged(merged(yaml.safe_load((CHART / "values.yaml").read_text()), REQUIRED), more)


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {
        name: merged(under[name], value) if isinstance(value, dict) and isinstance(under.get(name), dict) else value
        for name, value in over.items()
    }
    return under | both


def faults(given: dict[str, Any]) -> list[ValidationError]:
    return list(Draft7Validator(json.loads(generate.SCHEMA.read_text())).iter_errors(given))


def test_topics_are_those_of_the_table() -> None:
    """Strimzi's topics have the names, partitions and settings of shared/topics.py."""
    table = yaml.safe_load(generate.TOPICS.read_text())["topics"]
    assert {entry["name"]: (entry["partitions"], entry.get("keptBy"), entry["config"]) for entry in table} == {
        topic.name: (topic.partitions, KEPT_BY.get(topic.name), dict(topic.config)) for topic in topics.ALL
    }


def test_users_are_those_of_the_table() -> None:
    """Strimzi's users may do what shared/access.py says; each service but the web and the webhooks has one, and each topic has a writer and a reader."""
    assert set(yaml.safe_load(generate.USERS.read_text())) == set(ACCESS) == set(SERVICES) - {"web", "webhooks"} | {"operator", "reader"}
    assert generate.USERS.read_text() == generate.users_yaml()
    services = [access for name, access in ACCESS.items() if name in SERVICES]
    by_operators = {topics.FEEDS.name, topics.FETCH_CONTROL.name}
    known = {topic.name for topic in topics.ALL}
    assert {topic.name for one in services for topic in one.writes} | by_operators == known
    assert {topic.name for one in services for topic in one.reads} | {topics.DEAD_LETTERS.name} == known


def test_every_service_is_deployed() -> None:
    """A service that `slugline run` knows has its place in the values, and none is there that it does not know."""
    assert set(values()["services"]) == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_reachable(service: str) -> None:
    """A setting can be given in the values, or the chart sets it; so does `extraEnv` for whatever else."""
    takes = json.loads(generate.SCHEMA.read_text())["definitions"][f"settings_{service}"]["properties"]
    for name in settings_of(service).model_fields:
        assert (name in takes) != (name in OWNED), name
        if name in OWNED:
            assert f"{PREFIX}{name.upper()}" in TEMPLATES or name in {"web_host", "web_port", "post_host", "post_port"}


def test_settings_of_topics_are_reachable() -> None:
    """The Job's settings are in the values too."""
    for name in set(TopicSettings.model_fields) - set(Settings.model_fields):
        assert f"{PREFIX}{name.upper()}" in TEMPLATES


def test_defaults_with_what_is_required_are_allowed() -> None:
    """Image, broker and the database's secret are all that must be given."""
    assert faults(values()) == []


@pytest.mark.parametrize("path", sorted((CHART / "ci").glob("*.yaml")), ids=lambda path: path.stem)
def test_matrix_of_values_is_allowed(path: Any) -> None:
    """The values that deploy-check renders."""
    assert faults(merged(yaml.safe_load((CHART / "values.yaml").read_text()), yaml.safe_load(path.read_text()))) == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"image": {"repository": ""}}, "image/repository"),
        ({"kafka": {"bootstrapServers": "kafka"}}, "kafka/bootstrapServers"),
        ({"kafka": {"bootstrapServers": "a:9092, b:9092"}}, "kafka/bootstrapServers"),
        ({"database": {"existingSecret": {"name": ""}}}, "database/existingSecret/name"),
        ({"services": {"web": {"autoscaling": {"by": "both"}}}}, "services/web/autoscaling/by"),
        ({"services": {"web": {"autoscaling": {"hpa": True, "keda": True}}}}, "services/web/autoscaling"),
        ({"services": {"assign": {"autoscaling": {"by": "hpa", "min": 1, "max": 2}}}}, "services/assign"),
        ({"services": {"fetch": {"replicas": topics.DISCOVERIES.partitions + 1}}}, "services/fetch/replicas"),
        ({"services": {"fetch": {"settings": {"fetch_alow": "x"}}}}, "services/fetch/settings"),
        ({"services": {"fetch": {"settings": {"fetch_tries": 0}}}}, "services/fetch/settings/fetch_tries"),
        ({"services": {"web": {"settings": {"web_port": 80}}}}, "services/web/settings"),
        ({"services": {"assing": {}}}, "services"),
        ({"ingress": {"enabled": True}}, "ingress/host"),
        ({"httpRoute": {"enabled": True}}, "httpRoute/parentRefs"),
        ({"strimzi": {"users": {"enabled": True}}}, "strimzi/cluster"),
        ({"settings": {"log_level": "loud"}}, "settings/log_level"),
        ({"extraEnv": [{"name": "no spaces"}]}, "extraEnv/0/name"),
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any], named: str) -> None:
    """Each refusal names the value."""
    assert named in {"/".join(map(str, fault.absolute_path)) for fault in faults(values(**wrong))}


def test_pods_are_restricted() -> None:
    """Every container has the restricted security context, and nothing asks for more."""
    containers = len(re.findall(r"^ +(?:- )?image: \{\{", TEMPLATES, re.MULTILINE))
    assert containers == 5
    for demand in ("privileged: true", "hostNetwork", "hostPath", "hostPID", "allowPrivilegeEscalation: true"):
        assert demand not in TEMPLATES
