"""Fuzz the parsers through their pool with mutated documents of the tests' corpus: `python -m bench.ingest_fuzz --minutes 10`.

Each input follows from the seed and its number alone, so a finding is repeated by `--seed S --only N`. A finding is any end but an answer
or a reasoned refusal: parser_failed, parser_died, too_slow, too_much_memory. Its bytes are kept.
"""

import argparse
import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from services.ingest.config import IngestSettings
from services.ingest.extraction.pool import ExtractorPool
from shared.errors import Refused

CORPUS = Path(__file__).parents[1] / "tests" / "ingest" / "corpus"
NOW = datetime(2025, 5, 7, tzinfo=UTC)
FINDINGS = ("parser_failed", "parser_died", "too_slow", "too_much_memory")
TOKENS = (
    b"<item>", b"</item>", b"<title>", b"</title>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<!DOCTYPE x [", b"]>", b"<!ENTITY a 'b'>", b"&a;", b"&#0;", b"&#xD800;", b"&#xFFFF;",
    b"&amp;", b"&", b"<", b">", b'"', b"'", b"=", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbf\xbf", b"<div>", b"<p>", b"<table>", b"<script>", b"</script>", b"<svg>", b"<a href=",
    b"xml:base='//x'", b"xmlns:a='b'", b" type='html'", b" type='xhtml'", b" mode='base64'", b" isPermaLink='true'", b"{", b"}", b"[", b"]", b'"@type":"NewsArticle"', b'"items":', b"9" * 40,
    b"0001-01-01", b"2025-13-45T99:99:99+99:99", b"http://[", b"http://x:99999999/", b"%zz", b"\xe2\x80\xae", b" " * 100, b"<![", b"<?", b"<!",
)  # fmt: skip


def main() -> None:
    """Print what came of the inputs; exit with 1 where something was found."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", type=int, help="repeat this input alone")
    arguments.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="folder for the inputs of findings")
    options = arguments.parse_args()
    raise SystemExit(asyncio.run(fuzz(options.minutes * 60.0, options.seed, options.only, options.keep)))


async def fuzz(limit_s: float, seed: int, only: int | None, keep: Path) -> int:
    """Run until the time is up. Gives the exit code."""
    documents = sorted(path for path in CORPUS.rglob("*") if path.is_file() and not path.name.endswith(".expected.json"))
    bodies = [(path.parent.name, path.read_bytes()) for path in documents]
    outcomes: Counter[str] = Counter()
    findings: list[str] = []
    slowest_s, largest_mb = 0.0, 0.0
    start = time.monotonic()
    number = only or 0
    settings = IngestSettings(extract_workers=2, extract_timeout_s=10.0, parse_timeout_s=10.0)

    async with ExtractorPool(settings) as pool:

        async def run(number: int) -> None:
            nonlocal slowest_s
            kind, body = mutated(bodies, seed, number)
            began = time.monotonic()
            try:
                if kind == "feeds":
                    await pool.parse_feed(body, url="https://harbour.example/feed", content_type=None, now=NOW)
                else:
                    await pool.extract(body, url="https://harbour.example/a", content_type="text/html", now=NOW)
                outcome = f"{kind}: read"
            except Refused as refusal:
                outcome = f"{kind}: {refusal.reason}"
                if refusal.reason in FINDINGS:
                    kept(keep / f"{seed}-{number}.{kind}", body)
                    findings.append(f"--seed {seed} --only {number}: {refusal}")
            slowest_s = max(slowest_s, time.monotonic() - began)
            outcomes[outcome] += 1

        while only is not None or time.monotonic() - start < limit_s:
            await asyncio.gather(*(run(number + offset) for offset in range(1 if only is not None else 20)))
            number += 20
            largest_mb = max([largest_mb, *(child.memory_info().rss / 1e6 for child in psutil.Process().children())])
            if only is not None:
                break
    for outcome, count in outcomes.most_common():
        print(f"{count:8} {outcome}")
    print(f"{sum(outcomes.values())} inputs, seed {seed}, slowest {slowest_s:.1f} s, largest subprocess {largest_mb:.0f} MB")
    for finding in findings:
        print(f"FOUND {finding}")
    return 1 if findings else 0


def kept(path: Path, body: bytes) -> None:
    """Write an input down."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def mutated(bodies: list[tuple[str, bytes]], seed: int, number: int) -> tuple[str, bytes]:
    """Give the input of a number: a document of the corpus after one to eight changes."""
    random_ = random.Random(f"{seed}:{number}")
    kind, body = random_.choice(bodies)
    data = bytearray(body[:20_000])
    for _ in range(random_.randint(1, 8)):
        at = random_.randint(0, len(data))
        match random_.randrange(8):
            case 0:
                data[at:at] = random_.choice(TOKENS)
            case 1:
                data[at:at] = random_.choice(TOKENS) * random_.choice((2, 50, 3_000))
            case 2:
                del data[at : at + random_.choice((1, 10, 200))]
            case 3:
                piece = data[at : at + random_.choice((5, 100, 2_000))]
                data[at:at] = piece * random_.choice((1, 5, 40))
            case 4:
                data[at : at + 3] = random_.randbytes(3)
            case 5:
                other = random_.choice(bodies)[1]
                begin = random_.randint(0, len(other))
                data[at:at] = other[begin : begin + 500]
            case 6:
                del data[at:]
            case _:
                data[at:at] = b"<" + bytes(random_.choices(b"abcdefghijklmnop:-", k=random_.randint(1, 9))) + b">"
    return kind, bytes(data[:2_000_000])


if __name__ == "__main__":
    main()
