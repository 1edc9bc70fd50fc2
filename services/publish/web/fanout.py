"""Fan the history out to listeners: one reader of the database, any number of streams.

The reader follows `story_updates` by each partition's offset. Rows of a partition commit in the order of their offsets, so what it has
read up to is exactly what its position says. A listener registers at the reader's position, reads from the database what lies between
its own position and that one, and then takes what the reader hands on. One that can't keep up loses nothing: its queue is dropped and it
reads from the database again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json

from services.publish import signals
from services.publish.connect import Connection, Pool
from services.publish.web.database import must_wait
from services.publish.web.position import Position, is_ahead, is_behind, write_position
from services.publish.web.updates import Update, feeds_of, span, updates_between, updates_of_story
from shared.logs import get_logger

PAGE: Final = 500
"""Updates of each partition read at once."""
CATCHING_UP: Final = 4
"""Listeners that read from the database at the same time; a thousand that reconnect take turns."""
AT_ONCE: Final = 50
"""Listeners woken at once; then requests have their turn."""
JOINED: Final = 64
"""Events of one listener that are sent as one piece at most."""
ROWS_INTERVAL_S: Final = 1.0
"""A listener is told that rows changed no more often than this."""
MOST_ROWS: Final = 100
"""Stories named in one word of changed rows; beyond, it says "some"."""
RETRY_S: Final = 1.0

EVERYTHING: Final = ""


@dataclass(frozen=True, slots=True)
class Interest:
    """What a listener wants: everything, one feed, or one story; whether each revision, and whether to hear of changed rows too."""

    feed: str | None = None
    story_id: UUID | None = None
    rows: bool = False
    revisions: bool = True

    def key(self) -> str | UUID:
        """Give what listeners are found by."""
        return self.story_id or self.feed or EVERYTHING

    def wants(self, update: Update, feeds: Mapping[UUID, frozenset[str]]) -> bool:
        """Tell whether an update is for this listener."""
        if self.story_id is not None:
            return update.story_id == self.story_id
        return self.feed is None or self.feed in feeds.get(update.story_id, ())


@dataclass(frozen=True, slots=True)
class Handed:
    """An event on its way to all who want it: one object, however many they are."""

    position: Position
    piece: bytes


@dataclass(slots=True, eq=False)
class Listener:
    """One open stream. Bounded: at most `most` events wait in it."""

    interest: Interest
    most: int
    client: str
    at: Position = field(default_factory=dict)
    """What it has been given, up to here."""
    pending: deque[Handed] = field(default_factory=deque)
    lost: bool = False
    """Its queue was dropped: what follows `at` is to be read from the database."""
    closed: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _rows: dict[UUID, None] = field(default_factory=dict)
    _revised: dict[UUID, None] = field(default_factory=dict)
    _some_rows: bool = False

    def give(self, handed: Handed) -> None:
        """Queue an event, or note that this listener is too slow."""
        if self.lost:
            return
        if len(self.pending) >= self.most:
            self.lost = True
            self.pending.clear()
        else:
            self.pending.append(handed)

    def take(self) -> bytes:
        """Give the events that wait, as one piece; the listener stands behind them then."""
        handed = [self.pending.popleft() for _ in range(min(len(self.pending), JOINED))]
        self.at = handed[-1].position
        return b"".join(event.piece for event in handed)

    def tell_rows(self, story_ids: Iterable[UUID] | None) -> None:
        """Note that rows of stories changed; None: of some."""
        self._note(self._rows, story_ids)

    def tell_revised(self, story_id: UUID) -> None:
        """Note that a story of this listener's has a new revision."""
        self._note(self._revised, (story_id,))

    def _note(self, noted: dict[UUID, None], story_ids: Iterable[UUID] | None) -> None:
        if story_ids is None or len(self._rows) + len(self._revised) >= MOST_ROWS:
            self._some_rows = True
            self._rows.clear()
            self._revised.clear()
        elif not self._some_rows:
            noted.update(dict.fromkeys(story_ids))

    def has_rows(self) -> bool:
        """Tell whether there is a word of changed rows to give."""
        return self._some_rows or bool(self._rows) or bool(self._revised)

    def take_rows(self) -> bytes:
        """Give that word."""
        told: dict[str, list[UUID]] = {"story_ids": list(self._rows)}
        if not self.interest.revisions:
            told["revised"] = list(self._revised)
        self._some_rows = False
        self._rows.clear()
        self._revised.clear()
        return b"event: rows\ndata: " + to_json(told) + b"\n\n"


class Fanout:
    """The reader and its listeners."""

    def __init__(
        self,
        *,
        connect: Callable[[], Awaitable[Connection]],
        pool: Callable[[], Awaitable[Pool]],
        pending_events: int,
        poll_s: float,
        heartbeat_s: float,
    ) -> None:
        """Read by a connection of its own from `connect`; listeners that catch up borrow from `pool`."""
        self._connect = connect
        self._pool = pool
        self._pending_events = pending_events
        self._poll_s = poll_s
        self._heartbeat_s = heartbeat_s
        self._listeners: dict[str | UUID, set[Listener]] = {}
        self._per_client: dict[str, int] = {}
        self._count = 0
        self._told: dict[Listener, None] = {}
        """Who has something to hear and is still to be woken."""
        self._position: dict[int, int] = {}
        self._generation = 0
        self._connected = False
        self._started = asyncio.Event()
        self._signal = asyncio.Event()
        self._moved = asyncio.Event()
        self._turns = asyncio.Semaphore(CATCHING_UP)
        self._closed = False
        self._log = get_logger()

    @property
    def generation(self) -> int | None:
        """A number that grows whenever a row may have changed; None while the database's signals can't be heard."""
        return self._generation if self._connected else None

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return self._count

    @property
    def connected(self) -> bool:
        """Whether the reader hears the database."""
        return self._connected

    def listeners_of(self, client: str) -> int:
        """How many streams one client has open."""
        return self._per_client.get(client, 0)

    # ---- the reader ----

    async def run(self, stop: asyncio.Event) -> None:
        """Read and hand on until `stop` is set; while the database is away, wait for it."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._signal.set())
        try:
            while not stop.is_set():
                try:
                    await self._follow(stop)
                except Exception as error:
                    if not must_wait(error):
                        raise
                    if self._connected:
                        self._log.warning("stream_database_away", error=type(error).__name__)
                self._connected = False
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RETRY_S)
        finally:
            stopping.cancel()
            self.close()

    async def _follow(self, stop: asyncio.Event) -> None:
        connection = await self._connect()
        try:
            connection.add_termination_listener(lambda _: self._signal.set())
            await connection.add_listener(signals.CHANNEL, self._on_signal)
            self._generation += 1
            if not self._started.is_set():
                self._position = dict((await span(connection)).ends)
                self._started.set()
            else:
                self._tell_rows(None)
            self._connected = True
            while not stop.is_set() and not connection.is_closed():
                self._signal.clear()
                await self._advance(connection)
                self._moved.set()
                self._moved = asyncio.Event()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._signal.wait(), self._poll_s)
        finally:
            self._connected = False
            with suppress(Exception):  # a broken one can't be closed politely
                await connection.close(timeout=2)

    def _on_signal(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        self._generation += 1
        self._signal.set()
        self._tell_rows(signals.story_ids(str(payload)))

    def _tell_rows(self, story_ids: frozenset[UUID] | None) -> None:
        for key, listeners in self._listeners.items():
            if isinstance(key, UUID) and story_ids is not None:
                if key not in story_ids:
                    continue
                told: frozenset[UUID] | None = frozenset((key,))
            else:
                told = story_ids
            for listener in listeners:
                if listener.interest.rows:
                    if not listener.has_rows():
                        self._told[listener] = None
                    listener.tell_rows(told)

    async def _advance(self, connection: Connection) -> None:
        ends = (await span(connection)).ends
        more = True
        while more:
            updates, more = await updates_between(connection, self._position, None, PAGE)
            if updates:
                self._generation += 1
            feeds = await feeds_of(connection, updates) if updates and self._has_feed_listeners() else {}
            for place, update in enumerate(updates, 1):
                self._position[update.partition] = update.offset + 1
                self._hand_on(update, feeds.get(update.story_id, frozenset()))
                if place % JOINED == 0:
                    await self._wake()
            await self._wake()
        for partition, offset in ends.items():  # beyond the last update lie records that are none, such as ends of transactions
            self._position[partition] = max(offset, self._position.get(partition, 0))

    async def _wake(self) -> None:
        """Wake who has something to hear, a few at a time: a thousand listeners must not keep pages waiting."""
        woken, self._told = list(self._told), {}
        for start in range(0, len(woken), AT_ONCE):
            for listener in woken[start : start + AT_ONCE]:
                listener.wake.set()
            await asyncio.sleep(0)

    def _has_feed_listeners(self) -> bool:
        return any(isinstance(key, str) and key != EVERYTHING for key in self._listeners)

    def _hand_on(self, update: Update, feeds: frozenset[str]) -> None:
        if not self._listeners:
            return
        position = self._snapshot()
        handed = Handed(position, _story(position, update))
        keys: tuple[str | UUID, ...] = (EVERYTHING, update.story_id, *feeds)
        for key in keys:
            for listener in self._listeners.get(key, ()):
                if listener.interest.revisions:
                    listener.give(handed)
                    self._told[listener] = None
                elif listener.interest.rows:
                    if not listener.has_rows():
                        self._told[listener] = None
                    listener.tell_revised(update.story_id)

    # ---- the listeners ----

    def register(self, interest: Interest, client: str) -> Listener:
        """Open a stream; the caller reads it by `events` and unregisters it."""
        listener = Listener(interest, self._pending_events, client, closed=self._closed)
        self._listeners.setdefault(interest.key(), set()).add(listener)
        self._per_client[client] = self._per_client.get(client, 0) + 1
        self._count += 1
        return listener

    def unregister(self, listener: Listener) -> None:
        """Close a stream."""
        key = listener.interest.key()
        self._listeners[key].discard(listener)
        if not self._listeners[key]:
            del self._listeners[key]
        self._told.pop(listener, None)
        self._per_client[listener.client] -= 1
        if not self._per_client[listener.client]:
            del self._per_client[listener.client]
        self._count -= 1

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._started.set()
        self._moved.set()
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.closed = True
                listener.wake.set()

    async def events(self, listener: Listener, since: Position | None, *, forgotten: bool = False) -> AsyncIterator[bytes]:
        """Give a listener's events as pieces of an event stream, until it is closed.

        `since` is where it stands (None: it begins now); `forgotten` says that it brought an id that can't be read. A `reset` event
        means: what came between can't be told, read the state anew.
        """
        while not self._started.is_set() and not listener.closed:
            await self._started.wait()
        if since is None or not listener.interest.revisions:
            self._stand_here(listener)
            yield _reset(listener.at) if forgotten or since is not None else _id(listener.at)
        else:
            listener.at = dict(since)
            listener.lost = True  # what came since then lies in the database
        clock = asyncio.get_running_loop().time
        told_rows_s = clock() - ROWS_INTERVAL_S
        while not listener.closed:
            if listener.lost:
                async for piece in self._catch_up(listener):
                    yield piece
            listener.wake.clear()
            while listener.pending and not listener.closed:
                yield listener.take()
            if listener.lost or listener.closed:
                continue
            wait_s = self._heartbeat_s
            if listener.has_rows():
                wait_s = told_rows_s + ROWS_INTERVAL_S - clock()
                if wait_s <= 0:
                    told_rows_s = clock()
                    yield listener.take_rows()
                    continue
            try:
                async with asyncio.timeout(wait_s):
                    await listener.wake.wait()
            except TimeoutError:
                if not listener.has_rows() and not listener.pending and not listener.lost:
                    listener.at = self._snapshot()
                    yield _id(listener.at)

    def _stand_here(self, listener: Listener) -> None:
        listener.at = self._snapshot()
        listener.pending.clear()
        listener.lost = False

    def _snapshot(self) -> Position:
        return dict(self._position)

    async def _catch_up(self, listener: Listener) -> AsyncIterator[bytes]:
        """Give what lies between a listener's position and the reader's; from there on, its queue goes on."""
        while listener.lost and not listener.closed:
            try:
                async for piece in self._read_up(listener):
                    yield piece
            except Exception as error:
                if not must_wait(error):
                    raise
                listener.lost = True
                yield b":\n\n"
                await asyncio.sleep(RETRY_S)

    async def _read_up(self, listener: Listener) -> AsyncIterator[bytes]:
        async with self._turns, (await self._pool()).acquire() as connection:
            kept = await span(connection)
        if is_behind(listener.at, kept.begins) or is_ahead(listener.at, kept.ends):
            self._stand_here(listener)
            yield _reset(listener.at)
            return
        while is_ahead(listener.at, self._position) and not listener.closed:
            self._signal.set()  # another process told it of records that this one has still to read
            await self._moved.wait()
        until = self._snapshot()
        listener.pending.clear()
        listener.lost = False  # from here on the queue holds what follows `until`
        more = True
        while more and not listener.closed:
            async with self._turns, (await self._pool()).acquire() as connection:
                if (story_id := listener.interest.story_id) is not None:
                    updates, more = await updates_of_story(connection, story_id, listener.at, until), False
                    feeds: Mapping[UUID, frozenset[str]] = {}
                else:
                    updates, more = await updates_between(connection, listener.at, until, PAGE)
                    feeds = await feeds_of(connection, updates) if listener.interest.feed else {}
            at = dict(listener.at)
            for update in updates:
                at[update.partition] = update.offset + 1
                if listener.interest.wants(update, feeds):
                    listener.at = dict(at)
                    yield _story(listener.at, update)
            listener.at = at
        if not listener.closed:
            listener.at = until
            yield _id(until)


def _id(position: Position) -> bytes:
    """Say where the listener stands, without an event: a browser keeps the id of an empty message."""
    return b"id: " + write_position(position).encode() + b"\n\n"


def _story(position: Position, update: Update) -> bytes:
    return b"id: " + write_position(position).encode() + b"\nevent: story\ndata: " + update.data + b"\n\n"


def _reset(position: Position) -> bytes:
    return b"id: " + write_position(position).encode() + b"\nevent: reset\ndata: {}\n\n"
