"""One instance a data folder."""

import os
import re
from pathlib import Path

import pytest

from deploy.cli import _fail
from deploy.local.failures import AlreadyRunning
from deploy.local.lock import hold, holder
from deploy.local.places import DataFolder
from deploy.local.state import ADDRESSES, State, load_state, point_at_running_instance
from shared.errors import SluglineError, Unauthorised, Unreachable


def nothing(_: str) -> None:
    """Tell nobody."""


def test_a_second_instance_is_refused_and_told_who_holds_the_data(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    descriptor = hold(folder, nothing)
    with pytest.raises(AlreadyRunning, match=re.escape(f"on the data in {folder.root}: process {os.getpid()}, since 20")):
        hold(folder, nothing)
    os.close(descriptor)
    os.close(hold(folder, nothing))


def test_the_folder_has_no_holder_once_it_is_let_go(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert holder(folder) is None
    descriptor = hold(folder, nothing)
    assert (current := holder(folder)) is not None
    assert current.pid == os.getpid()
    os.close(descriptor)
    assert holder(folder) is None


def test_commands_talk_to_the_instance_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUGLINE_DATA", str(tmp_path))
    folder = DataFolder(tmp_path)
    State("127.0.0.1:1", "postgresql://127.0.0.1:2/x", "http://127.0.0.1:3").save(folder.state)
    environment: dict[str, str] = {"SLUGLINE_DATABASE_URL": "mine"}
    point_at_running_instance(environment)
    assert environment == {"SLUGLINE_DATABASE_URL": "mine"}
    descriptor = hold(folder, nothing)
    point_at_running_instance(environment)
    os.close(descriptor)
    assert environment == {"SLUGLINE_DATABASE_URL": "mine", "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


def test_a_command_during_the_start_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What refuses it then is another server at the address that is tried where none is told; told addresses are not doubted."""
    monkeypatch.setenv("SLUGLINE_DATA", str(tmp_path))
    for name in ADDRESSES:
        monkeypatch.delenv(name, raising=False)
    descriptor = hold(DataFolder(tmp_path), nothing)
    for error, environment, said in (
        (Unauthorised("refused"), {}, True),
        (Unreachable("away"), {}, True),
        (SluglineError("wrong"), {}, False),
        (Unreachable("away"), {"SLUGLINE_DATABASE_URL": "mine"}, False),
    ):
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit):
                _fail(error)
        assert (f"(process {os.getpid()}) is still starting: try again" in capsys.readouterr().err) is said
    os.close(descriptor)


def test_a_state_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.state.write_text("{half")
    assert load_state(folder) is None


def test_others_cannot_read_the_state(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    State("127.0.0.1:1", "postgresql://secret", "http://127.0.0.1:3").save(folder.state)
    assert folder.state.stat().st_mode & 0o077 == 0
