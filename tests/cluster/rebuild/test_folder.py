"""What a rebuild leaves on disk is told from outside: done, failed, interrupted, or another version's."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from services.cluster.rebuild.folder import Folder, PartitionProgress, Progress
from shared.errors import InvalidSetting, Refused


def begun(folder: Folder) -> Progress:
    progress = Progress("r", "1", 1, "2026-03-02", {}, partitions={0: PartitionProgress()})
    folder.save(progress)
    return progress


def test_a_finished_rebuild_is_read_back_and_dropped_without_a_trace(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "rebuild")
    progress = begun(folder)
    assert folder.progress().standing == "running"
    with pytest.raises(Refused, match="is running"):
        folder.finished()
    with pytest.raises(Refused, match="end it first"):
        folder.drop()
    folder.save_partition(0, PartitionProgress(state="done", clustered=7))
    folder.save_groups(0, {UUID(int=1): UUID(int=2)})
    progress.state = "done"
    folder.save(progress)
    assert folder.finished().partitions[0].clustered == 7
    assert folder.groups(0) == {UUID(int=1): UUID(int=2)}
    folder.drop()
    assert not folder.path.exists()
    with pytest.raises(Refused, match="slugline rebuild start"):
        folder.progress()


def test_a_rebuild_whose_process_is_gone_is_interrupted(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    progress = begun(folder)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    progress.pid = ended.pid
    folder.save(progress)
    assert folder.progress().standing == "interrupted"


def test_another_versions_rebuild_is_refused_with_a_word(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    begun(folder)
    path = tmp_path / "rebuild.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "something_new": 1}))
    with pytest.raises(Refused, match="another version"):
        folder.progress()


def test_a_folder_that_cannot_be_written_is_named_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidSetting, match=r"file/rebuild can't be written.*SLUGLINE_REBUILD_FOLDER"):
        begun(Folder(tmp_path / "file" / "rebuild"))
