"""Real services as processes, for tests that watch, stop and kill them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Service:
    """A service run as `slugline run NAME` with its settings from the environment. Its log is kept in a file."""

    def __init__(self, name: str, log: Path, **settings: object) -> None:
        self.name = name
        self.log = log
        self._environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            **{f"SLUGLINE_{key.upper()}": str(value) for key, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.cli", "run", self.name],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, *, alone: bool = False) -> None:
        """Kill it and all of its children as a crash of the machine would; `alone`, its children are left to notice by themselves."""
        if self._process is not None:
            if alone:
                self._process.kill()
            else:
                with suppress(ProcessLookupError):  # it ended by itself
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def end(self, limit_s: float = 20) -> int:
        """Stop it with SIGTERM and give its exit code; killed after the limit."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            code = self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL
        self._process = None
        return code

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def ended(self) -> int | None:
        """The exit code of one that has ended by itself."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def logged(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def running(*services: Service) -> Iterator[None]:
    """Start services, and kill what is left of them at the end."""
    try:
        for service in services:
            service.start()
        yield
    finally:
        for service in services:
            if service.alive:
                service.kill()
