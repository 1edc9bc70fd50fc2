"""Writes what the chart says of the code: `files/topics.yaml`, `files/access.yaml` and the settings in `values.schema.json`.

`python -m deploy.helm.generate` writes them anew; with `--check` it only says which are not current, and exits with 1.
"""

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_type_hints

from deploy.cli import SERVICES
from shared.access import ACCESS
from shared.kafka.admin import REPLICATED
from shared.retention import KEPT_BY
from shared.settings import Settings
from shared.topics import ALL

CHART: Final = Path(__file__).with_name("slugline")
TOPICS: Final = CHART / "files" / "topics.yaml"
USERS: Final = CHART / "files" / "access.yaml"
SCHEMA: Final = CHART / "values.schema.json"
OWNED: Final[Mapping[str, str]] = {
    "kafka_bootstrap_servers": "kafka.bootstrapServers",
    "kafka_security_protocol": "kafka.security.protocol",
    "kafka_sasl_mechanism": "kafka.security.mechanism",
    "kafka_username": "kafka.security.username",
    "kafka_password": "kafka.security.existingSecret",
    "kafka_ca_file": "kafka.security.caSecret",
    "database_url": "database.existingSecret",
    "brief_model_key": "services.brief.modelKey",
    "health_host": "the chart: all addresses of the pod",
    "health_port": "the chart: 9100",
    "web_host": "the chart: all addresses of the pod",
    "web_port": "the chart: 8080",
    "post_host": "the chart: all addresses of the pod",
    "post_port": "the chart: 8090",
    "group_instance_id": "the chart: the pod's name, for assign alone, whose pods keep their names",
}
"""Settings that `settings` does not take, with the value that sets each."""
_KEPT: Final = (
    "type",
    "enum",
    "description",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
)


def settings_of(service: str) -> type[Settings]:
    """Give the class of a service's settings. Raises KeyError for an unknown service."""
    module, _ = SERVICES[service]
    found: type[Settings] = get_type_hints(importlib.import_module(module).run)["settings"]
    return found


def settings_schema(settings: type[Settings]) -> dict[str, Any]:
    """Give the JSON schema of the `settings` map of a service: what may be set, and to what."""
    properties = settings.model_json_schema()["properties"]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _property(schema) for name, schema in sorted(properties.items()) if name not in OWNED},
    }


def _property(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: schema[name] for name in _KEPT if name in schema}
    if kept.get("type") == "array":
        # The environment takes them comma-separated; both spellings are fine in values.
        kept["type"] = ["array", "string", "number"]
    if "type" not in kept:
        kept["type"] = next(choice["type"] for choice in schema["anyOf"] if choice["type"] != "null")
    return kept


def topics_yaml() -> str:
    """Give the table of topics as the chart reads it: a list of name, partitions, the setting of their retention, and config."""
    lines = ["# Generated from shared/topics.py: python -m deploy.helm.generate", f"replicated: {json.dumps(dict(REPLICATED))}", "topics:"]
    for topic in ALL:
        lines += [f"  - name: {topic.name}", f"    partitions: {topic.partitions}"]
        lines += [f"    keptBy: {KEPT_BY[topic.name]}"] if topic.name in KEPT_BY else []
        lines += ["    config:"]
        lines += [f"      {name}: {json.dumps(value)}" for name, value in sorted(topic.config.items())]
    return "\n".join(lines) + "\n"


def users_yaml() -> str:
    """Give the table of who may do what in Kafka as Strimzi's KafkaUsers have it: a list of acls for each user."""
    lines = ["# Generated from shared/access.py: python -m deploy.helm.generate"]
    for name, access in ACCESS.items():
        lines.append(f"{name}:")
        for resource, operations in access.by_resource():
            kind = {"transactional-id": "transactionalId"}.get(resource.kind, resource.kind)
            pattern = f", name: {resource.name}, patternType: {'prefix' if resource.prefixed else 'literal'}"
            lines += [
                f"  - resource: {{type: {kind}{'' if resource.kind == 'cluster' else pattern}}}",
                f"    operations: [{', '.join(operations)}]",
            ]
    return "\n".join(lines) + "\n"


def values_schema() -> str:
    """Give the chart's schema with the settings of all services as they are now; the rest of it is written by hand."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["definitions"] = {
        **{name: part for name, part in schema["definitions"].items() if not name.startswith("settings_")},
        "settings_all": settings_schema(Settings),
        **{f"settings_{service}": settings_schema(settings_of(service)) for service in SERVICES},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` compare them."""
    stale = [
        (path, text) for path, text in ((TOPICS, topics_yaml()), (USERS, users_yaml()), (SCHEMA, values_schema())) if _read(path) != text
    ]
    for path, text in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{path.name} is not current: python -m deploy.helm.generate\n")
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
