"""Child processes: started in groups of their own, started again when they die, ended for certain.

Three things hold for every child. It ends when it is told to, or is killed after a limit. What it started itself ends
with it. And if this process is killed with -9, a watchdog ends it. Its output goes to a file, never through a pipe of ours,
so that a slow supervisor can't block it.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.local.failures import CannotStart

STOP_LIMIT_S: Final = 12.0
"""Between the polite signal and SIGKILL: longer than the limit that a service gives its own drain (`shared/service.py`)."""
POLL_S: Final = 0.1
FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 30.0
WELL_AFTER_S: Final = 60.0
"""A child that ran this long starts again with the first backoff."""
LOG_LIMIT_BYTES: Final = 20_000_000
FULL_BYTES: Final = 16_000_000
"""With so little room left neither a broker nor a database can write on."""
LAST_WORDS_LINES: Final = 8


@dataclass(frozen=True, slots=True)
class Command:
    """How to start one child: its arguments, environment (the whole of it), log file, polite signal and, for root, whom to become."""

    name: str
    arguments: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    folder: Path | None = None
    stop_signal: int = signal.SIGTERM
    become: Callable[[], None] | None = None


class Watchdog:
    """The process that ends our children if we die without doing so."""

    def __init__(self, limit_s: float = STOP_LIMIT_S, held: Sequence[int] = ()) -> None:
        """Start it. It keeps the file descriptors in `held` (a lock) open until the last child has ended."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", Path(__file__).with_name("watchdog.py"), str(limit_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=held,
            cwd="/",
        )

    @property
    def pid(self) -> int:
        """The watchdog's process id."""
        return self._process.pid

    def watch(self, child: "Child") -> None:
        """End this child's group if we die."""
        self._tell(f"+ {child.pid} {int(child.command.stop_signal)}\n")

    def forget(self, child: "Child") -> None:
        """Forget a child that has ended: its number may become another's."""
        self._tell(f"- {child.pid}\n")

    def close(self) -> None:
        """End the watchdog itself, after the children."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


class Child:
    """One running child and the group of processes that it leads."""

    def __init__(self, command: Command, watchdog: Watchdog | None = None) -> None:
        """Start it. Raises `CannotStart` when the program can't be run at all."""
        self.command = command
        self.started_at = time.monotonic()
        self._watchdog = watchdog
        command.log.parent.mkdir(parents=True, exist_ok=True)
        _rotate(command.log)
        with command.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    [str(argument) for argument in command.arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(command.environment),
                    cwd=command.folder,
                    start_new_session=True,
                    preexec_fn=command.become,  # noqa: PLW1509  it makes system calls alone, so no lock of another thread matters
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise CannotStart(f"{command.name} can't be started ({command.arguments[0]}): {error}") from error
        if watchdog:
            watchdog.watch(self)

    @property
    def pid(self) -> int:
        """Its process id, which is also its group's."""
        return self._process.pid

    def returncode(self) -> int | None:
        """Give how it ended, None while it runs. What was left of its group is killed once it has ended."""
        code = self._process.poll()
        if code is not None and self._watchdog is not None:
            self._signal_group(signal.SIGKILL)
            self._watchdog.forget(self)
            self._watchdog = None
        return code

    async def ended(self) -> int:
        """Wait for its end and give how it ended."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # no Linux, or it has been waited for
            while (code := self.returncode()) is None:
                await asyncio.sleep(POLL_S)
            return code
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, end.set)
        try:
            while (code := self.returncode()) is None:
                await end.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return code

    def ask_to_stop(self) -> None:
        """Send the polite signal to the child itself, which ends what it started."""
        if self._process.poll() is None:
            self._process.send_signal(self.command.stop_signal)

    def kill(self) -> None:
        """Kill the whole group and wait for the child's end."""
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        self._signal_group(signal.SIGKILL)
        self.returncode()

    def stop(self, limit_s: float = STOP_LIMIT_S) -> bool:
        """Ask it to stop, kill it after the limit. True if it went by itself."""
        self.ask_to_stop()
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._signal_group(signal.SIGKILL)
        self.returncode()
        return True

    def last_words(self) -> str:
        """Give the last lines of its log, for a message about its end."""
        return last_lines(self.command.log, LAST_WORDS_LINES)

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def last_lines(path: Path, count: int) -> str:
    """Give the last `count` lines of a text file that may be large or absent."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 400 * count))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    except OSError:
        return ""


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(log.suffix + ".1"))


Tell = Callable[[str, str], None]
"""Told (the child's name, what happened)."""


class Supervisor:
    """Keeps children running until they are stopped: one that dies is started again, after a pause that grows."""

    def __init__(self, watchdog: Watchdog, tell: Tell, *, stop_limit_s: float = STOP_LIMIT_S) -> None:
        """Keep the watchdog and where to tell what happens."""
        self._watchdog = watchdog
        self._tell = tell
        self._stop_limit_s = stop_limit_s
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self.restarts: dict[str, int] = {}

    def start(self, command: Command, renew: Callable[[], Command] | None = None) -> Child:
        """Start a child and keep it running; `renew` gives the command of a later start. Raises `CannotStart`."""
        child = Child(command, self._watchdog)
        self._children[command.name] = child
        self.restarts[command.name] = 0
        self._keepers[command.name] = asyncio.create_task(self._keep(command, renew), name=f"keep {command.name}")
        return child

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all children, in the order of their start."""
        return tuple(self._children)

    def pids(self) -> dict[str, int]:
        """Give each running child's process id by name."""
        return {name: child.pid for name, child in self._children.items() if child.returncode() is None}

    def child(self, name: str) -> Child:
        """Give the present child of that name."""
        return self._children[name]

    async def stop(self, *names: str, limit_s: float | None = None) -> None:
        """Stop the named children together; those that hang are killed after the limit."""
        chosen = [name for name in names if name in self._children]
        for name in chosen:
            if keeper := self._keepers.pop(name, None):
                keeper.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await keeper
        children = [self._children.pop(name) for name in chosen]
        for child in children:
            child.ask_to_stop()
        limit_s = self._stop_limit_s if limit_s is None else limit_s
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline and any(child.returncode() is None for child in children):
            await asyncio.sleep(POLL_S)
        for child in children:
            if child.returncode() is None:
                self._tell(child.command.name, f"did not stop within {limit_s:g} s and was killed")
                child.kill()

    def kill_all(self) -> None:
        """Kill every child at once."""
        for name in list(self._children):
            if keeper := self._keepers.pop(name, None):
                keeper.cancel()
            self._children.pop(name).kill()

    async def _keep(self, command: Command, renew: Callable[[], Command] | None) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            child = self._children[command.name]
            code = await child.ended()
            if time.monotonic() - child.started_at > WELL_AFTER_S:
                backoff_s = FIRST_BACKOFF_S
            self._tell(command.name, f"ended ({describe_end(code)}), starts again in {backoff_s:g} s; {_reason(command.log)}")
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
            self.restarts[command.name] += 1
            try:
                self._children[command.name] = Child(renew() if renew else command, self._watchdog)
            except CannotStart as error:
                self._tell(command.name, str(error))


def _reason(log: Path) -> str:
    """Say where to look, and what has likely ended it where that can be seen from here."""
    free = shutil.disk_usage(log.parent).free
    return f"the disk is full, make room in {log.parent}" if free < FULL_BYTES else f"see {log}"


def describe_end(code: int) -> str:
    """Say how a process ended."""
    if code < 0:
        try:
            return f"by {signal.Signals(-code).name}"
        except ValueError:
            return f"by signal {-code}"
    return f"exit {code}"
