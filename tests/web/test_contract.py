"""The API keeps the word of its OpenAPI document: any call that the document allows gets an answer that the document describes."""

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from jsonschema import Draft202012Validator
from yarl import URL

from shared.contracts import StoryStatus
from tests.web.conftest import Web
from tests.web.newsroom import Newsroom, fill, made_id

ODD = (
    "",
    "x",
    "\u202e",
    "'",
    '"',
    "%",
    "\\",
    "🙂",
    "a" * 400,
    "\x01",
    "../..",
    "-1",
    "1e9",
    "top",
    "language/en",
    "é",
    "<b>",
    "0",
    "null",
    "\ufffd",
)


def value_for(schema: dict[str, Any], chance: random.Random) -> str:
    """Make a value that fits a parameter's schema, or, one time in three, one that need not."""
    if "anyOf" in schema:
        schema = chance.choice([option for option in schema["anyOf"] if option.get("type") != "null"])
    if chance.random() < 0.33:
        return chance.choice(ODD)
    match schema.get("type"), schema.get("format"):
        case "integer", _:
            return str(chance.choice([schema.get("minimum", 0), min(schema.get("maximum", 9), 10**6), 1, 2, 7]))
        case "boolean", _:
            return chance.choice(["true", "false", "1", "0"])
        case "string", "uuid":
            return str(chance.choice([uuid4(), UUID(int=0), made_id("ferry"), made_id("ferry/1"), made_id("bees")]))
        case "string", "date":
            return chance.choice(["2026-01-05", "0001-01-01", "9999-12-31", "2024-02-29"])
    return chance.choice([*ODD, "harbour", "en", "publisher/meridianwire.example"])


async def test_every_answer_is_as_described(web: Web, newsroom: Newsroom) -> None:
    """For hundreds of calls: a described status, its media type, and a body that fits its schema; never a 500."""
    await fill(newsroom)
    document = await web.json("/api/openapi.json")
    validators: dict[str, Draft202012Validator] = {}
    chance = random.Random(11)
    calls = [(path, call) for path, item in document["paths"].items() for method, call in item.items() if method == "get"]
    seen: dict[str, set[int]] = {}
    for round_ in range(250):
        template, call = calls[round_ % len(calls)]
        if template == "/api/stream":
            continue
        path, query = template, []
        for parameter in call.get("parameters", []):
            value = value_for(parameter["schema"], chance)
            if parameter["in"] == "path":
                value = value or "x"
                path = path.replace(
                    "{" + parameter["name"] + "}", quote(value, safe="/" if parameter["name"] == "feed" and ".." not in value else "")
                )
            elif parameter["in"] == "query" and (parameter.get("required") or chance.random() < 0.5):
                query.append(f"{parameter['name']}={quote(value)}")
        address = URL(web.url + path + ("?" + "&".join(query) if query else ""), encoded=True)
        async with web.session.get(address) as answer:
            body = await answer.text()
            assert answer.status != 500, (path, query, body)
            described = call["responses"].get(str(answer.status))
            assert described is not None or answer.status == 404, (path, query, answer.status, body)
            seen.setdefault(template, set()).add(answer.status)
            if answer.status >= 400:
                problem = json.loads(body)
                assert answer.content_type == "application/problem+json"
                assert problem["status"] == answer.status
                continue
            assert described is not None
            key = f"{template} {answer.status}"
            if key not in validators:
                schema = described["content"][answer.content_type]["schema"]
                validators[key] = Draft202012Validator({**schema, "components": document["components"]})
            validators[key].validate(json.loads(body))
    assert len(seen) == len(calls) - 1
    assert all(200 in statuses for statuses in seen.values())


async def test_schemathesis_finds_nothing(web: Web, newsroom: Newsroom) -> None:
    """Its own cases at the edges of every parameter, and made-up ones, all checks on; the same ones in every run. The stream never ends."""
    story_id = await fill(newsroom)
    await newsroom.story("bees", "x", [], status=StoryStatus.MERGED, redirect_to="ferry", reason="merged")
    environment = {
        "SCHEMATHESIS_HOOKS": "tests.web.schemathesis_hooks",
        "SCHEMATHESIS_STORIES": f"{story_id} {made_id('bees')}",
        "SCHEMATHESIS_ARTICLES": f"{made_id('ferry/1')} {made_id('ferry/2')}",
        "SCHEMATHESIS_FEEDS": "top language/en publisher/meridianwire.example",
    }
    run = "-m schemathesis.cli run --exclude-path /api/stream --checks all --continue-on-failure --no-color"
    made = "--phases coverage,fuzzing --max-examples 30 --generation-deterministic"
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, *run.split(), *made.split(), f"{web.url}/api/openapi.json"),
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await program.communicate())[0].decode()
    assert program.returncode == 0, said
    assert "No issues found" in said, said
