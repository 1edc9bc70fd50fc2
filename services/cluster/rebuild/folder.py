"""What a rebuild leaves on disk: how far it is, and the grouping of each partition."""

import json
import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import Field

from services.cluster.config import StoryRules
from shared.errors import InvalidSetting, Refused


class RebuildSettings(StoryRules):
    """Settings of `slugline rebuild`: the rules of stories are those that the history is clustered by."""

    rebuild_folder: Path = Field(default=Path(".slugline/rebuild"), description="where a rebuild keeps its progress and its outcome")
    rebuild_chunk: int = Field(
        default=50,
        ge=1,
        le=1_000,
        description="commands sent before assign is waited for: more is faster, and later for articles that come meanwhile",
    )
    rebuild_processes: int = Field(
        default=0,
        ge=0,
        le=64,
        description="partitions clustered at once, a process each, at the lowest priority; 0: one for each core",
    )
    rebuild_wait_s: float = Field(default=60, gt=0, description="how long assign may take for a chunk of commands before applying gives up")


@dataclass(slots=True)
class PartitionProgress:
    """One partition. `articles`: present in stories; `reused`, `encoded` and `missing` add up to them."""

    state: str = "waiting"
    articles: int = 0
    reused: int = 0
    encoded: int = 0
    missing: int = 0
    clustered: int = 0
    read_s: float = 0.0
    encode_s: float = 0.0
    cluster_s: float = 0.0
    next_offset: int = 0


@dataclass(slots=True)
class Progress:
    """A rebuild as a whole. `state`: running, done or failed; one whose process is gone is interrupted."""

    rebuild_id: str
    version: str
    features_version: int
    started_at: str
    rules: dict[str, Any]
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)
    state: str = "running"
    ended_at: str | None = None
    error: str = ""
    partitions: dict[int, PartitionProgress] = field(default_factory=dict)

    @property
    def standing(self) -> str:
        """Give the state, told from outside."""
        if self.state == "running" and self.host == socket.gethostname() and not _alive(self.pid):
            return "interrupted"
        return self.state


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Folder:
    """Where one rebuild is kept. All files are written whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is made yet."""
        self.path = path

    def progress(self) -> Progress:
        """Read how far the rebuild is. Raises `Refused` where there is none."""
        try:
            held: dict[str, Any] = json.loads((self.path / "rebuild.json").read_text())
        except FileNotFoundError:
            raise Refused("no_rebuild", f"there is no rebuild in {self.path}; begin one with: slugline rebuild start") from None
        try:
            held["partitions"] = {int(number): self.partition(int(number)) for number in held["partitions"]}
            return Progress(**held)
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(
                "other_version", f"the rebuild in {self.path} was made by another version ({error}); delete that folder"
            ) from error

    def partition(self, number: int) -> PartitionProgress:
        """Read how far a partition is."""
        try:
            return PartitionProgress(**json.loads((self.path / f"partition-{number}.json").read_text()))
        except FileNotFoundError:
            return PartitionProgress()

    def save_partition(self, number: int, progress: PartitionProgress) -> None:
        """Keep how far a partition is."""
        self._write(f"partition-{number}.json", asdict(progress))

    def finished(self) -> Progress:
        """Read a rebuild that is done. Raises `Refused` for any other."""
        progress = self.progress()
        if progress.state != "done":
            raise Refused("rebuild_unfinished", f"the rebuild in {self.path} is {progress.standing}; see: slugline rebuild status")
        return progress

    def save(self, progress: Progress) -> None:
        """Keep how far the rebuild is."""
        self._write("rebuild.json", asdict(progress))

    def save_groups(self, partition: int, groups: Mapping[UUID, UUID]) -> None:
        """Keep a partition's grouping."""
        self._write(f"groups-{partition}.json", {str(article_id): str(group) for article_id, group in groups.items()})

    def groups(self, partition: int) -> dict[UUID, UUID]:
        """Read a partition's grouping."""
        held = json.loads((self.path / f"groups-{partition}.json").read_text())
        return {UUID(article_id): UUID(group) for article_id, group in held.items()}

    def note_applied(self, outcome: Mapping[str, Any]) -> None:
        """Add a line on what applying did."""
        with (self.path / "applied.jsonl").open("a") as file:
            file.write(json.dumps({"at": datetime.now(UTC).isoformat(), **outcome}) + "\n")

    def drop(self) -> None:
        """Delete what is ours, and the folder if nothing else is in it. Raises `Refused` while the rebuild runs."""
        if self.progress().standing == "running":
            raise Refused("rebuild_runs", f"the rebuild in {self.path} runs (process {self.progress().pid}); end it first")
        for path in (
            *self.path.glob("groups-*.json"),
            *self.path.glob("partition-*.json"),
            self.path / "rebuild.json",
            self.path / "applied.jsonl",
        ):
            path.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            shutil.rmtree(self.path)

    def _write(self, name: str, held: Any) -> None:
        partial = self.path / f"{name}.partial"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(held, default=str))
            partial.replace(self.path / name)
        except OSError as error:
            raise InvalidSetting(
                f"the rebuild's folder {self.path} can't be written: {error}. Name another: --folder, or SLUGLINE_REBUILD_FOLDER"
            ) from error
