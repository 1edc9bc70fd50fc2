"""Children end when they are told to, when they hang, and when their supervisor is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.failures import CannotStart
from deploy.local.supervise import Child, Command, Supervisor, Watchdog

pytestmark = pytest.mark.faults

LIMIT_S = 20.0
WELL = "import time; print('well', flush=True); time.sleep(600)"
HANGS = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('well', flush=True); time.sleep(600)"
WITH_OWN_CHILD = (
    "import subprocess, sys, time; own = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    " print('own', own.pid, flush=True); time.sleep(600)"
)
SUPERVISOR = """
import sys, time
from pathlib import Path
from deploy.local.supervise import Child, Command, Watchdog
watchdog = Watchdog(limit_s=1)
for number, code in enumerate(sys.argv[2:]):
    child = Child(Command(f"child-{number}", [sys.executable, "-c", code], Path(sys.argv[1]) / f"{number}.log"), watchdog)
    print(child.pid, flush=True)
print("all", watchdog.pid, flush=True)
time.sleep(600)
"""


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {LIMIT_S:g} s in vain for: {what}"
        time.sleep(0.02)


async def until_async(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {LIMIT_S:g} s in vain for: {what}"
        await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    """Say whether a process has ended; one that only waits to be reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def own_watchdog() -> Iterator[Watchdog]:
    watchdog = Watchdog(limit_s=1)
    yield watchdog
    watchdog.close()


def command(folder: Path, name: str, code: str) -> Command:
    return Command(name, [sys.executable, "-c", code], folder / f"{name}.log")


def wait_until_well(child: Child) -> None:
    until(lambda: "well" in child.last_words() or "own" in child.last_words(), "the child's first line")


def test_a_child_stops_when_asked(tmp_path: Path, own_watchdog: Watchdog) -> None:
    child = Child(command(tmp_path, "well", WELL), own_watchdog)
    wait_until_well(child)
    assert child.stop(5)
    assert gone(child.pid)


def test_a_child_that_hangs_is_killed_after_the_limit(tmp_path: Path, own_watchdog: Watchdog) -> None:
    child = Child(command(tmp_path, "hangs", HANGS), own_watchdog)
    wait_until_well(child)
    assert not child.stop(0.3)
    assert gone(child.pid)


def test_what_a_child_started_ends_with_it(tmp_path: Path, own_watchdog: Watchdog) -> None:
    child = Child(command(tmp_path, "parent", WITH_OWN_CHILD), own_watchdog)
    wait_until_well(child)
    grandchild = int(child.last_words().split()[-1])
    child.kill()
    until(lambda: gone(grandchild), "the grandchild's end")


def test_a_program_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"ghost can't be started \(/no/such/program\)"):
        Child(Command("ghost", ["/no/such/program"], tmp_path / "ghost.log"))


def test_no_child_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path), WELL, HANGS, WITH_OWN_CHILD], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout
    lines = [supervisor.stdout.readline().split() for _ in range(4)]
    children, watchdog = [int(line[0]) for line in lines[:3]], int(lines[3][1])
    until(lambda: all((tmp_path / f"{number}.log").read_text() for number in range(3)), "the children's first lines")
    grandchild = int((tmp_path / "2.log").read_text().split()[-1])
    supervisor.kill()
    supervisor.wait()
    for pid in (*children, grandchild, watchdog):
        until(lambda pid=pid: gone(pid), f"the end of {pid}")


async def test_a_child_that_dies_is_started_again(tmp_path: Path, own_watchdog: Watchdog) -> None:
    told: list[str] = []
    supervisor = Supervisor(own_watchdog, lambda name, what: told.append(f"{name} {what}"))
    first = supervisor.start(command(tmp_path, "well", WELL))
    os.kill(first.pid, signal.SIGKILL)
    await until_async(
        lambda: supervisor.restarts["well"] == 1 and supervisor.pids().get("well", first.pid) != first.pid, "the second start"
    )
    second = supervisor.child("well").pid
    await supervisor.stop("well")
    assert told[0].startswith("well ended (by SIGKILL), starts again in 0.5 s")
    assert gone(second)


async def test_all_children_stop_together_and_the_hanging_one_is_named(tmp_path: Path, own_watchdog: Watchdog) -> None:
    told: list[str] = []
    supervisor = Supervisor(own_watchdog, lambda name, what: told.append(f"{name} {what}"))
    children = [supervisor.start(command(tmp_path, name, code)) for name, code in (("well", WELL), ("hangs", HANGS))]
    for child in children:
        await asyncio.to_thread(wait_until_well, child)
    await supervisor.stop("well", "hangs", limit_s=0.5)
    assert all(gone(child.pid) for child in children)
    assert told == ["hangs did not stop within 0.5 s and was killed"]
