"""One instance a data folder: the lock, and who holds it."""

import fcntl
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.local.failures import AlreadyRunning
from deploy.local.places import DataFolder
from deploy.local.supervise import STOP_LIMIT_S

POLL_S = 0.2
AFTERMATH_LIMIT_S = STOP_LIMIT_S + 10
"""How long the children of a killed instance may take to end; its watchdog holds the lock until then."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds, or last held, the data folder."""

    pid: int
    since: str

    @property
    def alive(self) -> bool:
        """Whether that process is still there."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def holder(folder: DataFolder) -> Holder | None:
    """Give who holds the folder's lock, None if nobody does."""
    try:
        descriptor = os.open(folder.lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def hold(folder: DataFolder, tell: Callable[[str], None]) -> int:
    """Take the lock and give its file descriptor, which holds it while any process has it open.

    Waits while the children of a killed instance end. Raises `AlreadyRunning` with who holds it.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + AFTERMATH_LIMIT_S
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            current = _read(descriptor)
            if current.alive or time.monotonic() > deadline:
                os.close(descriptor)
                raise AlreadyRunning(
                    f"Slugline already runs on the data in {folder.root}: process {current.pid}, since {current.since}. "
                    "Stop it with `make stop`, or give this one another folder: SLUGLINE_DATA=…"
                ) from None
            if not told:
                tell(f"the processes of an instance that was killed ({current.pid}) are ending")
                told = True
            time.sleep(POLL_S)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}).encode(), 0)
    return descriptor


def _read(descriptor: int) -> Holder:
    try:
        values = json.loads(os.pread(descriptor, 10_000, 0))
        return Holder(int(values["pid"]), str(values["since"]))
    except (ValueError, KeyError, TypeError):
        # The other process has the lock and is about to write its name.
        return Holder(os.getpid(), "now")
