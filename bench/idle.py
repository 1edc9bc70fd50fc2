"""What an idle Slugline costs: processor and memory of each process of a local one without feeds, once it has settled.

`python -m bench.idle` starts one on data of its own, or `--pid` measures one that runs (`slugline local status` tells its process).
Memory is the proportional set size, in which what processes share counts once.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
START_LIMIT_S: Final = 300.0


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long to measure")
    parser.add_argument("--settle", type=float, default=240.0, help="how long to wait before: Java compiles for minutes")
    parser.add_argument("--pid", type=int, help="the process of a running `slugline local run`; absent: one is started")
    given = parser.parse_args()
    if given.pid:
        report(given.pid, given.seconds)
        return
    with started() as pid:
        time.sleep(given.settle)
        report(pid, given.seconds)


@contextlib.contextmanager
def started() -> Iterator[int]:
    """Run a local Slugline without the recorded web and give its process once all is ready."""
    with tempfile.TemporaryDirectory(prefix="slugline-idle-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "local", "run", "--no-demo", "--port", "18080"],
            env=os.environ | {"SLUGLINE_DATA": folder},
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        try:
            if process.stdout is None or not process.stdout.readline():
                raise SystemExit("the local Slugline did not start; it says above why")
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_LIMIT_S)


def report(root: int, seconds: float) -> None:
    """Print processor and memory of each part; a service's subprocesses are its own."""
    costs = measure(root, seconds)
    memory: dict[str, float] = defaultdict(float)
    for pid, name in parts(root).items():
        with contextlib.suppress(OSError):
            memory[name] += proportional_mb(pid)
    print(f"{'part':<12} {'of one core':>12} {'MB':>7}")
    for name, cost in sorted(costs.items(), key=lambda item: -item[1]):
        print(f"{name:<12} {cost:>10.2f} % {memory[name]:>7.0f}")
    print(f"{'in all':<12} {sum(costs.values()):>10.2f} % {sum(memory.values()):>7.0f}")


def measure(root: int, seconds: float) -> dict[str, float]:
    """Give for each part how many hundredths of one core it took."""
    began = time.monotonic()
    before = {pid: processor_s(pid) for pid in parts(root)}
    time.sleep(seconds)
    costs: dict[str, float] = defaultdict(float)
    for pid, name in parts(root).items():
        with contextlib.suppress(OSError):
            costs[name] += processor_s(pid) - before.get(pid, 0.0)
    took_s = time.monotonic() - began
    return {name: 100 * cost / took_s for name, cost in costs.items()}


def parts(root: int) -> dict[int, str]:
    """Give the process and all below it, each with the name of the part it belongs to."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                children[int(_stat(int(entry.name))[1])].append(int(entry.name))
    found = {root: "slugline"}
    for child in children[root]:
        name = part_name(_command(child))
        below = [child]
        while below:
            pid = below.pop()
            found[pid] = name
            below += children[pid]
    return found


def part_name(command: list[str]) -> str:
    """Name a child of the local Slugline by its command line."""
    if "run" in command[:-1]:
        return command[command.index("run") + 1]
    if any(argument.endswith("watchdog.py") for argument in command):
        return "watchdog"
    name = Path(command[0]).name if command else "ended"
    return {"java": "kafka"}.get(name, name)


def processor_s(pid: int) -> float:
    """Give the processor time that a process has taken, its threads and the kernel for it included."""
    stat = _stat(pid)
    return (int(stat[11]) + int(stat[12])) / TICKS_A_SECOND


def proportional_mb(pid: int) -> float:
    """Give a process's memory, what it shares divided among those that share it."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def _stat(pid: int) -> list[str]:
    """Give the fields of /proc/PID/stat behind the name, which may hold anything; state and parent come first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


if __name__ == "__main__":
    main()
