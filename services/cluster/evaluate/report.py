"""The figures of an evaluation, as JSON has them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.cluster.evaluate.labelled import LabelledArticle
from services.cluster.evaluate.measure import Agreement, bcubed, pairwise, v_measure
from services.cluster.evaluate.run import Outcome


def report_of(name: str, articles: Sequence[LabelledArticle], outcome: Outcome) -> dict[str, Any]:
    """Give one file's figures."""
    labels = [article.story for article in articles]
    stories = outcome.stories
    sizes = Counter(stories)
    return {
        "file": name,
        "articles": len(articles),
        "bcubed": _figures(bcubed(labels, stories)),
        "pairwise": _figures(pairwise(labels, stories)),
        "v_measure": round(v_measure(labels, stories), 4),
        "stories": len(sizes),
        "labelled_stories": len(set(labels)),
        "singletons": sum(size == 1 for size in sizes.values()),
        "articles_per_second": round(len(articles) / outcome.seconds, 1),
        "decided_per_second": round(len(articles) / max(outcome.seconds - outcome.enrich_seconds, 1e-9), 1),
        "peak_memory_mb": round(outcome.peak_memory_mb, 1),
    }


def macro_of(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give the means over files, each file counting as much as any other."""

    def mean(*path: str) -> float:
        values = []
        for report in reports:
            value: Any = report
            for step in path:
                value = value[step]
            values.append(float(value))
        return round(sum(values) / len(values), 4)

    parts = ("precision", "recall", "f1")
    return {
        "bcubed": {part: mean("bcubed", part) for part in parts},
        "pairwise": {part: mean("pairwise", part) for part in parts},
        "v_measure": mean("v_measure"),
    }


def united(stories: Sequence[UUID], links: Mapping[UUID, frozenset[UUID]]) -> list[UUID]:
    """Give each article the one story that stands for all that are linked with its own, directly or not."""
    parent: dict[UUID, UUID] = {}

    def root(story: UUID) -> UUID:
        while parent.setdefault(story, story) != story:
            parent[story] = parent[parent[story]]
            story = parent[story]
        return story

    for story, others in links.items():
        for other in others:
            first, second = sorted((root(story), root(other)))
            parent[second] = first
    return [root(story) for story in stories]


def _figures(agreement: Agreement) -> dict[str, float]:
    return {"precision": round(agreement.precision, 4), "recall": round(agreement.recall, 4), "f1": round(agreement.f1, 4)}
