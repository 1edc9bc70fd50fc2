"""`python -m deploy.probe`: exit code 0 when the service beside it is ready. A container's health check; needs no other program.

It runs every few seconds beside each service, so it imports next to nothing: by `urllib` it would cost four times as much.
"""

import json
import os
import socket
import sys

TIMEOUT_S = 4


def main() -> int:
    """Ask `/ready` (or the path given) on SLUGLINE_HEALTH_PORT; print what it waits for."""
    port = os.environ.get("SLUGLINE_HEALTH_PORT", "9100")
    path = sys.argv[1] if len(sys.argv) > 1 else "/ready"
    try:
        status, body = _get(int(port), path)
    except (OSError, ValueError) as error:
        print(f"does not answer: {error}")
        return 1
    if status == 200:
        print(body.decode(errors="replace"))
        return 0
    print(_waits(body))
    return 1


def _get(port: int, path: str) -> tuple[int, bytes]:
    """Give an answer's status and body. Raises OSError, and ValueError for what is no HTTP."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    head, end, body = answer.partition(b"\r\n\r\n")
    protocol, _, told = head.partition(b" ")
    if not end or not protocol.startswith(b"HTTP/"):
        raise ValueError(f"no HTTP: {answer[:100]!r}")
    return int(told.split(b" ", 1)[0]), body


def _waits(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body).get("waits", {}))
    except (ValueError, AttributeError):
        return body[:500].decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
