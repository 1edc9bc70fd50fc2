"""Draws the pictures of docs/clustering.md: `python -m bench.cluster_pictures`.

One decision, made by the service's own code on made-up articles, and the ablation table of that page as bars.
"""

import html
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np

from services.cluster.assign.index import SimilarityIndex
from services.cluster.assign.join import JOIN_AT, evidence_of, score_of
from services.cluster.enrich.features import FeatureMaker

DOCS = Path(__file__).parents[1] / "docs"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BLUE, GREY, GREEN, INK, PALE = "#2b6cb0", "#a0aec0", "#2f855a", "#1a202c", "#edf2f7"
WIDTH = 960

EARLIER = (
    ("A", 0, "Ferry rams pier at Bellport, twelve hurt", "The ferry Alba struck the pier at Bellport on Monday with 212 people on board; twelve were taken to hospital."),
    ("A", 2, "Bellport pier closed after ferry accident", "The harbour office closed the pier at Bellport after the Alba ran into it. Divers are looking at the hull."),
    ("B", 3, "Ferry strike at Corvo enters its second week", "Crews of the ferries at Corvo stay on strike over pay and night work; the harbour is empty."),
    ("C", 20, "Bellport budget passes after long debate", "The council of Bellport passed its budget with one vote. The harbour gets money for a new crane."),
)  # fmt: skip
NEW = (
    26,
    "Captain of the Alba questioned over Bellport crash",
    "Police questioned the captain of the ferry that hit the pier at Bellport on Monday. Twelve passengers were hurt when the Alba failed to slow down.",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """What is known of the new article and an earlier one."""

    story: str
    title: str
    hours: int
    words: float
    meaning: float
    words_above: float
    meaning_above: float
    probability: float


def pairs() -> list[Pair]:
    """Compare the new article with the earlier ones, best first."""
    maker, index = FeatureMaker(), SimilarityIndex("en")
    for number, (_, hours, title, text) in enumerate(EARLIER):
        index.add(UUID(int=number), maker.features(title, text, "en"), NOON + timedelta(hours=hours), time_known=True)
    hours, title, text = NEW
    features, at = maker.features(title, text, "en"), NOON + timedelta(hours=hours)
    slots, rows, _ = index.compare(index.read(features), at.timestamp() / 86_400, time_known=True)
    chances = {link.article_id.int: link.probability for link in index.links(features, at, time_known=True)}
    found = []
    for slot, row in zip(slots.tolist(), rows.tolist(), strict=True):
        story, then, earlier, _ = EARLIER[slot]
        above = np.expm1(row[2:4]).tolist()
        found.append(Pair(story, earlier, hours - then, row[0] ** 2, row[1], above[0], above[1], chances.get(slot, 0.0)))
    return sorted(found, key=lambda pair: -pair.probability)


def text(x: float, y: float, words: str, size: int = 13, color: str = INK, weight: str = "normal", anchor: str = "start") -> str:
    """Give a line of text."""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{color}" font-weight="{weight}" text-anchor="{anchor}">{html.escape(words)}</text>'


def bar(x: float, y: float, length: float, color: str, height: float = 12) -> str:
    """Give a bar."""
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{max(length, 1):.0f}" height="{height:.0f}" rx="2" fill="{color}"/>'


def picture(height: float, title: str, parts: list[str]) -> str:
    """Give an SVG document."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html.escape(title)}" '
        f'font-family="Helvetica, Arial, sans-serif"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def decision() -> str:
    """Draw how one article finds its story."""
    known = pairs()
    parts = [
        text(20, 30, "A new article, 26 hours after the first one", 12, "#4a5568"),
        text(20, 54, NEW[1], 18, weight="bold"),
        text(20, 92, "Candidates: earlier articles that share rare words with it", 14, weight="bold"),
    ]
    columns = ((430, "words"), (525, "deviations"), (620, "meaning"), (715, "deviations"), (800, "apart"), (870, "probability"))
    parts += [text(x, 112, name, 11, "#4a5568") for x, name in columns]
    y = 132
    for pair in known:
        parts += [
            f'<rect x="20" y="{y - 14}" width="{WIDTH - 40}" height="30" rx="4" fill="{PALE}"/>',
            text(30, y + 5, pair.story, 14, BLUE, "bold"),
            text(52, y + 5, pair.title, 13),
            bar(430, y - 5, 45 * pair.words, BLUE),
            text(430 + 45 * pair.words + 4, y + 5, f"{pair.words:.2f}", 11),
            text(525, y + 5, f"{pair.words_above:.1f}", 12),
            bar(620, y - 5, max(45 * pair.meaning, 1), GREEN),
            text(620 + max(45 * pair.meaning, 1) + 4, y + 5, f"{pair.meaning:.2f}", 11),
            text(715, y + 5, f"{pair.meaning_above:.1f}", 12),
            text(800, y + 5, f"{pair.hours} h", 12),
            text(870, y + 5, f"{pair.probability:.2f}", 13, weight="bold"),
        ]
        y += 36
    parts.append(
        text(
            20,
            y + 22,
            "Stories: the chance that one of its best links is right, and the share of its members that tell of it",
            14,
            weight="bold",
        )
    )
    y += 46
    by_story: dict[str, list[float]] = defaultdict(list)
    for pair in known:
        by_story[pair.story].append(pair.probability)
    scale = 520
    for story, chances in by_story.items():
        members = sum(name == story for name, *_ in EARLIER)
        score, (voices, share) = score_of(chances, members), evidence_of(chances, members)
        joined = score >= JOIN_AT
        told = f"{score:.2f} from voices of {1 / (1 + math.exp(-voices)):.2f} and {share:.0%} of its members{': joined' if joined else ''}"
        parts += [
            text(30, y + 11, story, 14, BLUE, "bold"),
            bar(60, y, scale * score, GREEN if joined else GREY, 14),
            text(74 + scale * max(score, JOIN_AT), y + 12, told, 12),
        ]
        y += 26
    at = 60 + scale * JOIN_AT
    parts += [
        f'<line x1="{at:.0f}" y1="{y - 26 * len(by_story) - 6}" x2="{at:.0f}" y2="{y}" stroke="#c53030" stroke-dasharray="4 3"/>',
        text(at, y + 14, f"a story is joined from {JOIN_AT:g} on; below it the article founds its own", 11, "#c53030", anchor="middle"),
    ]
    return picture(y + 30, "How one article finds its story", parts)


def ablation() -> str:
    """Draw the table of tries as bars: F1 with one threshold for all."""
    tries: list[tuple[str, float, bool]] = []
    for line in (DOCS / "clustering.md").read_text().split("## What was tried", 1)[1].split("Single similarities", 1)[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and re.fullmatch(r"\**\.\d{3}\**", cells[2]):
            tries.append((re.sub(r"[*`]", "", cells[0]), float("0" + cells[2].strip("*")), "**" in cells[0]))
    low = min(value for _, value, _ in tries) - 0.01
    high = max(value for _, value, _ in tries)
    parts = [text(20, 30, "Each try: BCubed F1 on kinds of news never seen, one threshold for all", 16, weight="bold")]
    y = 50
    for name, value, marked in tries:
        parts += [
            text(480, y + 11, name, 12, anchor="end", weight="bold" if marked else "normal"),
            bar(490, y, 400 * (value - low) / (high - low), GREEN if marked else BLUE, 14),
            text(496 + 400 * (value - low) / (high - low), y + 12, f"{value:.3f}"[1:], 12),
        ]
        y += 22
    parts.append(text(490, y + 14, f"bars begin at {low:.3f}", 11, "#4a5568"))
    return picture(y + 28, "What each try gives", parts)


def main() -> None:
    """Write the pictures."""
    folder = DOCS / "pictures"
    folder.mkdir(exist_ok=True)
    for name, drawn in (("decision", decision()), ("ablation", ablation())):
        (folder / f"{name}.svg").write_text(drawn)
        print(folder / f"{name}.svg")


if __name__ == "__main__":
    main()
