"""The event loop of services: uvloop, which does not wait long for the other end of a TLS connection to agree to its end."""

from typing import Any, Final

import uvloop

TLS_CLOSE_S: Final = 0.2
"""uvloop itself waits 30 s. A consumer of Kafka that is stopped right after its start then never gets the broker's answer, and each
partition took 30 s to restore. Nothing is lost: whatever matters was answered before a connection is closed."""


class Loop(uvloop.Loop):
    """An event loop for `uvloop.run(…, loop_factory=Loop)`."""

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        """Connect as every loop does, and close in time what is encrypted."""
        if options.get("ssl") and options.get("ssl_shutdown_timeout") is None:
            options["ssl_shutdown_timeout"] = TLS_CLOSE_S
        return await super().create_connection(*arguments, **options)

    async def start_tls(self, *arguments: Any, **options: Any) -> Any:
        """Encrypt a connection, as Postgres does, and close it in time."""
        if options.get("ssl_shutdown_timeout") is None:
            options["ssl_shutdown_timeout"] = TLS_CLOSE_S
        return await super().start_tls(*arguments, **options)
