"""Parsing and normalising feeds against bare feedparser on the same bytes, in one run: `python -m bench.ingest_parse`.

The gate is 0.8 of `feedparser.parse(bytes)` as it comes. Beside it stands feedparser with its sanitiser and resolver switched off, which
gives HTML that nobody could store, so that one sees what of the difference is theirs.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime

import feedparser

from bench.ingest_documents import feed
from services.ingest.feeds import parse_feed

NOW = datetime(2025, 5, 7, tzinfo=UTC)
GATE = 0.8


def main() -> None:
    """Print a table of feeds a second and the ratios; exit with 1 below the gate."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--feeds", type=int, default=20, help="feeds of each kind")
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    warnings.simplefilter("ignore")
    kinds = {
        "RSS 2.0, leads": [feed(seed) for seed in range(options.feeds)],
        "RSS 2.0, full text": [feed(seed, full_text=True) for seed in range(options.feeds)],
        "Atom, leads": [feed(seed, atom=True) for seed in range(options.feeds)],
        "Atom, full text": [feed(seed, atom=True, full_text=True) for seed in range(options.feeds)],
    }
    print(f"{'':20} {'KB/feed':>8} {'ours/s':>8} {'bare/s':>8} {'ratio':>6} {'unsanitised/s':>14} {'ratio':>6}")
    ratios = []
    for kind, bodies in kinds.items():
        ours: list[float] = []
        bare: list[float] = []
        unsanitised: list[float] = []
        for _ in range(options.rounds):
            # in turns, so that a busy machine slows all three alike
            ours.append(timed(bodies, lambda body: parse_feed(body, url="https://outlet.example/feed", content_type=None, now=NOW)))
            bare.append(timed(bodies, feedparser.parse))
            unsanitised.append(timed(bodies, lambda body: feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)))
        ratio = statistics.median(b / o for b, o in zip(bare, ours, strict=True))
        ratios.append(ratio)
        size = sum(map(len, bodies)) / len(bodies) / 1_000
        raw = statistics.median(u / o for u, o in zip(unsanitised, ours, strict=True))
        print(
            f"{kind:20} {size:8.0f} {rate(bodies, ours):8.1f} {rate(bodies, bare):8.1f} {ratio:6.2f} {rate(bodies, unsanitised):14.1f} {raw:6.2f}"
        )
    print(f"lowest ratio {min(ratios):.2f}, asked for {GATE}")
    if min(ratios) < GATE:
        raise SystemExit(1)


def timed(bodies: list[bytes], read: Callable[[bytes], object]) -> float:
    """Give the processor seconds for all bodies."""
    start = time.process_time()
    for body in bodies:
        read(body)
    return time.process_time() - start


def rate(bodies: list[bytes], seconds: list[float]) -> float:
    """Give feeds a second, of the fastest round."""
    return len(bodies) / min(seconds)


if __name__ == "__main__":
    main()
