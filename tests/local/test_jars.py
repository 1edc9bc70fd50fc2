"""The broker's jars: fetched once, checked by their hash."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import jars
from deploy.local.failures import CannotStart
from deploy.local.jars import Jar
from deploy.local.kafka import find_class_path

CONTENT = {"one": b"first jar", "two": b"second jar, longer"}


def jar(name: str) -> Jar:
    return Jar("org.example", name, "1", hashlib.sha256(CONTENT[name]).hexdigest(), len(CONTENT[name]))


class Registry:
    """Stands for the registry: gives what it is told to, and counts."""

    def __init__(self) -> None:
        self.given = dict(CONTENT)
        self.asked: list[str] = []

    def __call__(self, scratch: Path, wanted: list[Jar]) -> Iterator[tuple[Jar, Path]]:
        for one in wanted:
            self.asked.append(one.artifact)
            path = scratch / one.name
            path.write_bytes(self.given[one.artifact])
            yield one, path


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    registry = Registry()
    monkeypatch.setattr(jars, "_download", registry)
    monkeypatch.setattr(jars, "locked_jars", lambda _lock: [jar("one"), jar("two")])
    return registry


def test_jars_are_fetched_once(tmp_path: Path, registry: Registry) -> None:
    told: list[tuple[int, int]] = []
    first = jars.ensure_jars(tmp_path, lambda done, of: told.append((done, of)))
    second = jars.ensure_jars(tmp_path)
    assert [path.read_bytes() for path in first] == list(CONTENT.values())
    assert second == first
    assert registry.asked == ["one", "two"]
    assert told == [(0, 27), (9, 27), (27, 27)]


def test_one_that_was_cut_short_is_fetched_again(tmp_path: Path, registry: Registry) -> None:
    jars.ensure_jars(tmp_path)
    (tmp_path / "one-1.jar").write_bytes(b"fir")
    jars.ensure_jars(tmp_path)
    assert registry.asked == ["one", "two", "one"]
    assert (tmp_path / "one-1.jar").read_bytes() == CONTENT["one"]


def test_one_that_was_changed_on_its_way_is_refused(tmp_path: Path, registry: Registry) -> None:
    registry.given["two"] = b"second jar, changed"
    with pytest.raises(CannotStart, match=r"two-1\.jar has sha256 [0-9a-f]{64}, but the lock says"):
        jars.ensure_jars(tmp_path)
    assert not (tmp_path / "two-1.jar").exists()


def test_what_a_killed_fetch_left_is_removed(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / ".fetching-left").mkdir()
    jars.ensure_jars(tmp_path)
    assert not list(tmp_path.glob(".fetching-*"))


def test_no_network_is_a_clear_error(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Iterator[tuple[Jar, Path]]:
        raise OSError("no route to host")

    monkeypatch.setattr(jars, "_download", fail)
    with pytest.raises(CannotStart, match=r"can't be fetched: no route to host.*KAFKA_HOME"):
        jars.ensure_jars(tmp_path)


def test_the_lock_names_each_jar_once_and_all_kafka_at_one_version() -> None:
    locked = jars.locked_jars()
    assert len({one.name for one in locked}) == len(locked)
    assert {one.version for one in locked if one.group == "org.apache.kafka"} == {jars.KAFKA.rsplit(":", maxsplit=1)[1]}


def test_a_kafka_home_without_kafka_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(CannotStart, match=f"KAFKA_HOME={tmp_path} holds no Kafka"):
        find_class_path()


def test_a_kafka_home_goes_before_the_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-4.3.1.jar").touch()
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    assert find_class_path() == [f"{tmp_path}/libs/*"]
