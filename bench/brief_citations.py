"""Citations of real stories, judged by a reader: `python -m bench.brief_citations pairs FILE… --seed N --out DIR`, then `… score KEYS FILES`.

`pairs` makes briefs of random stories and writes pairs of a brief's sentence and another article of the story: `DIR/texts.txt` to read,
which says nothing of the program's answer, and `DIR/keys.csv`, whose last column is for the reader: 1 where the article states every part
of the sentence (names, numbers, who said it), in whatever words, else 0. Pairs that have many words in common are taken more often than
others; an article that has the sentence word for word makes no pair.
`score` compares the labels with the check that stands behind every citation. It needs the files of stories, since keys hold no text.
"""

import argparse
import csv
import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from bench.brief_quality import read_stories, story_of
from services.publish.brief.compose import compose
from services.publish.brief.read import Reading, Statement, read_article
from services.publish.brief.source import Source
from services.publish.brief.support import find_evidence
from services.publish.brief.trim import trim
from services.publish.brief.words import letters_only

ARTICLES = 4
"""Articles of a story that are read at most, chosen at random."""
WORDS = 900
"""Words of an article at most: both texts of a pair are to be read whole."""
NEAR = 0.45
"""Share of a sentence's long words that stand near each other in an article, from which it may state the sentence."""
WINDOW = 60
"""Words in a row in which they are looked for."""
NEAR_PAIRS, FAR_PAIRS = 6, 1
"""Pairs of either kind that a story gives at most."""
FIELDS = ("pair", "set", "article", "sentence", "other", "states")


class Pair(NamedTuple):
    """A sentence of a brief and another article than the one that it is from."""

    text: str
    own: Source
    other: Source


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair that a reader labelled, and the program's answer."""

    pair: str
    statement: Statement
    article: Reading
    states: bool
    cited: bool


def main() -> None:
    """Write pairs, or score labelled ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    pairs = commands.add_parser("pairs", help="write pairs to label")
    pairs.add_argument("files", nargs="+", type=Path)
    pairs.add_argument("--out", type=Path, required=True)
    pairs.add_argument("--stories", type=int, default=10, help="stories of each file")
    pairs.add_argument("--seed", type=int, required=True)
    pairs.add_argument("--without", nargs="*", type=Path, default=[], help="keys whose stories are left out")
    pairs.set_defaults(run=lambda given: write_pairs(given.files, given.out, given.stories, given.seed, given.without))
    score = commands.add_parser("score", help="compare labels with the program's answers")
    score.add_argument("keys", type=Path)
    score.add_argument("stories", type=Path, help="the folder of the files of stories")
    score.add_argument("--show", action="store_true", help="print what is judged differently")
    score.set_defaults(run=lambda given: print_score(given.keys, given.stories, show=given.show))
    given = parser.parse_args()
    given.run(given)


def write_pairs(files: Sequence[Path], out: Path, stories: int, seed: int, without: Sequence[Path]) -> None:
    """Write pairs of random stories of each file, none of which gave pairs to the keys `without`."""
    out.mkdir(parents=True, exist_ok=True)
    used = {row[field] for keys in without for row in _rows(keys) for field in ("article", "other")}
    chance = random.Random(seed)
    rows: list[tuple[str, ...]] = []
    with (out / "texts.txt").open("w", encoding="utf-8") as texts:
        for file in files:
            told = [held for held in read_stories(file) if used.isdisjoint(str(source.article_id) for source in held)]
            chance.shuffle(told)
            left = stories
            for held in told:
                sources = _some(held, chance)
                pairs = _choose(sources, chance)
                if not pairs:
                    continue
                texts.write(f"\n{'=' * 80}\n{file.name}\n")
                for source in sorted({pair.other for pair in pairs}, key=lambda source: source.number):
                    texts.write(f"\n--- article {source.number}, published {source.published_at}\n{source.title}\n\n{source.text}\n")
                for text, own, other in pairs:
                    rows.append((str(len(rows) + 1), file.name, str(own.article_id), _digest(text), str(other.article_id), ""))
                    texts.write(f"\nPAIR {len(rows)}: article {other.number}, sentence of article {own.number}:\n    {text}\n")
                left -= 1
                if not left:
                    break
    with (out / "keys.csv").open("w", encoding="utf-8", newline="") as keys:
        csv.writer(keys, lineterminator="\n").writerows([FIELDS, *rows])
    print(f"{len(rows)} pairs in {out}")


def _some(story: Sequence[Source], chance: random.Random) -> list[Source]:
    usable = [source for source in story if source.language == "en" and len(source.text.split()) <= WORDS]
    return [replace(source, number=number) for number, source in enumerate(chance.sample(usable, min(len(usable), ARTICLES)), 1)]


def _choose(sources: Sequence[Source], chance: random.Random) -> list[Pair]:
    if len(sources) < 2:
        return []
    brief = compose(story_of(sources), sources)
    near: list[Pair] = []
    far: list[Pair] = []
    for sentence in (sentence for section in brief.sections for sentence in section.sentences):
        holding = [source for source in sources if _has(source, sentence.text)]
        for other in sources:
            if holding and other not in holding:
                (near if _common(sentence.text, other) >= NEAR else far).append(Pair(sentence.text, holding[0], other))
    chosen = [*chance.sample(near, min(len(near), NEAR_PAIRS)), *chance.sample(far, min(len(far), FAR_PAIRS))]
    return sorted(chosen, key=lambda pair: pair.text)


def _has(source: Source, text: str) -> bool:
    return letters_only(text).strip() in letters_only(source.text)


def _common(text: str, other: Source) -> float:
    """Give the share of a sentence's words of four letters or more whose beginnings stand within one window of an article."""
    wanted = {word[:5] for word in re.findall(r"\w{4,}|\d+", text.lower())}
    words = [word[:5] for word in re.findall(r"\w+", f"{other.title} {other.text}".lower())]
    windows = (wanted.intersection(words[start : start + WINDOW]) for start in range(0, len(words), WINDOW // 3))
    return max(map(len, windows), default=0) / max(1, len(wanted))


def read_judged(keys: Path, stories: Path) -> Iterator[Judged]:
    """Give labelled pairs with the program's answers; one whose sentence is no longer read as one is left out."""
    rows = [row for row in _rows(keys) if row["states"]]
    wanted = {row[field] for row in rows for field in ("article", "other")}
    sources: dict[str, Source] = {}
    for name in sorted({row["set"] for row in rows}):
        held = (source for story in read_stories(stories / name) for source in story)
        sources.update((str(source.article_id), source) for source in held if str(source.article_id) in wanted)
    readings = {name: read_article(source) for name, source in sources.items()}
    for row in rows:
        article = readings[row["other"]]
        statement = _find(readings[row["article"]], row["sentence"])
        if statement is not None:
            cited = find_evidence(statement.marks, article) is not None
            yield Judged(row["pair"], statement, article, row["states"] == "1", cited)


def _find(article: Reading, digest: str) -> Statement | None:
    """Find a sentence, or what is left of one whose last clauses are cut."""
    whole = next((statement for statement in article.body if _digest(statement.text) == digest), None)
    cut = (shorter for statement in article.body for shorter in trim(statement, article))
    return whole or next((shorter for shorter in cut if _digest(shorter.text) == digest), None)


def precision_and_recall(judged: Sequence[Judged]) -> tuple[float, float]:
    """Give the share of citations that are right, and of what is stated that is cited."""
    right = sum(each.cited and each.states for each in judged)
    return right / (sum(each.cited for each in judged) or 1), right / (sum(each.states for each in judged) or 1)


def print_score(keys: Path, stories: Path, *, show: bool) -> None:
    """Print precision and recall, and what is judged differently."""
    judged = list(read_judged(keys, stories))
    precision, recall = precision_and_recall(judged)
    print(f"{keys.name}: {len(judged)} pairs, {sum(each.states for each in judged)} stated: precision {precision:.3f}, recall {recall:.3f}")
    for each in judged:
        if show and each.cited != each.states:
            print(f"\n{'MISSED' if each.states else 'WRONG'} {each.pair}: {each.statement.text}\n    {each.article.title.text}")


def _rows(keys: Path) -> list[dict[str, str]]:
    with keys.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _digest(text: str) -> str:
    return hashlib.sha256(letters_only(text).strip().encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
