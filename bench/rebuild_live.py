"""A rebuild beside live traffic: `python -m bench.rebuild_live [--articles 4000] [--rate 50] [--seconds 25]`.

Starts a local Slugline of its own, sends made-up articles through it, then more at a steady rate, without and with `slugline rebuild
start` running again and again beside it. Prints the time from append to row of both, and what the rebuilds say of their speed.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.pipeline import latency, local_slugline, throughput


async def rebuild_until(stop: asyncio.Event, state: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Rebuild again and again; give what each finished one says of its partitions."""
    environment = {
        **os.environ,
        "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS": state["bootstrap_servers"],
        "SLUGLINE_REBUILD_FOLDER": str(folder),
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = []
    while not stop.is_set():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.cli", "rebuild", "start", "--again", env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait() != 0:
            raise SystemExit("the rebuild failed")
        done += finished(folder)
    return done


def finished(folder: Path) -> list[dict[str, Any]]:
    """Give what a finished rebuild says of the partitions that had articles."""
    partitions = [json.loads(path.read_text()) for path in folder.glob("partition-*.json")]
    return [one for one in partitions if one["clustered"] > 100]


async def measure(state: dict[str, Any], count: int, rate: float, seconds: float) -> None:
    """Print the figures."""
    await throughput(state, count)
    calm = await latency(state, rate, seconds)
    stop = asyncio.Event()
    with tempfile.TemporaryDirectory(prefix="slugline-rebuild-") as folder:
        rebuilding = asyncio.create_task(rebuild_until(stop, state, Path(folder)))
        busy = await latency(state, rate, seconds, seed=3)
        stop.set()
        done = await rebuilding
    for name, took in (("alone", calm), ("beside a rebuild", busy)):
        cuts = statistics.quantiles(took, n=100)
        print(
            f"append to row {name}: p50 {cuts[49] * 1000:.0f} ms, p95 {cuts[94] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms ({len(took)} articles)"
        )
    for one in done:
        print(
            f"rebuilt {one['clustered']:,} articles ({one['reused']:,} features kept) at {one['clustered'] / one['cluster_s']:,.0f} a second; read in {one['read_s']} s"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=4_000)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=25)
    arguments = parser.parse_args()
    with local_slugline() as local:
        asyncio.run(measure(local, arguments.articles, arguments.rate, arguments.seconds))
