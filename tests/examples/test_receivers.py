"""The receivers of webhooks, in Python and in Node: they believe only what is signed, and act on each event once."""

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from deploy.local.ports import free_ports
from services.publish.webhooks.event import Event, Kind, Told, probe_event, story_event
from services.publish.webhooks.sign import headers, secret_of
from tests.examples.test_consumers import EXAMPLES, NODE, NODE_EXAMPLES, why_no_node
from tests.topics import until

SECRET = secret_of(b"0123456789abcdef0123456789abcdef")
WEBHOOK = UUID(int=1)


@dataclass
class Example:
    """A receiver that runs."""

    port: int
    printed: Path

    def post(self, event: Event, *, secret: str = SECRET, at: datetime | None = None, body: bytes | None = None) -> int:
        signed = headers(str(event.event_id), at or datetime.now(UTC), event.body, [secret])
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", data=body or event.body, headers=dict(signed))
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    async def answers(self) -> bool:
        try:
            self.post(probe_event(WEBHOOK, "top", datetime.now(UTC)))
        except OSError:
            return False
        return True

    def said(self) -> list[str]:
        return [line.strip() for line in self.printed.read_text().splitlines() if "story." in line]


@pytest.fixture(params=["python", "node"])
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Example]:
    if request.param == "node" and (reason := why_no_node()):
        pytest.skip(reason)
    script = [sys.executable, str(EXAMPLES / "receive_webhooks.py")]
    if request.param == "node":
        shutil.copytree(NODE_EXAMPLES, tmp_path / "node", ignore=shutil.ignore_patterns("node_modules"))
        script = [str(NODE), str(tmp_path / "node" / "receive_webhooks.mjs")]
    [port] = free_ports(1)
    printed = tmp_path / "printed"
    with printed.open("wb") as out:
        process = subprocess.Popen(
            [*script, str(port), str(tmp_path / "state")], env=os.environ | {"SLUGLINE_WEBHOOK_SECRET": SECRET}, stdout=out, stderr=out
        )
    try:
        yield Example(port, printed)
    finally:
        process.kill()
        process.wait()


def event(kind: Kind, revision: int, told: Told | None = None) -> Event:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    story: dict[str, Any] = {
        "story_id": UUID(int=7), "revision": revision, "status": "open", "headline": f"Crane, at {revision}", "language": "en", "article_count": 1,
        "publisher_count": 1, "first_published_at": at, "last_published_at": at, "redirect_to": None, "changed_at": at,
    }  # fmt: skip
    return story_event(WEBHOOK, "search/harbours", kind, told, story, "")


async def test_a_receiver_believes_what_is_signed_and_acts_once(example: Example) -> None:
    """A repeat is taken and does nothing; what is forged, changed or old is refused; kinds that are not known are taken."""
    await until(example.answers, "its first answer", limit_s=30)
    entered, changed, left = (event(Kind.ENTERED, 1), event(Kind.CHANGED, 2, Told(1, True, 1)), event(Kind.LEFT, 2, Told(2, True, 2)))
    assert example.post(entered) == 204
    assert example.post(entered) == 204
    assert example.post(changed) == 204
    assert example.post(changed, secret=secret_of(b"f" * 32)) == 401
    assert example.post(changed, at=datetime.now(UTC) - timedelta(hours=1)) == 401
    assert example.post(changed, body=b'{"type": "story.left"}') == 401
    assert example.post(left) == 204

    async def said_all() -> bool:
        return len(example.said()) == 3

    await until(said_all, "what it prints", limit_s=10)
    assert example.said() == ["story.entered  Crane, at 1", "story.changed  Crane, at 2", "story.left  Crane, at 2"]
