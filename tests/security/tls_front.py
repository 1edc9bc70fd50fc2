"""TLS before a Postgres that was built without it, as a pooler or a proxy offers it: the server's part of the negotiation is here."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from struct import pack

from deploy.local.ports import LOOPBACK

SSL_REQUEST = pack("!II", 8, 80_877_103)


@asynccontextmanager
async def tls_front(server_port: int, certificate: Path, key: Path) -> AsyncIterator[int]:
    """Give the port of a front that takes TLS connections alone, and hands what they hold to the server."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                if await reader.readexactly(8) != SSL_REQUEST:
                    return  # plain text: nothing for it here
                writer.write(b"S")
                await writer.start_tls(context)
                there_reader, there_writer = await asyncio.open_connection(LOOPBACK, server_port)
                await asyncio.gather(_hand_on(reader, there_writer), _hand_on(there_reader, writer))
            finally:
                writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    finally:
        writer.close()
