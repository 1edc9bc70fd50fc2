"""Undoing Content-Encoding within a limit: gzip, deflate, br, zstd. A bomb is refused after as many bytes as are allowed."""

import io
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import zstandard

from shared.errors import Refused

MAX_CODINGS = 3
_ZSTD_WINDOW_BYTES = 128 * 1_048_576


def decompress(body: bytes, content_encoding: str, *, limit_bytes: int) -> bytes:
    """Give the body as it was before encoding. Raises `Refused`: body_too_large, bad_encoding.

    A server that declares gzip and sends plain text is believed in what it sends.
    """
    codings = [coding for part in content_encoding.lower().split(",") if (coding := part.strip()) and coding != "identity"]
    if len(codings) > MAX_CODINGS:
        raise Refused("bad_encoding", f"{len(codings)} content encodings on top of each other; {MAX_CODINGS} are allowed")
    for coding in reversed(codings):
        undo = _UNDO.get(coding)
        if undo is None:
            raise Refused("bad_encoding", f"content encoding {coding[:40]!r} was not asked for")
        if not body:
            return b""
        try:
            plain = undo(body, limit_bytes)
        except (zlib.error, brotli.error, zstandard.ZstdError, EOFError) as error:
            if body.lstrip()[:1] in (b"<", b"{"):
                return body
            raise Refused("bad_encoding", f"the body is not valid {coding}: {error}") from error
        if len(plain) > limit_bytes:
            raise Refused("body_too_large", f"more than {limit_bytes} bytes when decompressed")
        body = plain
    return body


def _ungzip(body: bytes, limit: int) -> bytes:
    plain = bytearray()
    while body:
        member = zlib.decompressobj(wbits=31)
        plain += member.decompress(body, limit + 1 - len(plain))
        if len(plain) > limit:
            break
        if not member.eof:
            raise EOFError("it ends early")
        body = member.unused_data.lstrip(b"\0")
        if not body.startswith(b"\x1f\x8b"):
            break  # trailing rubbish
    return bytes(plain)


def _inflate(body: bytes, limit: int) -> bytes:
    # RFC 9110 means zlib's format, many servers send raw deflate
    first_error: zlib.error | None = None
    for wbits in (15, -15):
        stream = zlib.decompressobj(wbits=wbits)
        try:
            return stream.decompress(body, limit + 1)
        except zlib.error as error:
            first_error = first_error or error
    raise first_error or zlib.error("not deflate")


def _unbrotli(body: bytes, limit: int) -> bytes:
    stream = brotli.Decompressor()
    plain: bytes = stream.process(body, output_buffer_limit=limit + 1)
    while len(plain) <= limit and not stream.is_finished():
        more: bytes = stream.process(b"", output_buffer_limit=limit + 1 - len(plain))
        if not more:
            raise EOFError("it ends early")
        plain += more
    return plain


def _unzstd(body: bytes, limit: int) -> bytes:
    plain = bytearray()
    with zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).stream_reader(io.BytesIO(body), read_across_frames=True) as reader:
        while len(plain) <= limit:
            piece = reader.read(min(65_536, limit + 1 - len(plain)))
            if not piece:
                break
            plain += piece
    return bytes(plain)


_UNDO: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _ungzip,
    "x-gzip": _ungzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
