"""The consumers, in Python and in Node: each change once over a kill, gaps noticed, merges followed, deletions taken over."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.ports import free_ports
from shared.contracts import Brief, Message, Section, Sentence, Story, StoryStatus, StoryUpdated
from shared.contracts.export import SCHEMAS
from shared.ids import event_id
from shared.kafka.decision import Output
from shared.topics import STORIES, STORY_BRIEFS, STORY_UPDATES
from tests.topics import until, write

EXAMPLES = Path(__file__).parents[2] / "examples"
NODE_EXAMPLES = EXAMPLES / "node"
NODE = shutil.which("node")
NPM = shutil.which("npm")
NODE_MAJOR = 20
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def why_no_node() -> str | None:
    """Say why the examples in Node can't run here; None: they can."""
    if NODE is None or NPM is None:
        return "node or npm is not installed"
    found = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return None if int(found.lstrip("v").split(".")[0]) >= NODE_MAJOR else f"the examples need Node {NODE_MAJOR}, this is {found}"


@pytest.fixture(scope="session")
def node_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the examples in Node with what they depend on, installed by their lock."""
    if reason := why_no_node():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("node") / "examples"
    shutil.copytree(NODE_EXAMPLES, folder, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run([str(NPM), "ci", "--prefer-offline"], cwd=folder, check=True, timeout=240)
    return folder


@dataclass(frozen=True)
class Examples:
    """The examples in one language."""

    command: tuple[str, ...]
    folder: Path
    suffix: str

    def run(self, name: str, *arguments: object) -> list[str]:
        return [*self.command, str(self.folder / f"{name}.{self.suffix}"), *map(str, arguments)]


@pytest.fixture(params=["python", "node"])
def examples(request: pytest.FixtureRequest) -> Examples:
    if request.param == "python":
        return Examples((sys.executable,), EXAMPLES, "py")
    return Examples((str(NODE),), request.getfixturevalue("node_examples"), "mjs")


def update(story: int, revision: int, **more: object) -> Output:
    identity = UUID(int=story)
    event = StoryUpdated(
        event_id=event_id(identity, revision), story_id=identity, revision=revision, reason="created" if revision == 1 else "article_added", status=StoryStatus.OPEN,
        article_count=revision, publisher_count=1, headline=f"Story {story} revision {revision}", language="en", first_published_at=NOW, last_published_at=NOW,
    ).model_copy(update=more)  # fmt: skip
    return at_home(STORY_UPDATES, story, event)


def state(story: int, revision: int, **more: object) -> Output:
    return at_home(
        STORIES,
        story,
        Story(
            story_id=UUID(int=story), revision=revision, status=StoryStatus.OPEN, headline=f"Story {story} revision {revision}", language="en",
            article_count=revision, publisher_count=1, first_published_at=NOW, last_published_at=NOW,
        ).model_copy(update=more),
    )  # fmt: skip


def brief(story: int, revision: int) -> Output:
    sentence = Sentence(text=f"What story {story} says at {revision}.", citations=(1, 2))
    sections = (Section(heading="What happened", sentences=(sentence,)),)
    return at_home(STORY_BRIEFS, story, Brief(story_id=UUID(int=story), story_revision=revision, sections=sections))


def at_home(topic, story: int, message: Message | None) -> Output:
    return Output(topic, str(UUID(int=story)), message, story % topic.partitions)


async def abort(broker: str, outputs: Sequence[Output], name: str) -> None:
    """Write outputs in a transaction that is given up."""
    async with AIOKafkaProducer(bootstrap_servers=broker, transactional_id=name) as producer:
        await producer.begin_transaction()
        for output in outputs:
            assert output.value is not None
            await producer.send_and_wait(
                output.topic.name, key=output.key.encode(), value=output.value.to_bytes(), partition=output.partition
            )
        await producer.abort_transaction()


@contextmanager
def running(command: Sequence[str], printed: Path) -> Iterator[None]:
    with printed.open("a") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def kept(path: Path) -> dict[str, int]:
    """Give where the example reads on, by topic and partition, as its state says."""
    if not path.exists():
        return {}
    if path.read_bytes().startswith(b"SQLite"):
        with sqlite3.connect(path) as db:
            tables = {name for [name] in db.execute("SELECT name FROM sqlite_master")}
            if "offsets" not in tables:
                return {}
            return {str(row[:-1]): row[-1] for row in db.execute("SELECT * FROM offsets")}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {place: int(offset) for line in lines for place, offset in line["offsets"]}


@pytest.mark.stack
async def test_a_follower_prints_each_change_once_over_a_kill_and_notices_a_gap(
    examples: Examples, clean_topics: str, tmp_path: Path, unique
) -> None:
    """A kill repeats nothing, what was given up in a transaction is not seen, a merge leads on, and a hole is told."""
    kept_in, printed = tmp_path / "state", tmp_path / "printed"
    follow = examples.run("follow_stories", clean_topics, kept_in)

    async def shows(*texts: str) -> None:
        async def there() -> bool:
            return printed.exists() and all(text in printed.read_text() for text in texts)

        await until(there, f"{texts} in what it prints")

    await write(clean_topics, [update(1, 1), update(2, 1)])
    for number in range(2):
        await abort(clean_topics, [update(1, 2, headline="given up")], unique("aborted"))
        await abort(clean_topics, [update(3, number + 1, headline="given up")], unique("aborted"))
    await write(clean_topics, [update(1, 2)])
    with running(follow, printed):
        await shows("Story 1 revision 2", "Story 2 revision 1")
        await until(lambda: committed(kept_in), "its state")
    await write(
        clean_topics,
        [update(1, 2), update(1, 3), update(2, 4, reason="merged", redirect_to=UUID(int=1)), update(9, 1, reason="unheard_of")],
    )
    with running(follow, printed):
        await shows("Story 2 revision 4", "Story 1 revision 3", "lives on as", "unheard_of")
    lines = printed.read_text().splitlines()
    assert "given up" not in printed.read_text()
    for said in ("Story 1 revision 1", "Story 1 revision 2", "Story 1 revision 3", "Story 2 revision 1", "Story 2 revision 4"):
        assert sum(said in line for line in lines) == 1, said
    assert [line for line in lines if line.startswith("gap:")] == [
        f"gap: {UUID(int=2)} went from 1 to 4; read its present state in stories.v1"
    ]
    assert f"{UUID(int=2)} lives on as {UUID(int=1)}" in printed.read_text()


async def committed(path: Path) -> bool:
    return len(kept(path)) >= 2


@pytest.mark.stack
async def test_a_mirror_holds_what_is_now_and_merged_ids_lead_on(examples: Examples, clean_topics: str, tmp_path: Path) -> None:
    """It holds the latest of each story and brief over a kill, takes deletions over, ignores older versions, and shows a merged id."""
    kept_in, printed = tmp_path / "mirror", tmp_path / "printed"
    mirror = examples.run("mirror_stories", clean_topics, kept_in)

    def shown(story: int) -> str:
        said = subprocess.run(
            examples.run("mirror_stories", "show", kept_in, UUID(int=story)), check=False, capture_output=True, text=True, timeout=30
        )
        return said.stdout + said.stderr

    async def shows(story: int, *wanted: str, without: str = "nothing") -> None:
        async def there() -> bool:
            said = shown(story) if kept_in.exists() else ""
            return all(text in said for text in wanted) and without not in said

        await until(there, f"{wanted} of story {story}", limit_s=60, interval_s=0.3)

    await write(clean_topics, [state(1, 1), state(2, 1), brief(1, 1), brief(2, 1)])
    with running(mirror, printed):
        await shows(1, "Story 1 revision 1 (1 articles)", "What happened", "What story 1 says at 1. [1, 2]")
        await shows(2, "Story 2 revision 1")
    await write(clean_topics, [state(1, 3), state(1, 2), brief(1, 3), state(2, 2, redirect_to=UUID(int=1)), at_home(STORY_BRIEFS, 2, None)])
    with running(mirror, printed):
        await shows(1, "Story 1 revision 3", "says at 3")
        await shows(2, "Story 1 revision 3", "says at 3")
        await write(clean_topics, [at_home(STORY_BRIEFS, 1, None)])
        await shows(1, "Story 1 revision 3", without="says at")
    assert "there is no story" in shown(7)
    assert printed.read_text() == ""


def test_a_broker_that_is_elsewhere_is_said_in_a_line(tmp_path: Path) -> None:
    [port] = free_ports(1)
    said = subprocess.run(
        [sys.executable, EXAMPLES / "follow_stories.py", f"127.0.0.1:{port}", tmp_path / "state"], check=False, capture_output=True, text=True, timeout=30
    )  # fmt: skip
    assert said.returncode == 1
    assert "slugline local status" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_mirror_that_was_away_for_long_begins_anew(tmp_path: Path) -> None:
    """The broker keeps deletions for a day: a copy that is older than that is thrown away."""
    path = tmp_path / "mirror.db"
    with sqlite3.connect(path) as db:
        db.executescript(
            "CREATE TABLE offsets (topic TEXT, part INTEGER, next INTEGER, at REAL, PRIMARY KEY (topic, part));"
            "CREATE TABLE rows (topic TEXT, id TEXT, version INTEGER, value TEXT, PRIMARY KEY (topic, id));"
            "INSERT INTO offsets VALUES ('stories.v1', 0, 5, 1000); INSERT INTO rows VALUES ('stories.v1', 'x', 1, '{}');"
        )
    # No broker answers there: it ends with an error, after it has looked at its state.
    subprocess.run(
        [sys.executable, str(EXAMPLES / "mirror_stories.py"), "127.0.0.1:1", str(path)], check=False, capture_output=True, timeout=60
    )
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM rows").fetchone() == (0,)


@pytest.mark.stack
def test_the_examples_in_node_type_check(node_examples: Path) -> None:
    """TypeScript finds nothing, and the fields that they read are those of the schemas."""
    checked = subprocess.run([str(NPM), "run", "check"], cwd=node_examples, check=False, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout
    declared = (node_examples / "slugline.d.ts").read_text()
    for part in declared.split("export interface ")[1:]:
        name = part.split()[0]
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
        fields = [line.split(":")[0].strip() for line in part.splitlines() if line.startswith("  ") and ":" in line and "*" not in line]
        assert set(fields) <= set(schema["properties"]), name


def test_the_lock_of_the_examples_in_node_names_no_registry() -> None:
    """Each package has its hash and no address, so that any registry serves."""
    lock = json.loads((NODE_EXAMPLES / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert all("integrity" in package and "resolved" not in package for package in packages.values())


@pytest.fixture(autouse=True)
def _quiet_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "npm_config_loglevel", "error")
