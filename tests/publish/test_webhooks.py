"""Webhooks: what is told, how it is signed, and that nothing is lost or delayed whatever an endpoint or the worker does."""

import asyncio
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from services.publish.config import PublishSettings, WebhookSettings
from services.publish.connect import Connection
from services.publish.feeds.define import View, put_view, remove_view
from services.publish.maintain import resync
from services.publish.webhooks import app, sign
from services.publish.webhooks.endpoints import (
    Endpoint,
    add_endpoint,
    check_url,
    deliveries,
    enable_endpoint,
    endpoint,
    remove_endpoint,
    rotate_secret,
)
from services.publish.webhooks.event import Kind, Told, kind_of, probe_event
from services.publish.webhooks.retry import Retry
from services.publish.webhooks.send import Sender
from shared.addresses import AddressPolicy
from shared.contracts import StoryStatus
from shared.errors import Refused
from tests.processes import Service
from tests.publish.made_up import Log, article, feed, made_id, member, story
from tests.publish.stack import eventually, load, running

SECRET = sign.secret_of(b"0123456789abcdef0123456789abcdef")
OTHER_SECRET = sign.secret_of(b"fedcba9876543210fedcba9876543210")


# Pure


def test_the_signature_is_that_of_the_specification() -> None:
    """The test vector that the libraries of Standard Webhooks share."""
    signed = sign.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, tz=UTC),
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=20))
def test_what_is_told_adds_up_to_how_things_stand(steps: list[tuple[bool, int]]) -> None:
    """Whatever a story does, a receiver that applies each event knows at the end whether it stands in the feed, and its revision."""
    revision, told, known = 1, None, (False, 0)
    for present, more in steps:
        revision += more
        kind = kind_of(told, revision, present=present)
        if kind is not None:
            assert (kind is Kind.ENTERED) == (present and not known[0])
            known = (kind is not Kind.LEFT, revision)
            told = Told(revision, present, 1 if told is None else told.turn + 1)
        assert known[0] == present
        assert not present or known[1] == revision


@given(failures=st.integers(1, 200), chance=st.floats(0, 1), asked_s=st.none() | st.floats(0, 1e9))
def test_pauses_grow_and_stay_within_bounds(failures: int, chance: float, asked_s: float | None) -> None:
    """Pauses double, are spread, and neither jitter nor an endpoint makes them longer than the longest."""
    retry = Retry(first_s=5, longest_s=3_600)
    pause_s = retry.pause_s(failures, chance, asked_s)
    assert min(5 * 2.0 ** min(failures - 1, 32), 3_600) / 2 <= pause_s <= 3_600


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://receiver.example/x", "url_refused"),
        ("receiver.example/x", "url_refused"),
        ("https:///x", "url_refused"),
        ("https://receiver.example:99999/x", "url_refused"),
        ("https://receiver.example/a b", "url_refused"),
        ("http://receiver.example/x", "url_refused"),
        ("https://user:password@receiver.example/x", "url_refused"),
        ("https://127.0.0.1/x", "address_refused"),
        ("https://localhost/x", "address_refused"),
        ("https://[::1]/x", "address_refused"),
        ("https://[::ffff:10.0.0.1]/x", "address_refused"),
        ("https://169.254.169.254/latest", "address_refused"),
        ("https://192.168.1.1/x", "address_refused"),
    ],
)
def test_an_address_that_can_not_be_meant_is_refused(url: str, reason: str) -> None:
    """By the rules that fetching has; https, and no password in the URL."""
    with pytest.raises(Refused) as refused:
        check_url(url, AddressPolicy())
    assert refused.value.reason == reason
    assert reason != "address_refused" or "SLUGLINE_WEBHOOK_ALLOW" in refused.value.detail


def test_an_operators_own_hosts_may_be_reached_and_over_http() -> None:
    """What the allow-list opens is the operator's own network; a public host needs https all the same."""
    policy = AddressPolicy(("*.internal", "10.1.0.0/16"))
    assert check_url("http://hooks.internal/x#part", policy) == "http://hooks.internal/x"
    assert check_url("http://10.1.2.3:8080/x", policy) == "http://10.1.2.3:8080/x"
    with pytest.raises(Refused, match="use https"):
        check_url("http://93.184.216.34/x", policy)


# With a receiver


@dataclass
class Received:
    """One request, checked."""

    event_id: str
    kind: str
    data: dict[str, Any]
    headers: dict[str, str]

    @property
    def told(self) -> tuple[str, str, int]:
        return self.kind, self.data["story"]["story_id"], self.data["story"]["revision"]


@dataclass
class Receiver:
    """An endpoint that does as a receiver's library does: it checks the signature before it believes anything."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Awaitable[web.StreamResponse]] | None = None
    secrets: list[str] = field(default_factory=lambda: [SECRET])

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        at = int(request.headers["webhook-timestamp"])
        assert abs(datetime.now(UTC).timestamp() - at) < 60
        wanted = [
            "v1,"
            + b64encode(hmac.digest(b64decode(secret[6:]), f"{request.headers['webhook-id']}.{at}.".encode() + body, "sha256")).decode()
            for secret in self.secrets
        ]
        assert set(request.headers["webhook-signature"].split()) == set(wanted)
        message = json.loads(body)
        received = Received(request.headers["webhook-id"], message["type"], message["data"], dict(request.headers))
        self.requests.append(received)
        return web.Response(status=204) if self.answer is None else await self.answer(received)

    @property
    def told(self) -> list[tuple[str, str, int]]:
        return [received.told for received in self.requests]

    def told_of(self, name: str) -> list[tuple[str, int]]:
        return [(kind, revision) for kind, story_id, revision in self.told if story_id == str(made_id(name))]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on the loopback address until the block ends."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/{any:.*}", receiver.take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/slugline"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def impatient(settings: PublishSettings) -> WebhookSettings:
    """Give settings of a worker that is in a hurry."""
    return WebhookSettings(
        database_url=settings.database_url,
        webhook_allow=("127.0.0.1",),
        webhook_retry_first_s=0.05,
        webhook_retry_longest_s=0.2,
        webhook_left_after_s=0.2,
        webhook_timeout_s=5,
        web_public_url="https://news.example",
    )


@pytest.fixture
async def harbours(connection: Connection) -> str:
    """Make a saved search; every topic has been read from."""
    await load(connection, feed())
    await put_view(connection, View("harbours", "search", "Harbours", words="crane"))
    return "search/harbours"


async def follow(connection: Connection, feed_name: str, url: str, name: str = "desk", *, existing: bool = False) -> UUID:
    webhook_id = uuid4()
    await add_endpoint(connection, webhook_id, name, feed_name, url, SECRET, existing=existing)
    return webhook_id


async def known(connection: Connection, name: str = "desk") -> Endpoint:
    return await endpoint(connection, name)


async def stories_waiting(connection: Connection, name: str = "desk") -> int:
    return int(await connection.fetchval("SELECT count(*) FROM webhook_pending JOIN webhooks USING (webhook_id) WHERE name = $1", name))


async def nothing_waits(connection: Connection) -> bool:
    return not await connection.fetchval("SELECT count(*) FROM webhook_pending")


def about(name: str, revision: int = 1, text: str = "The crane turned.", **more: Any) -> tuple[Any, ...]:
    """Give a story with one article of these words."""
    return story(name, revision, **more), member(f"{name}-1", name), article(f"{name}-1", revision, text=text)


@pytest.mark.stack
async def test_each_story_that_enters_changes_in_or_leaves_a_saved_search_is_told(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """From its making on, in order, signed, with what a receiver needs to follow merges and to notice what it missed."""
    await load(connection, *about("before"))
    await follow(connection, harbours, receiver.url)
    async with running(app.run, impatient):
        await load(connection, *about("one"), *about("elsewhere", text="Nothing of the kind."))
        await eventually(lambda: _true(receiver.told_of("one") == [("story.entered", 1)]))
        await load(connection, story("one", 2, article_count=2))
        await eventually(lambda: _true(receiver.told_of("one")[1:] == [("story.changed", 2)]))
        await load(connection, story("one", 3, status=StoryStatus.MERGED, redirect_to=made_id("before"), article_count=0))
        await load(connection, story("before", 2, article_count=2))
        await eventually(lambda: _true(receiver.told_of("one")[2:] == [("story.left", 3)]))
        await eventually(lambda: nothing_waits(connection))
    assert receiver.told_of("before") == [("story.changed", 2)]
    assert receiver.told_of("elsewhere") == []
    left = next(received for received in receiver.requests if received.kind == "story.left")
    assert left.data["previous_revision"] == 2
    assert left.data["story"]["redirect_to"] == str(made_id("before"))
    assert left.data["feed"] == harbours
    first = receiver.requests[0]
    assert first.data["story"]["url"] == f"https://news.example/stories/{made_id('one')}"
    assert first.headers["Content-Type"] == "application/json"
    assert len({received.event_id for received in receiver.requests}) == len(receiver.requests)
    assert [row["outcome"] for row in await deliveries(connection, "desk", 10)] == ["delivered"] * 4


async def _true(condition: bool) -> bool:
    return condition


@pytest.mark.stack
async def test_a_new_one_may_ask_for_what_is_there(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """With `existing`, stories that stand in the feed are told, too."""
    await load(connection, *about("before"))
    await follow(connection, harbours, receiver.url, existing=True)
    async with running(app.run, impatient):
        await eventually(lambda: _true(receiver.told_of("before") == [("story.entered", 1)]))


@pytest.mark.stack
async def test_a_failing_endpoint_gets_the_same_event_again_and_then_the_latest_state(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """An event keeps its id and body over retries; what changed meanwhile is told once, as it is then, and in order."""
    down = asyncio.Event()

    async def fail(received: Received) -> web.StreamResponse:
        return web.Response(status=204) if down.is_set() else web.Response(status=503, text="later")

    receiver.answer = fail
    await follow(connection, harbours, receiver.url)
    async with running(app.run, impatient):
        await load(connection, *about("one"))
        await eventually(lambda: _true(len(receiver.requests) >= 3))
        failing = await known(connection)
        assert (failing.state, failing.last_error) == ("failing", "status_503: answered 503 later")
        for revision in (2, 3, 4):
            await load(connection, story("one", revision))
        await eventually(lambda: _true(receiver.told_of("one")[-1][1] == 4))
        down.set()
        await eventually(lambda: nothing_waits(connection))
        assert (await known(connection)).state == "ok"
    first = [received for received in receiver.requests if received.told[2] == 1]
    assert len(first) >= 3
    assert len({received.event_id for received in first}) == 1
    assert len({json.dumps(received.data) for received in first}) == 1
    revisions = [revision for _, revision in receiver.told_of("one")]
    assert revisions == sorted(revisions)
    assert receiver.told_of("one")[-1] == ("story.entered", 4)


@pytest.mark.stack
async def test_a_change_while_a_delivery_is_under_way_is_told_after_it(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """One story's events never overtake each other, and none is lost because another was just being sent."""
    may_answer = asyncio.Event()

    async def hold(received: Received) -> web.StreamResponse:
        await may_answer.wait()
        return web.Response(status=200)

    receiver.answer = hold
    await follow(connection, harbours, receiver.url)
    async with running(app.run, impatient):
        await load(connection, *about("one"))
        await eventually(lambda: _true(len(receiver.requests) == 1))
        await load(connection, story("one", 2))
        may_answer.set()
        await eventually(lambda: nothing_waits(connection))
    assert receiver.told_of("one") == [("story.entered", 1), ("story.changed", 2)]


@pytest.mark.stack
async def test_a_slow_endpoint_delays_no_other(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """Each has a lane of its own: one that never answers holds its own stories and nothing else."""
    async with receiving() as slow:
        asleep = asyncio.Event()

        async def sleep(received: Received) -> web.StreamResponse:
            await asleep.wait()
            return web.Response(status=200)

        slow.answer = sleep
        await follow(connection, harbours, slow.url, "slow")
        await follow(connection, harbours, receiver.url, "quick")
        async with running(app.run, impatient):
            for number in range(12):
                await load(connection, *about(f"s{number}"))
            await eventually(lambda: _true(len(receiver.requests) == 12), limit_s=4)
            await eventually(lambda: _true(len(slow.requests) == impatient.webhook_concurrency))
            assert await stories_waiting(connection, "slow") == 12
            asleep.set()


@pytest.mark.stack
@pytest.mark.faults
async def test_a_kill_in_the_middle_of_a_delivery_loses_nothing(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver, tmp_path: Path
) -> None:
    """What was under way is sent again by the next worker, under the same id; a second one that stands by takes over by itself."""
    held = asyncio.Event()

    async def hold(received: Received) -> web.StreamResponse:
        await held.wait()
        return web.Response(status=200)

    receiver.answer = hold
    await follow(connection, harbours, receiver.url)
    options = {
        "database_url": impatient.database_url,
        "webhook_allow": "127.0.0.1",
        "webhook_retry_first_s": 0.05,
        "webhook_retry_longest_s": 0.2,
    }
    first, second = (Service("webhooks", tmp_path / f"{number}.log", **options) for number in range(2))
    first.start()
    try:
        for number in range(6):
            await load(connection, *about(f"s{number}"))
        await eventually(lambda: _true(len(receiver.requests) == impatient.webhook_concurrency))
        second.start()
        await eventually(lambda: _true("stands_by" in second.logged()))
        under_way = [received.event_id for received in receiver.requests]
        first.kill()
        receiver.answer = None
        await eventually(lambda: nothing_waits(connection))
        ids = [received.event_id for received in receiver.requests]
        assert len(set(ids)) == 6
        assert set(ids[len(under_way) :]) >= set(under_way)
        assert second.end() == 0
    finally:
        held.set()
        for service in (first, second):
            service.kill()


@pytest.mark.stack
async def test_a_dead_endpoint_is_disabled_with_a_reason_and_hears_of_everything_when_it_is_enabled(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """After days without success nothing is sent any more; what waits is kept, one row a story."""

    async def fail(received: Received) -> web.StreamResponse:
        return web.Response(status=500, text="\x1b[31mbroken")

    receiver.answer = fail
    short = impatient.model_copy(update={"webhook_disable_after_days": 0.5 / 86_400})
    await follow(connection, harbours, receiver.url)
    async with running(app.run, short):
        await load(connection, *about("one"))

        async def disabled() -> bool:
            return (await known(connection)).state == "disabled"

        await eventually(disabled)
        assert (await known(connection)).disabled_reason.endswith("the last error: status_500: answered 500  [31mbroken")
        sent = len(receiver.requests)
        for revision in range(2, 9):
            await load(connection, story("one", revision))
        await load(connection, *about("two"))
        assert await stories_waiting(connection) == 2
        assert len(receiver.requests) == sent
        receiver.answer = None
        await enable_endpoint(connection, "desk")
        await eventually(lambda: nothing_waits(connection))
    assert sorted(receiver.told[sent:]) == sorted([("story.entered", str(made_id("one")), 8), ("story.entered", str(made_id("two")), 1)])


@pytest.mark.stack
async def test_one_that_says_that_it_is_gone_is_disabled_at_once(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """410 is an endpoint's way to say: never again."""

    async def gone(received: Received) -> web.StreamResponse:
        return web.Response(status=410)

    receiver.answer = gone
    await follow(connection, harbours, receiver.url)
    async with running(app.run, impatient):
        await load(connection, *about("one"))

        async def disabled() -> bool:
            return (await known(connection)).disabled_reason == "it answered 410, gone"

        await eventually(disabled)
    assert len(receiver.requests) == 1


@pytest.mark.stack
async def test_a_story_that_alone_is_refused_holds_up_no_other_and_is_given_up(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """A receiver that can't take one story goes on with the rest; after days that one is dropped, and said so."""

    async def picky(received: Received) -> web.StreamResponse:
        return web.Response(status=422 if received.data["story"]["story_id"] == str(made_id("odd")) else 200)

    receiver.answer = picky
    await follow(connection, harbours, receiver.url)
    async with running(app.run, impatient):
        await load(connection, *about("odd"))
        await eventually(lambda: _true(len(receiver.requests) > 0))
        days = impatient.webhook_disable_after_days + 1
        await connection.execute("UPDATE webhook_pending SET since = since - $1 * interval '1 day'", days)

        async def given_up() -> bool:
            # A steady stream of others, each of which is taken.
            await load(connection, *about(f"s{len(receiver.requests)}"))
            return any(row["outcome"] == "given_up" for row in await deliveries(connection, "desk", 1_000))

        await eventually(given_up)
        assert (await known(connection)).state != "disabled"
        await eventually(lambda: nothing_waits(connection))
    assert len({story_id for _, story_id, _ in receiver.told}) > 2


@pytest.mark.stack
async def test_a_feed_that_is_defined_anew_tells_what_enters_and_what_leaves(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """A story that leaves, and enters again at the same revision, is news each time; a feed that is followed can't be removed."""
    await load(connection, *about("crane"), *about("lock", text="The lock keeper."))
    await follow(connection, harbours, receiver.url)
    async with running(app.run, impatient):
        await put_view(connection, View("harbours", "search", "Harbours", words="keeper"))
        await eventually(lambda: _true(len(receiver.requests) == 2))
        await put_view(connection, View("harbours", "search", "Harbours", words="crane"))
        await eventually(lambda: _true(len(receiver.requests) == 4))
        with pytest.raises(Refused, match="followed by the webhooks desk"):
            await remove_view(connection, harbours)
        await remove_endpoint(connection, "desk")
        assert await remove_view(connection, harbours)
    assert receiver.told_of("crane") == [("story.left", 1), ("story.entered", 1)]
    assert receiver.told_of("lock") == [("story.entered", 1), ("story.left", 1)]
    assert len({received.event_id for received in receiver.requests}) == 4


@pytest.mark.stack
async def test_rows_that_are_read_anew_are_no_news(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """`slugline db resync` empties the feeds and fills them record by record; no story leaves or enters by that."""
    messages = [feed(), *about("one"), *about("two")]
    await load(connection, *messages)
    await follow(connection, harbours, receiver.url)
    async with running(app.run, impatient):
        await resync(connection)
        log = Log()
        for message in messages:
            log.put(message)
        for message in messages:  # as slowly as can be: each record in a transaction of its own
            await load(connection, message)
        await load(connection, story("two", 2))
        await eventually(lambda: _true(len(receiver.requests) == 1))
        await eventually(lambda: nothing_waits(connection))
    assert receiver.told_of("two") == [("story.changed", 2)]


@pytest.mark.stack
async def test_a_secret_can_be_changed_without_a_gap(
    connection: Connection, impatient: WebhookSettings, harbours: str, receiver: Receiver
) -> None:
    """For a day both sign."""
    await follow(connection, harbours, receiver.url)
    await rotate_secret(connection, "desk", OTHER_SECRET)
    receiver.secrets = [OTHER_SECRET, SECRET]
    async with running(app.run, impatient):
        await load(connection, *about("one"))
        await eventually(lambda: nothing_waits(connection))
        await connection.execute("UPDATE webhooks SET previous_until = now() - interval '1 second'")
        receiver.secrets = [OTHER_SECRET]
        await load(connection, story("one", 2))
        await eventually(lambda: nothing_waits(connection))
    assert receiver.told_of("one") == [("story.entered", 1), ("story.changed", 2)]


@pytest.mark.stack
async def test_what_can_not_be_meant_is_refused(connection: Connection, harbours: str) -> None:
    """Names, feeds and repetitions, each with what to do."""
    with pytest.raises(Refused, match="slugline views list"):
        await follow(connection, "search/nothing", "https://receiver.example/")
    with pytest.raises(Refused, match="lower-case"):
        await follow(connection, harbours, "https://receiver.example/", "De sk")
    for feed_name in ("top", "language/en", "country/KR", "publisher/harbour.example", harbours):
        await follow(connection, feed_name, "https://receiver.example/", feed_name.replace("/", "-").replace(".", "-").lower())
    with pytest.raises(Refused, match="already"):
        await follow(connection, "top", "https://receiver.example/", "top")
    with pytest.raises(Refused, match="slugline webhooks list"):
        await remove_endpoint(connection, "other")


class Pretending(AbstractResolver):
    """Says that every name is at one address."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self.address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "fd00:ec2::254"])
async def test_a_name_that_leads_to_a_private_address_is_not_posted_to(address: str) -> None:
    """The addresses that a name has are looked at when it is connected to, not only when it was given."""
    event = probe_event(uuid4(), "top", datetime.now(UTC))
    async with Sender(AddressPolicy(), 5, resolver=Pretending(address)) as sender:
        answer = await sender.post("https://receiver.example/x", event, [SECRET])
    assert answer.outcome == "address_refused"


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    """Else an endpoint could lead elsewhere, and what is signed for it with it."""

    async def redirect(received: Received) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"})

    receiver.answer = redirect
    async with Sender(AddressPolicy(("127.0.0.1",)), 5) as sender:
        answer = await sender.post(receiver.url, probe_event(uuid4(), "top", datetime.now(UTC)), [SECRET])
    assert (answer.outcome, answer.delivered) == ("status_307", False)
    assert "redirects are not followed" in answer.error


async def test_an_endpoint_that_never_answers_ends_at_the_limit(receiver: Receiver) -> None:
    """It has failed, and is tried again later."""

    async def hold(received: Received) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    receiver.answer = hold
    async with Sender(AddressPolicy(("127.0.0.1",)), 0.3) as sender:
        answer = await sender.post(receiver.url, probe_event(uuid4(), "top", datetime.now(UTC)), [SECRET])
    assert answer.outcome == "timeout"
