"""A connection that waits for a request only so long, and reads only so much of it: slow or endless headers hold no memory."""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S: Final = 10.0
"""A client that has not said what it wants within so long is cut off."""
MOST_HEADER_BYTES: Final = 65_536


class BoundedConnection(HttpToolsProtocol):
    """Uvicorn's connection with both limits; between two requests uvicorn's own timeout holds."""

    _deadline: asyncio.TimerHandle | None = None
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._expect()

    def on_message_begin(self) -> None:
        """Wait for the headers of a request that has begun."""
        super().on_message_begin()
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Read on, while the headers are not too large."""
        super().data_received(data)
        if self._deadline is None:
            return
        self._received += len(data)
        if self._received > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The headers are larger than {MOST_HEADER_BYTES:,} bytes.")

    def on_headers_complete(self) -> None:
        """Stop waiting: the request is there."""
        self._heard()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._heard()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._heard()
        self._deadline = self.loop.call_later(HEADERS_S, self.transport.close)

    def _heard(self) -> None:
        self._received = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
