"""Extracting article pages through the pool against bare trafilatura on the same pages, in one run: `python -m bench.ingest_extract`.

Both get the whole machine: bare trafilatura in as many plain processes as the pool has, each with its share of the pages. The gate is 0.7
of `trafilatura.extract(bytes)`, which finds the text alone; ours also reads title, authors, times, image, language and walls.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import time
from datetime import UTC, datetime

import trafilatura

from bench.ingest_documents import page
from services.ingest.config import IngestSettings
from services.ingest.extraction.pool import ExtractorPool

NOW = datetime(2025, 5, 7, tzinfo=UTC)
GATE = 0.7


def main() -> None:
    """Print pages a second and the ratio; exit with 1 below the gate."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pages", type=int, default=60)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--workers", type=int, default=2)
    options = arguments.parse_args()
    pages = [page(seed) for seed in range(options.pages)]
    with multiprocessing.get_context("spawn").Pool(options.workers, initializer=prepare) as bare:
        ours_s, bare_s = asyncio.run(measure(pages, options.rounds, options.workers, bare))
    ratio = statistics.median(b / o for b, o in zip(bare_s, ours_s, strict=True))
    size = sum(map(len, pages)) / len(pages) / 1_000
    print(f"{len(pages)} pages of {size:.0f} KB, {options.workers} processes")
    print(
        f"pool {len(pages) / min(ours_s):.1f} pages/s, bare trafilatura {len(pages) / min(bare_s):.1f} pages/s, ratio {ratio:.2f}, asked for {GATE}"
    )
    if ratio < GATE:
        raise SystemExit(1)


async def measure(pages: list[bytes], rounds: int, workers: int, bare: "multiprocessing.pool.Pool") -> tuple[list[float], list[float]]:
    """Give the seconds of each round, ours and bare, in turns."""
    ours_s: list[float] = []
    bare_s: list[float] = []
    async with ExtractorPool(IngestSettings(extract_workers=workers)) as pool:
        for number in range(rounds + 1):
            start = time.perf_counter()
            await asyncio.gather(
                *(
                    pool.extract(body, url=f"https://outlet{seed}.example/a", content_type="text/html", now=NOW)
                    for seed, body in enumerate(pages)
                )
            )
            middle = time.perf_counter()
            # one page a task: the processes share the pages as they become free, as ours do
            await asyncio.to_thread(bare.map, bare_extract, pages, 1)
            if number:  # the first round warms both up
                ours_s.append(middle - start)
                bare_s.append(time.perf_counter() - middle)
    return ours_s, bare_s


def prepare() -> None:
    """Import trafilatura before the clock runs."""
    bare_extract(page(0))


def bare_extract(body: bytes) -> int:
    """Extract one page's text and nothing else."""
    return len(trafilatura.extract(body) or "")


if __name__ == "__main__":
    main()
