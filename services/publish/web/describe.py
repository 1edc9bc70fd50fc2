"""Describe the API's OpenAPI document to people: what calls take, and what they answer with. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.publish.web.views import Call, Field, Model

_JSON = "application/json"


def pieces(text: str) -> list[tuple[str, bool]]:
    """Cut a text at its backticks into pieces, each with whether it is code."""
    return [(piece, place % 2 == 1) for place, piece in enumerate(text.split("`")) if piece]


def calls(document: Mapping[str, Any]) -> Iterator[Call]:
    """Give the calls in the document's order."""
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            schema = call["responses"].get("200", {}).get("content", {}).get(_JSON, {}).get("schema", {})
            yield Call(
                method=method.upper(),
                path=path,
                paragraphs=tuple((call.get("description") or call["summary"]).split("\n\n")),
                parameters=tuple(
                    Field(
                        parameter["name"],
                        type_words(parameter["schema"]).removesuffix(" or null"),  # which is to leave it out
                        parameter.get("description", ""),
                        limit_words(parameter["schema"], needed=parameter.get("required", False)),
                    )
                    for parameter in call.get("parameters", ())
                ),
                model=_name(schema),
            )


def models(document: Mapping[str, Any]) -> Iterator[Model]:
    """Give what calls answer with, and the parts of it, each behind what it is a part of."""
    schemas = document["components"]["schemas"]
    waiting = [call.model for call in calls(document) if call.model]
    told: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        if name in told:
            continue
        told.add(name)
        fields = schemas[name].get("properties", {})
        yield Model(
            name,
            schemas[name].get("description", ""),
            tuple(Field(field, type_words(schema), schema.get("description", "")) for field, schema in fields.items()),
        )
        waiting.extend(part for schema in fields.values() if (part := _part(schema)))


def type_words(schema: Mapping[str, Any]) -> str:
    """Say a schema's type, such as "list of Section" or "date-time or null"."""
    if name := _name(schema):
        return name
    if options := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(map(type_words, options)))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {type_words(schema['items'])}" if "items" in schema else "pair"
    return str(schema.get("format") or kind)


def limit_words(schema: Mapping[str, Any], *, needed: bool) -> str:
    """Say what a parameter may be, such as "1 to 100; 30 unless given"."""
    bounds = next((option for option in schema.get("anyOf", ()) if option.get("type") != "null"), schema)
    words = []
    least, most = bounds.get("minimum"), bounds.get("maximum")
    if most is not None and most < 2**31 - 1:
        words.append(f"{least or 0} to {most}")
    if needed:
        words.append("needed")
    elif isinstance(default := schema.get("default"), int) and not isinstance(default, bool) and default < 2**31 - 1:
        words.append(f"{default} unless given")
    elif isinstance(default, bool):
        words.append(f"{str(default).lower()} unless given")
    return "; ".join(words)


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _part(schema: Mapping[str, Any]) -> str:
    options = (schema, schema.get("items", {}), *schema.get("anyOf", ()))
    return next((name for option in options if (name := _name(option))), "")
