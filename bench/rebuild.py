"""How fast a rebuild decides: `python -m bench.rebuild [ARTICLES] [DAYS]`.

Made-up articles with features as enrich makes them, three to an event, over some days; the clustering alone, as `slugline rebuild start`
runs it where features are kept. CPU seconds of this one process; run it with OPENBLAS_NUM_THREADS=1.
"""

import argparse
import random
import resource
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from bench.cluster_decide import articles
from services.cluster.config import StoryRules
from services.cluster.enrich.features import FEATURES_VERSION, pack
from services.cluster.rebuild.regroup import Past, in_order, regroup
from shared.contracts import ArticleStatus, EnrichedArticle, Features, Publisher

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def history(count: int, days: float) -> list[Past]:
    """Make articles evenly over some days."""
    chance = random.Random(3)
    made = []
    for number, (article_id, decoded, _) in enumerate(articles(count, seed=3)):
        at = BEGAN + timedelta(days=days * number / count)
        features = Features(
            features_version=FEATURES_VERSION,
            term_ids=pack(np.array(decoded.ids, "<u4")),
            term_weights=pack(decoded.weights.astype("<f2")),
            term_rarities=pack(decoded.rarities.astype("<f2")),
            vector=pack(decoded.vector),
            native_vector=pack(decoded.vector),
            signature=tuple(chance.getrandbits(32) for _ in range(64)),
            words=300,
        )
        outlet = f"outlet{number % 200}.example"
        article = EnrichedArticle(
            article_id=UUID(int=article_id.int),
            version=1,
            status=ArticleStatus.PUBLISHED,
            title=f"Article {number}",
            url=f"https://{outlet}/{number}",
            publisher=Publisher(id=outlet, name=outlet),
            language="en",
            published_at=at,
            fetched_at=at,
            features=features,
        )
        made.append(Past(article, at, number))
    return in_order(made)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.rebuild", description=__doc__)
    parser.add_argument("articles", nargs="?", type=int, default=20_000, metavar="ARTICLES")
    parser.add_argument("days", nargs="?", type=float, default=7.0, metavar="DAYS")
    given = parser.parse_args()
    count, days = given.articles, given.days
    past = history(count, days)
    began, wall = time.process_time(), time.perf_counter()
    groups = regroup(0, past, {}, {}, StoryRules())
    spent, passed = time.process_time() - began, time.perf_counter() - wall
    print(
        f"{count:,} articles over {days:g} days: {count / spent:,.0f} articles a CPU second, {count / passed:,.0f} a second on this machine"
    )
    print(f"{len(set(groups.values())):,} stories, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
