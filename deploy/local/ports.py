"""Free TCP ports on the loopback address."""

import random
import socket
from collections.abc import Iterable

LOOPBACK = "127.0.0.1"
CANDIDATES = range(15_000, 32_000)
"""Below the range from which systems give ports to outgoing connections, so that none of those takes it before the server does."""


def is_free(port: int) -> bool:
    """Say whether a server can listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(*preferred: int, taken: Iterable[int] = ()) -> int:
    """Give the first preferred port that is free, else a random free one; never one of `taken`."""
    avoid = set(taken)
    for port in preferred:
        if port not in avoid and is_free(port):
            return port
    candidates = [port for port in CANDIDATES if port not in avoid]
    random.SystemRandom().shuffle(candidates)
    return next(port for port in candidates if is_free(port))


def free_ports(count: int) -> list[int]:
    """Give `count` different free ports."""
    found: list[int] = []
    while len(found) < count:
        found.append(free_port(taken=found))
    return found
