"""One worker killed among three: no article is lost or doubled, and nothing is fetched again that was not in flight."""

from pathlib import Path

import pytest

from bench.ingest_kill import run
from bench.ingest_web import Plan


@pytest.mark.faults
async def test_a_killed_worker_loses_nothing_and_only_what_was_in_flight_is_fetched_again(clean_topics: str, tmp_path: Path) -> None:
    """The small form of `python -m bench.ingest_kill`, counted by the outlets' server."""
    outcome = await run(
        clean_topics, tmp_path, Plan(feeds=40, hosts=20, items=4), workers=3, kills=1, fetch_host_delay_s=0.3, poll_host_delay_s=0.1
    )
    assert not outcome.lost
    assert not outcome.doubled
    assert not outcome.letters
    assert outcome.refetched <= outcome.in_flight
