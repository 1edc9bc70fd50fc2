"""The order of fetches: hosts apart, each at its pace, at a cost that does not grow with the number of hosts."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.hosts import Host, HostQueues, Kind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Due:
    """What is wanted, and when; counts how often it is asked."""

    def __init__(self) -> None:
        self.times: dict[UUID, datetime] = {}
        self.asked = 0

    def __call__(self, due_at: datetime, key: UUID, _: Kind) -> bool:
        self.asked += 1
        return self.times.get(key) == due_at


def add(queues: HostQueues, due: Due, host: str, number: int, due_at: datetime) -> None:
    due.times[UUID(int=number)] = due_at
    queues.add(host, due_at, UUID(int=number), "page")


def begin(queues: HostQueues, due: Due, now: datetime) -> tuple[Host, UUID] | None:
    taken = queues.take(now)
    if taken is None:
        return None
    host, key, _ = taken
    due.times.pop(key)
    return host, key


def test_a_hosts_pause_holds_between_starts_and_other_hosts_do_not_wait_for_it() -> None:
    due = Due()
    queues = HostQueues(due, lambda name: 5.0 if name == "slow" else 1.0, 2)
    for number in range(2):
        add(queues, due, "slow", number, NOW)
    add(queues, due, "other", 9, NOW)
    first, second = begin(queues, due, NOW), begin(queues, due, NOW)
    assert first is not None
    assert second is not None
    assert {first[0].name, second[0].name} == {"slow", "other"}
    assert queues.take(NOW) is None
    for host, _ in (first, second):
        queues.end(host)
    assert queues.take(NOW + 4.9 * SECOND) is None
    assert queues.next_at() == NOW + 5 * SECOND
    assert begin(queues, due, NOW + 5 * SECOND) is not None


def test_a_host_has_no_more_fetches_at_once_than_it_may_have() -> None:
    due = Due()
    queues = HostQueues(due, lambda _: 0.0, 2)
    for number in range(3):
        add(queues, due, "host", number, NOW)
    started = [begin(queues, due, NOW), begin(queues, due, NOW)]
    assert queues.take(NOW) is None
    assert queues.next_at() is None
    assert started[0] is not None
    queues.end(started[0][0])
    assert begin(queues, due, NOW) is not None


def test_what_is_no_longer_wanted_is_passed_over_and_an_idle_host_is_forgotten() -> None:
    due = Due()
    queues = HostQueues(due, lambda _: 1.0, 2)
    add(queues, due, "host", 1, NOW)
    add(queues, due, "host", 1, NOW + 30 * SECOND)
    assert queues.take(NOW) is None
    started = begin(queues, due, NOW + 30 * SECOND)
    assert started is not None
    queues.end(started[0])
    assert queues.take(NOW + 30.5 * SECOND) is None
    assert "host" in queues.hosts
    assert queues.take(NOW + 31 * SECOND) is None
    assert not queues.hosts
    assert queues.next_at() is None


def test_ten_thousand_hosts_cost_no_more_a_fetch_than_a_few() -> None:
    """Each fetch asks a handful of times whether something is still wanted, however many hosts wait."""
    due = Due()
    queues = HostQueues(due, lambda _: 60.0, 2)
    for number in range(10_000):
        add(queues, due, f"host{number}", number, NOW + number * timedelta(milliseconds=1))
    due.asked = 0
    for number in range(1_000):
        started = begin(queues, due, NOW + number * timedelta(milliseconds=1))
        assert started is not None
        assert started[0].name == f"host{number}"
        queues.end(started[0])
        assert queues.take(NOW + number * timedelta(milliseconds=1)) is None
    assert due.asked <= 10_000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30)), max_size=40), st.integers(0, 4), st.integers(1, 3))
def test_everything_is_fetched_as_soon_as_politeness_allows(wanted: list[tuple[str, int]], length_s: int, concurrency: int) -> None:
    """A simulation by the second: pause and concurrency hold, nothing is lost, nothing waits without a reason."""
    delays = {"a": 0.0, "b": 1.0, "c": 3.0, "d": 7.0}
    due = Due()
    queues = HostQueues(due, delays.__getitem__, concurrency)
    for number, (name, wanted_at) in enumerate(wanted):
        add(queues, due, name, number, NOW + wanted_at * SECOND)
    running: list[tuple[int, Host]] = []
    starts: dict[str, list[int]] = {}
    second = 0
    while due.times or running:
        for one in [one for one in running if one[0] <= second]:
            running.remove(one)
            queues.end(one[1])
        while (started := begin(queues, due, NOW + second * SECOND)) is not None:
            running.append((second + length_s, started[0]))
            starts.setdefault(started[0].name, []).append(second)
            assert sum(host is started[0] for _, host in running) <= concurrency
            if length_s == 0:
                running.pop()
                queues.end(started[0])
        for number, (name, wanted_at) in enumerate(wanted):
            if UUID(int=number) in due.times and wanted_at <= second:
                host = queues.hosts[name]
                assert host.running >= concurrency or queues.free_at(host) > NOW + second * SECOND
        second += 1
        assert second < 2_000
    for name, seconds in starts.items():
        assert all(later - earlier >= delays[name] for earlier, later in pairwise(seconds))
    assert sum(map(len, starts.values())) == len(wanted)


def test_a_longer_pause_that_is_learned_from_the_first_fetch_holds_for_the_second() -> None:
    due = Due()
    delays = {"host": 1.0}
    queues = HostQueues(due, delays.__getitem__, 1)
    add(queues, due, "host", 1, NOW)
    add(queues, due, "host", 2, NOW)
    started = begin(queues, due, NOW)
    assert started is not None
    delays["host"] = 20.0
    queues.end(started[0])
    assert queues.take(NOW + 19 * SECOND) is None
    assert begin(queues, due, NOW + 20 * SECOND) is not None
