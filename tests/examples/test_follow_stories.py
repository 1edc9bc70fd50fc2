"""The Python consumer: each change once, over a restart, and a gap is noticed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from shared.contracts import StoryStatus, StoryUpdated
from shared.ids import event_id
from shared.kafka.decision import Output
from shared.topics import STORY_UPDATES
from tests.topics import until, write

pytestmark = pytest.mark.stack

EXAMPLE = Path(__file__).parents[2] / "examples" / "follow_stories.py"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def update(story: int, revision: int) -> Output:
    identity = UUID(int=story)
    event = StoryUpdated(
        event_id=event_id(identity, revision), story_id=identity, revision=revision, reason="created" if revision == 1 else "article_added", status=StoryStatus.OPEN,
        article_count=revision, publisher_count=1, headline=f"Story {story} revision {revision}", language="en", first_published_at=NOW, last_published_at=NOW,
    )  # fmt: skip
    return Output(STORY_UPDATES, str(identity), event, story % STORY_UPDATES.partitions)


@contextmanager
def following(broker: str, state: Path, printed: Path) -> Iterator[None]:
    with printed.open("a") as out:
        process = subprocess.Popen([sys.executable, str(EXAMPLE), broker, str(state)], stdout=out, stderr=out)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def test_it_prints_each_change_once_over_a_kill_and_notices_a_gap(clean_topics: str, tmp_path: Path) -> None:
    state, printed = tmp_path / "state.db", tmp_path / "printed"

    async def shows(text: str) -> None:
        async def there() -> bool:
            return printed.exists() and text in printed.read_text()

        await until(there, f"{text!r} in what it prints")

    await write(clean_topics, [update(1, 1), update(2, 1), update(1, 2)])
    with following(clean_topics, state, printed):
        await shows("Story 1 revision 2")
        await shows("Story 2 revision 1")
    await write(clean_topics, [update(1, 2), update(1, 3), update(2, 4)])
    with following(clean_topics, state, printed):
        await shows("Story 2 revision 4")
        await shows("Story 1 revision 3")
    lines = printed.read_text().splitlines()
    assert sum("Story 1 revision 2" in line for line in lines) == 1
    assert [line for line in lines if line.startswith("gap:")] == [
        f"gap: {UUID(int=2)} went from 1 to 4; read its present state in stories.v1"
    ]
