"""How long a partition of open stories takes to come back from its changelog: `python -m bench.cluster_restore [STORIES …]`.

Starts a broker of its own, lets assign found so many stories (made-up articles that no index links, so that each is a story), writes
the changelog that follows from it, and restores it in a new process by the partition owner's own code. Prints the seconds, of the
wall and of the CPU, and the peak memory of that process; beside it the seconds that reading the same records bare takes, and that a standby
takes to take over which has followed.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from typing import Any

from aiokafka import AIOKafkaProducer

from bench.broker import own_broker
from bench.cluster_decide import inputs
from services.cluster.assign.app import ClockedAssign
from services.cluster.assign.decide import AssignLogic
from services.cluster.assign.index import Link
from services.cluster.config import AssignSettings
from shared.kafka import admin as kafka_admin
from shared.kafka.changelog import OFFSET_KEY, read_changelog
from shared.kafka.standby import Standby
from shared.topics import ASSIGN_STATE

PARTITION = 0


class Unlinked:
    """An index that links nothing."""

    def __init__(self, language: str = "und") -> None:
        """Take what an index is made with."""

    def add(self, *_: Any, **__: Any) -> None:
        """Hold nothing."""

    remove = hand_over = add

    def links(self, *_: Any, **__: Any) -> list[Link]:
        """Link nothing."""
        return []

    links_of = links


async def fill(settings: AssignSettings, count: int) -> tuple[int, int]:
    """Write the changelog of so many open stories; give its records and bytes."""
    logic = AssignLogic(PARTITION, settings, make_index=Unlinked, second_look=lambda _: ())
    records = size = 0
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, linger_ms=20, max_batch_size=262_144) as producer:
        waiting = []
        for story_input in inputs(count):
            decision = logic.decide_input(story_input)
            logic.apply(decision)
            for key, value in decision.changes.items():
                waiting.append(await producer.send(ASSIGN_STATE.name, key=key.encode(), value=value, partition=PARTITION))
                records += 1
                size += len(value or b"")
            if len(waiting) > 5_000:
                await asyncio.gather(*waiting)
                waiting.clear()
        waiting.append(await producer.send(ASSIGN_STATE.name, key=OFFSET_KEY.encode(), value=str(count).encode(), partition=PARTITION))
        await asyncio.gather(*waiting)
    return records, size


async def restore(settings: AssignSettings) -> dict[str, float]:
    """Restore as the partition owner does; give what it took."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, busy = time.monotonic(), time.process_time()
    logic = AssignLogic(PARTITION, settings)
    await read_changelog(settings, ASSIGN_STATE.name, PARTITION, logic.restore, progress=lambda _read, _span: None)
    read = time.monotonic() - began
    logic.restored()
    took = {
        "open_stories": len(logic.state.growth),
        "open_articles": logic.state.shelves.open_articles,
        "seconds": time.monotonic() - began,
        "seconds_reading": read,
        "cpu_seconds": time.process_time() - busy,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "start_mb": before,
    }
    del logic
    return took | {"seconds_warm": await take_over(settings)}


async def take_over(settings: AssignSettings) -> float:
    """Give seconds in which a standby that has followed has the state at the changelog's end, as the partition owner does it."""
    standby = Standby(
        settings, "assign", ASSIGN_STATE.name, PARTITION, lambda number: ClockedAssign(number, settings), asyncio.Semaphore(1)
    )
    standby.start()
    while not standby.warm:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.1)
    began = time.monotonic()
    followed = await standby.hand_over()
    assert followed is not None
    changes = dict(followed.changes)
    name, since = ASSIGN_STATE.name, followed.position
    await read_changelog(settings, name, PARTITION, changes.__setitem__, progress=lambda _read, _span: None, since=since)
    followed.logic.follow(changes)
    return time.monotonic() - began


async def bare(settings: AssignSettings) -> float:
    """Give seconds that reading the same records takes when nothing is kept."""
    began = time.monotonic()
    await read_changelog(settings, ASSIGN_STATE.name, PARTITION, lambda _key, _value: None, progress=lambda _read, _span: None)
    return time.monotonic() - began


async def measure(bootstrap_servers: str, count: int) -> str:
    """Fill, restore in a process of its own, and say what it took."""
    settings = AssignSettings(kafka_bootstrap_servers=bootstrap_servers)
    async with kafka_admin.connected(bootstrap_servers) as admin:
        await kafka_admin.recreate(admin)
    records, size = await fill(settings, count)
    reading = await bare(settings)
    command = [sys.executable, "-m", "bench.cluster_restore", "--restore-from", bootstrap_servers]
    done = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    printed, _ = await done.communicate()
    if done.returncode:
        raise SystemExit("the restoring process failed")
    took = json.loads(printed.splitlines()[-1])
    assert took["open_stories"] == took["open_articles"] == count, took
    return (
        f"{count:>9,} open stories, {records:,} records of {size / 1e6:,.0f} MB: restored in {took['seconds']:.1f} s "
        f"({took['cpu_seconds']:.1f} s of CPU; reading {took['seconds_reading']:.1f} s, bare {reading:.1f} s), "
        f"peak {took['peak_mb']:,.0f} MB ({took['start_mb']:,.0f} MB before); taken over by a standby in {took['seconds_warm']:.2f} s"
    )


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stories", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--restore-from", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.restore_from:
        print(json.dumps(asyncio.run(restore(AssignSettings(kafka_bootstrap_servers=arguments.restore_from)))))
        return
    with own_broker() as (broker, _):
        for count in arguments.stories:
            print(asyncio.run(measure(broker.bootstrap_servers, count)), flush=True)


if __name__ == "__main__":
    main()
