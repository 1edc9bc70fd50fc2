"""Citations of real stories, judged by a reader: `python -m bench.brief_citations pairs FILE… --seed N --out DIR`, then `… score KEYS FILES`.

`pairs` makes briefs of random stories and writes pairs of a brief's sentence and another article of the story: `DIR/texts.txt` to read,
which says nothing of the program's answer, and `DIR/keys.csv`, whose last column is for the reader: 1 where the article states every part
of the sentence (names, numbers, who said it), in whatever words, else 0. Pairs that have many words in common are taken more often than
others; an article that has the sentence word for word makes no pair.
`score` compares the labels with the check that stands behind every citation. It needs the files of stories, since keys hold no text.

`sentences FILE… --seed N --out DIR` draws what a brief's reader meets instead: random sentences of random briefs, each with every article of
its story (the first ten by time), copies and its own included, in the same two files. `natural KEYS FOLDER` gives precision and recall over
them with 95 % intervals. The name of a pair says what it is: `story3.1.4` (story, sentence, article); `citation7`, a random one of all that
briefs print, labelled as such; `other7`, the same of another article that has the sentence in other words.
"""

import argparse
import csv
import hashlib
import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
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
MEMBERS = 10
"""Articles of a story, the first by time, that are read for each of its sentences."""
SENTENCES = 2
"""Sentences of one story at most."""
DRAWS = 10_000
"""Samples of stories, drawn with repetition, from which an interval is taken."""
Z = 1.96
"""Standard deviations on either side that hold 95 %."""
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
    own: bool

    @property
    def copied(self) -> bool:
        """Whether another article than the sentence's own has it word for word."""
        return not self.own and _has(self.article.source, self.statement.text)


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
    sentences = commands.add_parser("sentences", help="write sentences with all articles of their stories to label")
    sentences.add_argument("files", nargs="+", type=Path)
    sentences.add_argument("--out", type=Path, required=True)
    sentences.add_argument("--stories", type=int, default=10, help="stories of each file")
    sentences.add_argument("--seed", type=int, required=True)
    sentences.add_argument("--without", nargs="*", type=Path, default=[], help="keys whose stories are left out")
    sentences.set_defaults(run=lambda given: write_sentences(given.files, given.out, given.stories, given.seed, given.without))
    natural = commands.add_parser("natural", help="give precision and recall over random sentences and citations")
    natural.add_argument("keys", type=Path)
    natural.add_argument("stories", type=Path, help="the folder of the files of stories")
    natural.set_defaults(run=lambda given: print_natural(list(read_judged(given.keys, given.stories))))
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
    chance = random.Random(seed)
    rows: list[tuple[str, ...]] = []
    with (out / "texts.txt").open("w", encoding="utf-8") as texts:
        for file in files:
            left = stories
            for held in _unseen(file, without, chance):
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
    _write_keys(out, rows)


def write_sentences(files: Sequence[Path], out: Path, stories: int, seed: int, without: Sequence[Path]) -> None:
    """Write random sentences of random stories' briefs, each with all articles, as `write_pairs` does."""
    out.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    rows: list[tuple[str, ...]] = []
    drawn = 0
    with (out / "texts.txt").open("w", encoding="utf-8") as texts:
        for file in files:
            last = drawn + stories
            for held in _unseen(file, without, chance):
                if drawn == last:
                    break
                members = _first(held)
                told = _with_own(members) if len(members) > 1 else []
                if not told:
                    continue
                drawn += 1
                texts.write(f"\n{'=' * 80}\n{file.name}, story {drawn}\n")
                for place, (text, own) in enumerate(chance.sample(told, min(len(told), SENTENCES)), 1):
                    texts.write(f"\nSENTENCE {drawn}.{place}, of article {own.number}:\n    {text}\n")
                    for other in members:
                        name = f"story{drawn}.{place}.{other.number}"
                        rows.append((name, file.name, str(own.article_id), _digest(text), str(other.article_id), ""))
                for source in members:
                    texts.write(f"\n--- article {source.number}, published {source.published_at}\n{source.title}\n\n{source.text}\n")
    _write_keys(out, rows)


def _with_own(members: Sequence[Source]) -> list[tuple[str, Source]]:
    """Give a brief's sentences with the first article that has each; titles are left out."""
    holding = ((text, next((member for member in members if _has(member, text)), None)) for text in _sentences(members))
    return [(text, own) for text, own in holding if own is not None]


def _unseen(file: Path, without: Sequence[Path], chance: random.Random) -> list[list[Source]]:
    """Give a file's stories in random order, those left out that gave pairs to the keys `without`."""
    used = {row[field] for keys in without for row in _rows(keys) for field in ("article", "other")}
    told = [held for held in read_stories(file) if used.isdisjoint(str(source.article_id) for source in held)]
    chance.shuffle(told)
    return told


def _write_keys(out: Path, rows: Sequence[tuple[str, ...]]) -> None:
    with (out / "keys.csv").open("w", encoding="utf-8", newline="") as keys:
        csv.writer(keys, lineterminator="\n").writerows([FIELDS, *rows])
    print(f"{len(rows)} pairs in {out}")


def _first(story: Sequence[Source]) -> list[Source]:
    """Give the first articles of a story by time; those without a time come last, as the file has them."""
    ordered = sorted(story, key=lambda source: (source.published_at is None, source.published_at or datetime.min.replace(tzinfo=UTC)))
    return [replace(source, number=number) for number, source in enumerate(ordered[:MEMBERS], 1)]


def _some(story: Sequence[Source], chance: random.Random) -> list[Source]:
    usable = [source for source in story if source.language == "en" and len(source.text.split()) <= WORDS]
    return [replace(source, number=number) for number, source in enumerate(chance.sample(usable, min(len(usable), ARTICLES)), 1)]


def _choose(sources: Sequence[Source], chance: random.Random) -> list[Pair]:
    if len(sources) < 2:
        return []
    near: list[Pair] = []
    far: list[Pair] = []
    for text in _sentences(sources):
        holding = [source for source in sources if _has(source, text)]
        for other in sources:
            if holding and other not in holding:
                (near if _common(text, other) >= NEAR else far).append(Pair(text, holding[0], other))
    chosen = [*chance.sample(near, min(len(near), NEAR_PAIRS)), *chance.sample(far, min(len(far), FAR_PAIRS))]
    return sorted(chosen, key=lambda pair: pair.text)


def _sentences(sources: Sequence[Source]) -> list[str]:
    brief = compose(story_of(sources), sources)
    return [sentence.text for section in brief.sections for sentence in section.sentences]


def _has(source: Source, text: str) -> bool:
    return letters_only(text).strip() in letters_only(source.text)


def _common(text: str, other: Source) -> float:
    """Give the share of a sentence's words of four letters or more whose beginnings stand within one window of an article."""
    wanted = {word[:5] for word in re.findall(r"\w{4,}|\d+", text.lower())}
    words = [word[:5] for word in re.findall(r"\w+", f"{other.title} {other.text}".lower())]
    windows = (wanted.intersection(words[start : start + WINDOW]) for start in range(0, len(words), WINDOW // 3))
    return max(map(len, windows), default=0) / max(1, len(wanted))


def read_judged(keys: Path, stories: Path) -> Iterator[Judged]:
    """Give labelled pairs with the program's answers; one whose sentence is no longer read as one is left out.

    A brief cites the article that its sentence is from without a check.
    """
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
            own = row["other"] == row["article"]
            cited = own or find_evidence(statement.marks, article) is not None
            yield Judged(row["pair"], statement, article, row["states"] == "1", cited, own)


def _find(article: Reading, digest: str) -> Statement | None:
    """Find a sentence or title, or what is left of a sentence whose last clauses are cut."""
    whole = next((statement for statement in (*article.body, article.title) if _digest(statement.text) == digest), None)
    cut = (shorter for statement in article.body for shorter in trim(statement, article))
    return whole or next((shorter for shorter in cut if _digest(shorter.text) == digest), None)


def precision_and_recall(judged: Sequence[Judged]) -> tuple[float, float]:
    """Give the share of citations that are right, and of what is stated that is cited."""
    right = sum(each.cited and each.states for each in judged)
    return right / (sum(each.cited for each in judged) or 1), right / (sum(each.states for each in judged) or 1)


def print_natural(judged: Sequence[Judged]) -> None:
    """Print precision of random citations, and precision and recall over random sentences with all articles of their stories."""
    printed = [each for each in judged if each.pair.startswith("citation")]
    others = [each for each in judged if not each.pair.startswith("story") and not each.own and not each.copied]
    for title, held in (("citations", printed), ("of other articles, in other words", others)):
        cited = [each.states for each in held if each.cited]
        low, high = wilson(sum(cited), len(cited))
        share = sum(cited) / (len(cited) or 1)
        print(f"{title}: {sum(cited)} of {len(cited)} still cited are right, {share:.3f} ({low:.3f} to {high:.3f})")
    told = [each for each in judged if each.pair.startswith("story")]
    strange = [each for each in told if not each.own]
    reworded = [each for each in strange if not each.copied]
    for title, held in (("all pairs", told), ("without the own article", strange), ("nor copies", reworded)):
        precision, recall = precision_and_recall(held)
        low, high = bootstrap(held)
        stated = sum(each.states for each in held)
        print(f"{title}: {len(held)}, {stated} stated: precision {precision:.3f}, recall {recall:.3f} ({low:.3f} to {high:.3f})")


def wilson(right: int, count: int) -> tuple[float, float]:
    """Give the 95 % interval of a share after Wilson (1927)."""
    if not count:
        return 0.0, 1.0
    middle = (right + Z * Z / 2) / (count + Z * Z)
    half = Z / (count + Z * Z) * math.sqrt(right * (count - right) / count + Z * Z / 4)
    return middle - half, middle + half


def bootstrap(judged: Sequence[Judged]) -> tuple[float, float]:
    """Give the 95 % interval of recall over samples of stories, since the pairs of one story are alike."""
    stories: dict[str, tuple[int, int]] = {}
    for each in judged:
        story = each.pair.split(".")[0]
        found, stated = stories.get(story, (0, 0))
        stories[story] = (found + (each.cited and each.states), stated + each.states)
    chance = random.Random(1)
    counted = list(stories.values())
    drawn = (chance.choices(counted, k=len(counted)) for _ in range(DRAWS if counted else 0))
    samples = ([sum(counts) for counts in zip(*sample, strict=True)] for sample in drawn)
    recalls = sorted(found / stated for found, stated in samples if stated)
    return (recalls[int(len(recalls) * 0.025)], recalls[int(len(recalls) * 0.975)]) if recalls else (0.0, 1.0)


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
