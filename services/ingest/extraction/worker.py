"""The subprocess that reads hostile documents: one at a time, within limits of memory, killable at any moment.

It speaks frames over stdin and stdout: a length in 4 bytes, then bytes. A request is two frames, JSON and the document; an
answer is one frame of JSON. It holds no secret: its environment is bare.
"""

import contextlib
import ctypes
import json
import logging
import os
import resource
import signal
import struct
import sys
from datetime import datetime
from typing import Any, BinaryIO

from shared.errors import Refused

_PR_SET_PDEATHSIG = 1
READY = b"ready"
EXIT_MEMORY = 77


def main() -> int:
    """Serve until stdin ends.

    `argv[1]` is JSON: parent (its pid), memory_bytes, warm_up, and limits as `PageLimits` and `parse_feed` take them.
    """
    arguments: dict[str, Any] = json.loads(sys.argv[1])
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not disturb the frames
    _tie_to_parent(int(arguments["parent"]))
    _limit(int(arguments["memory_bytes"]))
    logging.disable(logging.CRITICAL)
    serve = _load(arguments)
    write_frame(answers, READY)
    while (header := read_frame(requests)) is not None:
        body = read_frame(requests)
        if body is None:
            break
        try:
            answer = serve(json.loads(header), body)
        except MemoryError:
            with contextlib.suppress(OSError):
                write_frame(
                    answers, json.dumps({"refused": ["too_much_memory", "the document needs more memory than is allowed"]}).encode()
                )
            return EXIT_MEMORY  # what the failure left behind is not trusted
        write_frame(answers, answer)
    return 0


def _load(arguments: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415 — after the limits are set

    from services.ingest.extraction.model import Extracted  # noqa: PLC0415
    from services.ingest.extraction.page import PageLimits  # noqa: PLC0415
    from services.ingest.feeds import FeedLink, ParsedFeed, discover_feeds, parse_feed  # noqa: PLC0415
    from services.ingest.feeds.decode import decode  # noqa: PLC0415

    limits = PageLimits(**arguments["page_limits"])
    tolerance_s = float(arguments["future_tolerance_s"])
    extracted, parsed, found = TypeAdapter(Extracted), TypeAdapter(ParsedFeed), TypeAdapter(tuple[FeedLink, ...])
    if arguments["warm_up"]:
        from services.ingest.language import detect_language  # noqa: PLC0415

        detect_language("The model is read before the first page comes.")

    def serve(request: dict[str, Any], body: bytes) -> bytes:
        now = datetime.fromisoformat(request["now"])
        try:
            if request["task"] == "extract":
                from services.ingest.extraction.extract import extract  # noqa: PLC0415 — who reads feeds alone does without it

                page = extract(
                    body, url=request["url"], content_type=request["content_type"], now=now, limits=limits, future_tolerance_s=tolerance_s
                )
                return b'{"ok":' + extracted.dump_json(page) + b"}"
            if request["task"] == "discover":
                return b'{"ok":' + found.dump_json(discover_feeds(decode(body, request["content_type"]).text, url=request["url"])) + b"}"
            feed = parse_feed(
                body,
                url=request["url"],
                content_type=request["content_type"],
                now=now,
                future_tolerance_s=tolerance_s,
                **arguments["feed_limits"],
            )
            return b'{"ok":' + parsed.dump_json(feed) + b"}"
        except Refused as refusal:
            return json.dumps({"refused": [refusal.reason, refusal.detail]}).encode()
        except RecursionError:
            return json.dumps({"refused": ["too_deep", "the document is nested too deeply"]}).encode()
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 — whatever a parser raises on one document is that document's fault
            return json.dumps({"refused": ["parser_failed", f"{type(error).__name__}: {str(error)[:200]}"]}).encode()

    return serve


def read_frame(stream: BinaryIO) -> bytes | None:
    """Read a frame; None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack("!I", head)
    frame = stream.read(length)
    return frame if len(frame) == length else None


def write_frame(stream: BinaryIO, frame: bytes) -> None:
    """Write a frame."""
    stream.write(struct.pack("!I", len(frame)) + frame)
    stream.flush()


def _tie_to_parent(parent: int) -> None:
    """Die with the parent, also while busy (Linux); elsewhere the end of stdin is noticed after the document."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for ignored in (signal.SIGINT, signal.SIGTERM):
        # Ctrl-C reaches the whole group: the parent decides when we go
        signal.signal(ignored, signal.SIG_IGN)
    if os.getppid() != parent:
        sys.exit(1)  # it died before the tie was made


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


if __name__ == "__main__":
    sys.exit(main())
