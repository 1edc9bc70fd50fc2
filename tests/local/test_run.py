"""`slugline local run` as a person runs it: one line when it is up, one instance a folder, nothing left behind."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.places import cache_folder
from deploy.local.ports import LOOPBACK

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(600)]

START_LIMIT_S = 240.0
STOP_LIMIT_S = 90.0
DEFAULT_PORTS = (8080, 9092, 9093, 5432)


class Run:
    """One `slugline local run --no-demo` on a data folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = environment_for(folder) | environment
        self.out, self.err = folder.with_suffix(".out"), folder.with_suffix(".err")
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen([*SLUGLINE, "local", "run", "--no-demo"], stdout=out, stderr=err, env=self.environment)

    def url(self) -> str:
        until(lambda: self.out.read_text() != "" or self.process.poll() is not None, START_LIMIT_S, "the line that says where it is")
        match = re.fullmatch(rf"Slugline is at (http://{re.escape(LOOPBACK)}:\d+)\n", self.out.read_text())
        assert match, self.err.read_text()
        return match[1]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_LIMIT_S)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return slugline(*arguments, environment=self.environment)

    def pids(self, name: str = "") -> list[int]:
        """Give the living processes of this folder, those of one service if named."""
        return [pid for pid, command in processes(self.folder).items() if name in command]


SLUGLINE = (sys.executable, "-m", "deploy.cli")


def environment_for(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"}}
    return kept | {"SLUGLINE_DATA": str(folder), "COLUMNS": "200"}


def slugline(*arguments: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*SLUGLINE, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False)


def processes(folder: Path) -> dict[int, str]:
    """Give the command lines of the processes that name the folder in their arguments or environment, by pid."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if not entry.name.isdigit():
                continue
            arguments, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            ended = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if str(folder).encode() in arguments + environment and not ended:
                found[int(entry.name)] = arguments.replace(b"\0", b" ").decode()
    return found


def until(condition: Callable[[], object], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s:g} s in vain for: {what}"
        time.sleep(0.1)


@contextlib.contextmanager
def default_ports_taken() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for port in DEFAULT_PORTS:
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server((LOOPBACK, port)))
        yield


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Give a running instance, started while every default port was taken."""
    with default_ports_taken():
        run = Run(tmp_path_factory.mktemp("run") / "data")
        try:
            run.url()
            yield run
        finally:
            run.stop()


def test_it_says_where_it_is_in_one_line_and_the_page_is_there(running: Run) -> None:
    url = running.url()
    assert int(url.rpartition(":")[2]) not in DEFAULT_PORTS
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.status == 200
        assert b"Top Headlines" in answer.read()


def test_a_second_instance_is_refused_and_says_who_holds_the_data(running: Run) -> None:
    second = running.command("local", "run", "--no-demo")
    assert second.returncode == 1
    assert second.stdout == ""
    assert f"process {running.process.pid}" in " ".join(second.stderr.split())


def test_status_says_that_every_service_is_ready(running: Run) -> None:
    status = running.command("local", "status")
    assert status.returncode == 0
    for name in ("poll", "fetch", "enrich", "assign", "link", "materialise", "brief", "webhooks", "web"):
        assert re.search(rf"^{name} +ready", status.stdout, re.MULTILINE), status.stdout
    assert ":***@" in status.stdout, "the database's password is not shown"


def test_the_doctor_finds_the_instance_by_itself_and_nothing_wrong(running: Run) -> None:
    told = running.command("doctor", "--json")
    findings = json.loads(told.stdout)["findings"]
    assert [one for one in findings if one["level"] == "problem" and one["area"] != "machine"] == []
    assert {"local", "kafka", "database", "settings", "machine"} <= {one["area"] for one in findings}
    assert any(one["what"] == "assign is ready" for one in findings)


def test_whoever_changes_something_is_noted_with_the_instance_s_logs(running: Run) -> None:
    assert running.command("topics", "apply").returncode == 0
    [line] = [one for one in (running.folder / "logs" / "admin.log").read_text().splitlines() if '"slugline topics apply"' in one]
    assert json.loads(line)["who"]


def test_topics_are_as_they_should_be(running: Run) -> None:
    assert running.command("topics", "check").returncode == 0


def test_everything_listens_on_the_loopback_address_only(running: Run) -> None:
    pids = set(running.pids())
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {fields[9]: fields[1] for fields in listening if fields[3] == "0A"}
    addresses = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    addresses.add(inodes[target[8:-1]].partition(":")[0])
    assert addresses == {"0100007F"}


def test_cleaning_is_refused_while_it_runs(running: Run) -> None:
    clean = running.command("local", "clean")
    assert clean.returncode == 1
    assert (running.folder / "kafka").exists()


def test_it_goes_on_with_its_data_stops_when_a_service_hangs_and_leaves_nothing_when_killed(running: Run) -> None:
    """The last of this file: it ends the instance that the others look at."""
    run, folder = running, running.folder
    added = run.command("feeds", "add", "http://outlet.invalid/rss.xml")
    assert added.returncode == 0, added.stderr
    [hanging] = run.pids("run assign")
    os.kill(hanging, signal.SIGSTOP)
    assert run.stop() == 0
    assert "assign" in run.err.read_text()
    assert processes(folder) == {}

    # No registry answers now: what the first run has fetched must do.
    again = Run(folder, HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="127.0.0.1,localhost")
    again.url()
    assert "outlet.invalid" in again.command("feeds", "list").stdout
    again.process.kill()
    again.process.wait()
    until(lambda: processes(folder) == {}, STOP_LIMIT_S, "the end of every child of the killed instance")

    assert slugline("local", "clean", environment=environment_for(folder)).returncode == 0
    assert not folder.exists()
    assert cache_folder().exists()
