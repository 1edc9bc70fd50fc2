"""A small owner for the tests: it counts inputs by key and emits each count. Run as a program, it is a worker to kill."""

import asyncio
import json
import sys
from collections.abc import Mapping

from shared.contracts.base import Message
from shared.kafka.decision import Decision, Output, SourceRecord
from shared.kafka.owner import OwnerSettings, PartitionOwner
from shared.kafka.partition import Submit
from shared.topics import Topic


class Count(Message):
    """How often a key was seen."""

    key: str
    count: int
    padding: str = ""


class CountingLogic:
    """Counts inputs by key. The input `boom` raises; `fat:N` makes an output of N bytes."""

    def __init__(self, output: Topic) -> None:
        self.output = output
        self.counts: dict[str, int] = {}
        self.restored_from: list[str] = []
        self.followed: list[str] = []

    def restore(self, key: str, value: bytes | None) -> None:
        self.counts[key] = json.loads(value or b"0")
        self.restored_from.append(key)

    def restored(self) -> None:
        pass

    def follow(self, changes: Mapping[str, bytes | None]) -> None:
        for key, value in changes.items():
            self.counts[key] = json.loads(value or b"0")
        self.followed += changes

    def decide(self, record: SourceRecord) -> Decision:
        value = (record.value or b"").decode()
        if value == "boom":
            msg = "this input can't be handled"
            raise RuntimeError(msg)
        key = (record.key or b"").decode()
        count = self.counts.get(key, 0) + 1
        padding = "x" * int(value.removeprefix("fat:")) if value.startswith("fat:") else ""
        return Decision(
            (Output(self.output, key, Count(key=key, count=count, padding=padding), record.partition),), {key: json.dumps(count).encode()}
        )

    def apply(self, decision: Decision) -> None:
        for key, value in decision.changes.items():
            self.counts[key] = json.loads(value or b"0")

    async def act(self, submit: Submit) -> None:
        pass


def topics(prefix: str, partitions: int = 2) -> tuple[Topic, Topic, Topic]:
    """Give a source, an output and a changelog of their own names."""
    compact = {"cleanup.policy": "compact"}
    return (
        Topic(f"{prefix}-source", "key", partitions, None, "inputs", {"cleanup.policy": "delete"}),
        Topic(f"{prefix}-output", "key", partitions, None, "counts", {"cleanup.policy": "delete"}),
        Topic(f"{prefix}-changelog", "key", partitions, None, "state", compact),
    )


def owner(prefix: str, settings: OwnerSettings, partitions: int = 2, *, standby: bool = False) -> PartitionOwner:
    """Wire the counting owner."""
    source, output, changelog = topics(prefix, partitions)

    def make_logic(_: int) -> CountingLogic:
        return CountingLogic(output)

    return PartitionOwner(
        stage=prefix,
        source=source,
        changelog=changelog,
        make_logic=make_logic,
        settings=settings,
        make_standby=make_logic if standby else None,
    )


if __name__ == "__main__":
    worker = owner(sys.argv[1], OwnerSettings(batch_records=20, session_timeout_s=6), standby="standby" in sys.argv)
    asyncio.run(worker.run(asyncio.Event()))
