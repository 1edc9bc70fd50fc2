"""Readiness says what it waits for."""

from shared.health import Readiness


def test_a_service_that_has_named_no_part_yet_is_starting_not_ready() -> None:
    """The health server answers before the service is wired; it must not say ready meanwhile."""
    assert Readiness().waits() == {"service": "starts"}


def test_ready_means_that_every_part_is_well() -> None:
    readiness = Readiness()
    readiness.add("broker", lambda: None)
    readiness.add("lag", lambda: "9 inputs wait")
    assert readiness.waits() == {"lag": "9 inputs wait"}
    readiness.add("lag", lambda: None)
    assert readiness.waits() == {}
