"""The contracts as files: a JSON Schema for each message and one AsyncAPI 3 document, generated from the models.

`schemas/` holds what the code says now, `schemas/released/` the last release's snapshot, which a change must stay
compatible with: within a topic's version only optional fields are added.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.contracts import Message
from shared.topics import ALL, Topic

ASYNCAPI_VERSION = "3.0.0"
SCHEMAS = Path(__file__).parent / "schemas"
RELEASED = SCHEMAS / "released"


def contracts() -> dict[str, type[Message]]:
    """Give each message that is on a public topic, by name."""
    return {topic.contract.__name__: topic.contract for topic in ALL if topic.contract is not None}


def render() -> dict[str, str]:
    """Give the files' names and texts as the models say now."""
    files = {f"{name}.schema.json": _json(_schema(contract)) for name, contract in contracts().items()}
    files["asyncapi.json"] = _json(asyncapi())
    return files


def _schema(contract: type[Message]) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **contract.model_json_schema(mode="serialization")}


def asyncapi() -> dict[str, Any]:
    """Describe the public topics as an AsyncAPI 3 document (asyncapi.com), each message's payload by its JSON Schema."""
    public = [topic for topic in ALL if topic.contract is not None]
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Slugline",
            "version": "1",
            "description": "Stories from many outlets' feeds. Topic names carry the contract's version; readers ignore unknown fields.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in public},
        "operations": {
            f"receive.{topic.name}": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "summary": f"Read {topic.holds}",
            }
            for topic in public
        },
        "components": {"messages": {name: _message(name, contract) for name, contract in contracts().items()}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    assert topic.contract is not None
    name = topic.contract.__name__
    return {
        "address": topic.name,
        "description": f"{topic.holds}. Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": topic.config["cleanup.policy"].split(","),
                    **{key: int(value) for key, value in topic.config.items() if key in {"retention.ms", "max.message.bytes"}},
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(name: str, contract: type[Message]) -> dict[str, Any]:
    return {
        "name": name,
        "summary": (contract.__doc__ or "").split("\n", maxsplit=1)[0],
        "contentType": "application/json",
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": _schema(contract)},
    }


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path = SCHEMAS) -> list[Path]:
    """Write the files; gives those that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in render().items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    return changed


def release() -> list[Path]:
    """Copy the messages' schemas to the snapshot of the release; gives its files."""
    RELEASED.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, contract in contracts().items():
        path = RELEASED / f"{name}.schema.json"
        path.write_text(_json(_schema(contract)))
        paths.append(path)
    return paths


def stale(folder: Path = SCHEMAS) -> list[str]:
    """Name the committed files that are not what the models say."""
    return [name for name, text in render().items() if not (folder / name).exists() or (folder / name).read_text() != text]


def breaks() -> list[str]:
    """Say in a line each how the contracts break readers or writers of the last released snapshot, and what to do."""
    faults = []
    for released in sorted(RELEASED.glob("*.schema.json")):
        name = released.name.removesuffix(".schema.json")
        if name not in contracts():
            faults.append(f"{name}: the message is gone. Keep it while a topic of its version exists.")
            continue
        faults += compare(json.loads(released.read_text()), _schema(contracts()[name]), name)
    return faults


def compare(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> list[str]:
    """Compare two JSON Schemas of one message, definitions included; a line for each incompatible change."""
    faults = _compare_object(before, now, name)
    for part, schema in before.get("$defs", {}).items():
        if part in now.get("$defs", {}):
            faults += _compare_object(schema, now["$defs"][part], f"{name}.{part}")
    return faults


def _compare_object(before: Mapping[str, Any], now: Mapping[str, Any], where: str) -> list[str]:
    faults = []
    if "enum" in before:
        gone = [value for value in before["enum"] if value not in now.get("enum", [])]
        faults += [f"{where}: the value {value!r} was removed. Writers may still send it: keep it." for value in gone]
    fields_now = now.get("properties", {})
    for field, schema in before.get("properties", {}).items():
        if field not in fields_now:
            faults.append(
                f"{where}.{field}: the field was removed. Keep it, or make a topic with the next version (see CONTRIBUTING, Contracts)."
            )
        elif _shape(schema) != _shape(fields_now[field]):
            faults.append(
                f"{where}.{field}: its type changed from {_shape(schema)} to {_shape(fields_now[field])}. "
                "Add a new optional field instead, or make a topic with the next version (see CONTRIBUTING, Contracts)."
            )
    # `mode="serialization"` lists fields with defaults as present; a field is required of writers when it has no default.
    faults += [
        f"{where}.{field}: a new field must be optional (give it a default), since older writers do not send it."
        for field, schema in fields_now.items()
        if field not in before.get("properties", {}) and "default" not in schema and field in now.get("required", [])
    ]
    return faults


_TYPE_KEYS = ("type", "$ref", "const", "format", "items", "anyOf", "additionalProperties", "prefixItems")


def _shape(schema: Any) -> Any:
    """Keep what types a value; leave out limits and words."""
    if isinstance(schema, Mapping):
        return {key: _shape(schema[key]) for key in _TYPE_KEYS if key in schema}
    if isinstance(schema, list):
        return [_shape(one) for one in schema]
    return schema
