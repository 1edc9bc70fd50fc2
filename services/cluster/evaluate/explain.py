"""The worst confusions of an evaluation, with the evidence of each decision."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from services.cluster.evaluate.labelled import LabelledArticle
from services.cluster.evaluate.run import Outcome

SHOWN_PARTS = 6


def explained(articles: Sequence[LabelledArticle], outcome: Outcome, limit: int) -> list[dict[str, Any]]:
    """List the stories that mix most labels and the labels that are torn into most stories, worst first."""
    evidence = {article_id: update.evidence for update in outcome.updates for article_id in update.articles_added}
    titles = {article_id: article.title for article_id, article in zip(outcome.article_ids, articles, strict=True)}
    mixed, torn = defaultdict(list), defaultdict(list)
    for place, (article, story) in enumerate(zip(articles, outcome.stories, strict=True)):
        mixed[story].append((article.story, place))
        torn[article.story].append((str(story), place))
    found = [("one story mixes labels", members) for members in mixed.values()] + [
        ("one label is torn apart", members) for members in torn.values()
    ]
    worst = sorted(found, key=lambda item: (-_pairs_lost(item[1]), item[1][0][1]))[:limit]
    confusions = []
    for kind, members in worst:
        if not _pairs_lost(members):
            continue
        firsts: dict[str, int] = {}
        for group, place in members:
            firsts.setdefault(group, place)
        parts = []
        for group, place in list(firsts.items())[:SHOWN_PARTS]:
            found_evidence = evidence.get(outcome.article_ids[place])
            nearest = found_evidence.nearest[0] if found_evidence is not None and found_evidence.nearest else None
            parts.append(
                {
                    "story": group[:24],
                    "title": articles[place].title[:160],
                    "score": None if found_evidence is None else found_evidence.score,
                    "nearest": None if nearest is None else titles.get(nearest, "")[:160],
                }
            )
        confusions.append({"kind": kind, "articles": len(members), "pairs_lost": _pairs_lost(members), "parts": parts})
    return confusions


def _pairs_lost(members: Sequence[tuple[str, int]]) -> int:
    sizes = Counter(group for group, _ in members).values()
    return (len(members) ** 2 - sum(size * size for size in sizes)) // 2
