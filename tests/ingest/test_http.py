"""The fetcher takes what outlets send, within its limits, and goes nowhere it should not."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator

import brotli
import pytest
import zstandard
from aiohttp.abc import AbstractResolver, ResolveResult

from services.ingest.config import IngestSettings
from services.ingest.http import TRANSIENT, Fetcher
from shared.addresses import AddressPolicy
from shared.errors import InvalidSetting, Refused
from tests.ingest.web import Request, Server, misbehaving_server

OPEN = IngestSettings(
    fetch_allow=("127.0.0.1", "*.localhost"),
    fetch_connect_timeout_s=2.0,
    fetch_first_byte_timeout_s=0.3,
    fetch_total_timeout_s=3.0,
    fetch_max_body_bytes=200_000,
)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with misbehaving_server() as server:
        yield server


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    async with Fetcher(OPEN) as fetcher:
        yield fetcher


async def refusal(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(Refused) as refused:
        await fetcher.get(url)
    assert refused.value.detail
    return refused.value.reason


async def test_an_answer_comes_with_what_a_caller_needs(server: Server, fetcher: Fetcher) -> None:
    """Body, type, validators and times; the User-Agent says who asks."""
    server.answer("/", b"<html>", Content_Type="text/html; charset=utf-8", ETag='"1"', Cache_Control="public, max-age=300", Age="60")
    answer = await fetcher.get(server.url("/"))
    assert (answer.status, answer.body, answer.content_type, answer.etag) == (200, b"<html>", "text/html; charset=utf-8", '"1"')
    assert answer.max_age_s == 240.0
    assert answer.final_url == server.url("/")
    assert server.requests[0].headers["user-agent"].startswith("Slugline/")


async def test_an_unchanged_document_is_not_sent_again(server: Server, fetcher: Fetcher) -> None:
    """Validators go out as they came; 304 has no body."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        assert request.headers["if-none-match"] == 'W/"x"'
        assert request.headers["if-modified-since"] == "Tue, 06 May 2025 08:00:00 GMT"
        writer.write(b'HTTP/1.1 304 Not Modified\r\nETag: W/"x"\r\nConnection: close\r\n\r\n')

    server.handlers["/"] = handler
    answer = await fetcher.get(server.url("/"), etag='W/"x"', last_modified="Tue, 06 May 2025 08:00:00 GMT")
    assert answer.not_modified
    assert answer.body == b""


async def test_a_validator_that_is_no_header_value_is_left_out(server: Server, fetcher: Fetcher) -> None:
    """What a server once sent can't smuggle a header in."""
    server.answer("/", b"x")
    await fetcher.get(server.url("/"), etag='"a"\r\nX-Evil: 1')
    assert "if-none-match" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"hello " * 100)),
        ("gzip", gzip.compress(b"hello ") + gzip.compress(b"hello " * 99)),
        ("x-gzip", gzip.compress(b"hello " * 100)),
        ("deflate", zlib.compress(b"hello " * 100)),
        ("deflate", zlib.compress(b"hello " * 100)[2:-4]),
        ("br", brotli.compress(b"hello " * 100)),
        ("zstd", zstandard.compress(b"hello " * 100)),
        ("gzip, br", brotli.compress(gzip.compress(b"hello " * 100))),
        ("identity", b"hello " * 100),
    ],
)
async def test_bodies_are_decompressed(server: Server, fetcher: Fetcher, encoding: str, packed: bytes) -> None:
    """All that is asked for with Accept-Encoding is understood."""
    server.answer("/", packed, Content_Encoding=encoding)
    assert (await fetcher.get(server.url("/"))).body == b"hello " * 100
    assert server.requests[0].headers["accept-encoding"] == "gzip, deflate, br, zstd"


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"\0" * 50_000_000)),
        ("deflate", zlib.compress(b"\0" * 50_000_000)),
        ("br", brotli.compress(b"\0" * 50_000_000, quality=5)),
        ("zstd", zstandard.compress(b"\0" * 50_000_000)),
        ("gzip, gzip", gzip.compress(gzip.compress(b"\0" * 150_000_000))),
    ],
)
async def test_bombs_are_refused(server: Server, fetcher: Fetcher, encoding: str, packed: bytes) -> None:
    """A small body that unpacks into a large one is given up at the limit."""
    assert len(packed) < OPEN.fetch_max_body_bytes
    server.answer("/", packed, Content_Encoding=encoding)
    assert await refusal(fetcher, server.url("/")) == "body_too_large"


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("gzip", b"\x1f\x8b rubbish", "bad_encoding"),
        ("gzip", gzip.compress(b"x" * 9_000)[:40], "bad_encoding"),
        ("lzma", b"x", "bad_encoding"),
        ("gzip,gzip,gzip,gzip", b"x", "bad_encoding"),
        ("br", b"\xff" * 40, "bad_encoding"),
        ("zstd", b"nonsense", "bad_encoding"),
    ],
)
async def test_damaged_encodings_are_refused(server: Server, fetcher: Fetcher, encoding: str, body: bytes, reason: str) -> None:
    """What can't be unpacked is no document."""
    server.answer("/", body, Content_Encoding=encoding)
    assert await refusal(fetcher, server.url("/")) == reason


async def test_plain_text_declared_as_gzip_is_taken_as_it_is(server: Server, fetcher: Fetcher) -> None:
    """A frequent mistake of servers."""
    server.answer("/", b"<rss/>", Content_Encoding="gzip")
    assert (await fetcher.get(server.url("/"))).body == b"<rss/>"


async def test_redirects_are_followed_and_told(server: Server, fetcher: Fetcher) -> None:
    """Leading permanent redirects move a feed; a temporary one ends that."""
    server.answer("/1", status="301 Moved Permanently", Location="/2")
    server.answer("/2", status="308 Permanent Redirect", Location=server.url("/3"))
    server.answer("/3", status="302 Found", Location="4?a=ü")
    server.answer("/4?a=%C3%BC", b"here")
    answer = await fetcher.get(server.url("/1"))
    assert answer.body == b"here"
    assert answer.permanent_url == server.url("/3")
    assert answer.redirects == (server.url("/2"), server.url("/3"), server.url("/4?a=%C3%BC"))
    assert answer.final_url == server.url("/4?a=%C3%BC")


async def test_redirect_loops_and_chains_end(server: Server, fetcher: Fetcher) -> None:
    """A circle is seen, a chain is cut."""
    server.answer("/a", status="302 Found", Location="/b")
    server.answer("/b", status="302 Found", Location="/a")
    assert await refusal(fetcher, server.url("/a")) == "redirect_loop"
    for step in range(20):
        server.answer(f"/{step}", status="302 Found", Location=f"/{step + 1}")
    assert await refusal(fetcher, server.url("/0")) == "too_many_redirects"


async def test_a_page_that_wants_its_cookie_back_gets_it(server: Server, fetcher: Fetcher) -> None:
    """Within one fetch of one host, and never afterwards."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.headers.get("cookie") == "seen=1":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        else:
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /\r\nSet-Cookie: seen=1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    server.handlers["/"] = handler
    assert (await fetcher.get(server.url("/"))).body == b"ok"
    assert (await fetcher.get(server.url("/"))).body == b"ok"
    assert [request.headers.get("cookie") for request in server.requests] == [None, "seen=1", None, "seen=1"]


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://harbour.example/x", "javascript:alert(1)", "data:text/html,x", "gopher://127.0.0.1/"]
)
async def test_a_redirect_out_of_http_is_refused(server: Server, fetcher: Fetcher, location: str) -> None:
    """Only http and https are ever fetched."""
    server.answer("/", status="302 Found", Location=location)
    assert await refusal(fetcher, server.url("/")) == "scheme_refused"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "scheme_refused"),
        ("ftp://harbour.example/", "scheme_refused"),
        ("data:text/html,hello", "scheme_refused"),
        ("javascript:alert(1)", "scheme_refused"),
        ("//harbour.example", "url_refused"),
        ("", "url_refused"),
        ("http://", "url_refused"),
        ("http://exa mple/", "url_refused"),
        ("http://[::1", "url_refused"),
    ],
)
async def test_what_is_no_http_url_is_refused(fetcher: Fetcher, url: str, reason: str) -> None:
    """Before anything is resolved."""
    assert await refusal(fetcher, url) == reason


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::1]", "[::]", "[fe80::1]", "[fd00:ec2::254]", "[ff02::1]", "[::ffff:127.0.0.1]", "[::ffff:a00:1]",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]", "localhost", "anything.localhost",
    ],
)  # fmt: skip
async def test_addresses_that_are_not_public_are_refused(host: str) -> None:
    """In every way of writing them."""
    async with Fetcher(IngestSettings()) as fetcher:
        assert await refusal(fetcher, f"http://{host}:9/") == "address_refused"


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
async def test_numeric_tricks_are_refused(host: str) -> None:
    """Forms that only some resolvers take for addresses."""
    async with Fetcher(IngestSettings()) as fetcher:
        assert await refusal(fetcher, f"http://{host}:9/") in ("url_refused", "address_refused", "dns_failed")


class Names(AbstractResolver):
    """A resolver whose answers change from question to question."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if not answer:
            raise OSError("no such name")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET6 if ":" in address else socket.AF_INET, proto=0, flags=0
            )
            for address in answer
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["10.0.0.7"], ["::1"], ["93.184.215.14", "127.0.0.1"], ["169.254.169.254"]])
async def test_a_name_at_a_private_address_is_refused(answer: list[str]) -> None:
    """Also where only one of its addresses is private."""
    async with Fetcher(IngestSettings(), resolver=Names(answer)) as fetcher:
        assert await refusal(fetcher, "http://harbour.example/") == "address_refused"


async def test_a_name_that_changes_its_address_gains_nothing(server: Server) -> None:
    """The address that is connected to is the one that was looked at: a rebinding name is refused at its second answer."""
    names = Names(["127.0.0.1"], ["127.0.0.1"])
    settings = OPEN.model_copy(update={"fetch_allow": ("good.example",)})
    server.answer("/", status="302 Found", Location=f"http://evil.example:{server.port}/secret")
    server.answer("/secret", b"secret")
    async with Fetcher(settings, resolver=names) as fetcher:
        assert await refusal(fetcher, server.url("/", "good.example")) == "address_refused"
    assert names.asked == 2
    assert [request.path for request in server.requests] == ["/"]


async def test_a_redirect_to_a_private_address_is_refused(server: Server) -> None:
    """Each hop is looked at like the first."""
    settings = OPEN.model_copy(update={"fetch_allow": ("good.localhost",)})
    server.answer("/", status="302 Found", Location=server.url("/secret"))
    server.answer("/secret", b"secret")
    async with Fetcher(settings) as fetcher:
        assert await refusal(fetcher, server.url("/", "good.localhost")) == "address_refused"
    assert [request.path for request in server.requests] == ["/"]


async def test_the_allow_list_opens_names_and_networks(server: Server) -> None:
    """As local mode does: names below localhost are this machine without asking DNS."""
    server.answer("/", b"ok")
    for allow, host in ((("*.localhost",), "harbour-ledger.localhost"), (("127.0.0.0/8",), "127.0.0.1"), (("127.0.0.1",), "localhost")):
        async with Fetcher(OPEN.model_copy(update={"fetch_allow": allow})) as fetcher:
            assert (await fetcher.get(server.url("/", host))).body == b"ok"


def test_a_wrong_allow_list_is_named() -> None:
    """Before anything starts."""
    with pytest.raises(InvalidSetting, match=r"10\.0\.0\.0/99"):
        AddressPolicy(("10.0.0.0/99",))


async def test_an_endless_body_ends_at_the_limit(server: Server, fetcher: Fetcher) -> None:
    """Chunks for ever are cut off."""

    async def handler(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
            await writer.drain()

    server.handlers["/"] = handler
    assert await refusal(fetcher, server.url("/")) == "body_too_large"


async def test_an_announced_giant_is_refused_at_once(server: Server, fetcher: Fetcher) -> None:
    """Content-Length is enough to know."""
    server.answer("/", b"", Content_Length="99999999999")
    assert await refusal(fetcher, server.url("/")) == "body_too_large"


async def test_a_lying_length_is_noticed(server: Server, fetcher: Fetcher) -> None:
    """Less than announced is no document, more than announced is no HTTP."""
    server.answer("/less", b"half", Content_Length="100")
    server.answer("/more", b"whole and more", Content_Length="5")
    assert await refusal(fetcher, server.url("/less")) == "body_incomplete"
    assert await refusal(fetcher, server.url("/more")) == "protocol_error"


async def test_a_drip_ends_at_the_total_time(server: Server) -> None:
    """A byte now and then does not hold a connection for ever."""

    async def handler(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    server.handlers["/"] = handler
    async with Fetcher(OPEN.model_copy(update={"fetch_total_timeout_s": 0.4})) as fetcher:
        assert await refusal(fetcher, server.url("/")) == "total_timeout"
    assert "total_timeout" in TRANSIENT


async def test_a_server_that_never_answers_is_given_up(server: Server) -> None:
    """Silence after the request, and headers that never end."""
    silent = asyncio.Event()

    async def handler(_: Request, __: asyncio.StreamWriter) -> None:
        await silent.wait()

    async def dripping_headers(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(100):
            writer.write(f"X-{number}: y\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0.02)

    server.handlers["/"] = handler
    server.handlers["/drip"] = dripping_headers
    async with Fetcher(OPEN.model_copy(update={"fetch_connect_timeout_s": 0.1})) as fetcher:
        assert await refusal(fetcher, server.url("/")) == "first_byte_timeout"
        assert await refusal(fetcher, server.url("/drip")) == "first_byte_timeout"


@pytest.mark.parametrize("header", [b"X: " + b"y" * 100_000 + b"\r\n", b"".join(b"X-%d: y\r\n" % number for number in range(5_000))])
async def test_huge_headers_are_refused(server: Server, fetcher: Fetcher, header: bytes) -> None:
    """A single line or thousands of them."""

    async def handler(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + header + b"Content-Length: 0\r\n\r\n")

    server.handlers["/"] = handler
    assert await refusal(fetcher, server.url("/")) == "header_too_large"


@pytest.mark.parametrize(
    "raw", [b"hello\r\n\r\n", b"HTTP/9.9 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b""]
)
async def test_rubbish_instead_of_http_is_refused(server: Server, fetcher: Fetcher, raw: bytes) -> None:
    """With a reason, never with another exception."""

    async def handler(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    server.handlers["/"] = handler
    assert await refusal(fetcher, server.url("/")) in ("protocol_error", "disconnected", "body_incomplete")


async def test_nobody_at_home_is_transient(fetcher: Fetcher) -> None:
    """No server, no such name: try again later."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert await refusal(fetcher, f"http://127.0.0.1:{port}/") == "connect_failed"
    async with Fetcher(OPEN, resolver=Names([])) as unresolving:
        assert await refusal(unresolving, "http://nowhere.example/") == "dns_failed"


@pytest.mark.parametrize(
    ("headers", "retry_after_s", "max_age_s"),
    [
        ({"Retry_After": "120"}, 120.0, None),
        ({"Retry_After": "Tue, 06 May 2025 08:02:00 GMT", "Date": "Tue, 06 May 2025 08:00:00 GMT"}, 120.0, None),
        ({"Retry_After": "soon"}, None, None),
        ({"Cache_Control": "no-cache, max-age=60"}, None, 0.0),
        ({"Cache_Control": "MAX-AGE = 60"}, None, 60.0),
        ({"Expires": "Tue, 06 May 2025 08:10:00 GMT", "Date": "Tue, 06 May 2025 08:00:00 GMT"}, None, 600.0),
        ({"Expires": "-1"}, None, None),
    ],
)
async def test_times_of_headers_are_read(
    server: Server, fetcher: Fetcher, headers: dict[str, str], retry_after_s: float | None, max_age_s: float | None
) -> None:
    """For scheduling; an error's answer has them too."""
    server.answer("/", status="503 Service Unavailable", **headers)
    answer = await fetcher.get(server.url("/"))
    assert (answer.status, answer.retry_after_s, answer.max_age_s) == (503, retry_after_s, max_age_s)


async def test_a_message_never_shows_password_or_query(server: Server, fetcher: Fetcher) -> None:
    """What goes to a log or a dead letter holds no secret of a URL."""
    server.answer("/a?token=geheim", status="302 Found", Location="/a?token=geheim")
    with pytest.raises(Refused) as refused:
        await fetcher.get(f"http://user:passwort@127.0.0.1:{server.port}/a?token=geheim")
    assert "geheim" not in str(refused.value)
    assert "passwort" not in str(refused.value)
