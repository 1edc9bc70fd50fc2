"""The event stream as an ASGI answer: as little memory as a listener can have, and an end for those that stopped reading."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
HEADERS_ALONE: Final = "slugline.headers_alone"
"""Marks a HEAD request in the scope of the GET that answers it: a stream's body would never end."""


class EventStream(Response):
    """Sends pieces until they end, the client leaves, or it stops reading for `stall_s` seconds."""

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncIterator[bytes], *, retry_ms: int, stall_s: float, closed: Callable[[], None]) -> None:
        """Send `pieces`, after telling browsers how long to wait before they come back; `closed` is called at the end."""
        self.status_code = 200
        self.background = None
        self.raw_headers = list(HEADERS)
        self._pieces = pieces
        self._first = b"retry: %d\n" % retry_ms
        self._stall_s = stall_s
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if HEADERS_ALONE in scope:
            self._closed()
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            self._closed()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        first = self._first
        async for whole in self._pieces:
            piece, first = first + whole, b""
            try:
                async with asyncio.timeout(self._stall_s):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except TimeoutError:
                break
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
