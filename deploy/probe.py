"""`python -m deploy.probe`: exit code 0 when the service beside it is ready. A container's health check; needs no other program."""

import json
import os
import sys
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

TIMEOUT_S = 4


def main() -> int:
    """Ask `/ready` (or the path given) on SLUGLINE_HEALTH_PORT; print what it waits for."""
    port = os.environ.get("SLUGLINE_HEALTH_PORT", "9100")
    path = sys.argv[1] if len(sys.argv) > 1 else "/ready"
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT_S) as answer:
            print(answer.read().decode(errors="replace"))
            return 0
    except HTTPError as error:
        print(_waits(error.read()))
    except (URLError, OSError) as error:
        print(f"does not answer: {error}")
    return 1


def _waits(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body).get("waits", {}))
    except (ValueError, AttributeError):
        return body[:500].decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
