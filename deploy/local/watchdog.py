"""Ends the children of a supervisor that died without ending them. Run as a script: only the standard library, no imports of ours.

Standard input is a pipe whose other end the supervisor alone holds. A line `+ PGID SIGNAL` names a process group to end with
that signal, `- PGID` one that has ended. At the end of input, which comes even after a kill -9, every group left gets its
signal and, after the limit in seconds given as the only argument, SIGKILL.
"""

import contextlib
import os
import signal
import sys
import time

POLL_S = 0.1


def alive(group: int) -> bool:
    """Say whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def send(group: int, number: int) -> None:
    """Signal a group that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def main() -> None:
    """Watch until the supervisor's end of the pipe is closed, then end what is left."""
    limit_s = float(sys.argv[1])
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    left: dict[int, int] = {}
    for line in sys.stdin:
        match line.split():
            case ["+", group, number]:
                left[int(group)] = int(number)
            case ["-", group]:
                left.pop(int(group), None)
    for group, number in left.items():
        send(group, number)
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and any(alive(group) for group in left):
        time.sleep(POLL_S)
    for group in left:
        if alive(group):
            send(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
