"""How fast assign decides, and what an article costs in a large index: `python -m bench.cluster_decide [OPEN …]`.

Made-up articles of 300 words about made-up events, three articles an event. Times are CPU seconds of this one process, so that a
busy machine does not count; run it with OPENBLAS_NUM_THREADS=1.
"""

import argparse
import random
import resource
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from services.cluster.assign.decide import AssignLogic
from services.cluster.assign.index import Decoded, SimilarityIndex
from services.cluster.config import StoryRules
from services.cluster.enrich.features import FeatureMaker
from shared import ids
from shared.contracts import ArticleStatus, EnrichedArticle, Features, InputKind, Publisher, StoryInput

WORDS = 60_000
TERMS = 110
MEASURED = 2_000
TOGETHER = 32
"""Articles in a batch of enrich."""
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPOKEN = """the minister said on Tuesday that officials in the capital would meet union leaders after workers at the port voted for a
strike over pay and safety which has stopped most ships since last week while police closed roads near the old harbour and schools
sent children home early because of heavy rain that flooded several streets in the northern part of the city where engineers from
Hamburg and Osaka inspected a bridge damaged in March company shares fell four percent before markets recovered some ground late"""


def articles(count: int, seed: int = 1) -> Iterator[tuple[UUID, Decoded, float]]:
    """Give articles as enrich would: a long-tailed vocabulary, 15 words and a direction that an event's articles share."""
    chance = random.Random(seed)
    numbers = np.random.default_rng(seed)
    ranks = np.arange(1, WORDS + 1)
    share = (1 / ranks) / (1 / ranks).sum()
    rarity = np.minimum(-np.log(np.minimum(share * TERMS, 0.9)), 9.0).astype(np.float32)
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    for number in range(count):
        if not waiting or chance.random() < 0.3:
            event = (numbers.choice(WORDS, 15, replace=False), numbers.normal(size=256))
            waiting += [event] * 3
        own, meaning = waiting.pop(chance.randrange(len(waiting)))
        common = np.minimum((WORDS ** numbers.random(TERMS)).astype(int), WORDS - 1)
        ids = np.unique(np.concatenate((own, common)))
        weights = np.where(np.isin(ids, own), 2.4, 1.2).astype(np.float32)
        vector = meaning + 0.8 * numbers.normal(size=256)
        vector = np.clip(np.rint(vector * 256 / np.linalg.norm(vector)), -127, 127).astype(np.int8)
        yield (
            UUID(int=chance.getrandbits(128)),
            Decoded(tuple(ids.tolist()), weights, rarity[ids], vector, np.arange(40) < 3, told=True),
            20_000 + number / 50_000,
        )


def inputs(count: int) -> Iterator[StoryInput]:
    """Give articles as enrich would, one a second."""
    chance = random.Random(5)
    for number, (_, decoded, _) in enumerate(articles(count)):
        title = f"What the {chance.randrange(10_000)} people of place {number} did about matter {chance.randrange(1_000)} this week"
        made = Features(
            features_version=1,
            title_terms=tuple(title.lower().split()),
            names=tuple(f"name{chance.randrange(50_000)}" for _ in range(14)),
            numbers=tuple(str(chance.randrange(3_000)) for _ in range(4)),
            term_ids=_packed(np.array(decoded.ids, "<u4")),
            term_weights=_packed(decoded.weights.astype("<f2")),
            term_rarities=_packed(decoded.rarities.astype("<f2")),
            vector=_packed(decoded.vector),
            signature=tuple(chance.getrandbits(32) for _ in range(64)),
            words=300,
        )
        at = NOON + timedelta(seconds=number)
        url = f"https://outlet{number % 400}.example/{number}"
        yield StoryInput(
            kind=InputKind.ARTICLE,
            article=EnrichedArticle(
                article_id=ids.article_id(url),
                version=1,
                status=ArticleStatus.PUBLISHED,
                title=title,
                url=url,
                publisher=Publisher(id=f"outlet{number % 400}.example", name=f"Outlet {number % 400}"),
                language="en",
                published_at=at,
                fetched_at=at,
                features=made,
            ),
        )


def _packed(array: Any) -> str:
    return b64encode(array.tobytes()).decode()


def decide_rate(count: int = 4_000) -> float:
    """Give articles that assign decides in a CPU second, from a StoryInput to the state in memory, in a partition that begins empty."""
    logic, made = AssignLogic(0, StoryRules()), list(inputs(count))
    began = time.process_time()
    for story_input in made:
        logic.apply(logic.decide_input(story_input))
    return count / (time.process_time() - began)


def cost_at(held: int) -> tuple[float, float]:
    """Give CPU seconds to link and add one article when so many are held, and seconds to fill the index."""
    index = SimilarityIndex()
    stream = articles(held + MEASURED)
    began = time.process_time()
    for _ in range(held):
        article_id, decoded, day = next(stream)
        index.add_decoded(article_id, decoded, day, time_known=True)
    filling = time.process_time() - began
    prepared = list(stream)
    began = time.process_time()
    for article_id, decoded, day in prepared:
        index.links_decoded(decoded, day, time_known=True)
        index.add_decoded(article_id, decoded, day, time_known=True)
    return (time.process_time() - began) / MEASURED, filling


def enrich_rate() -> float:
    """Give articles of 300 words enriched in a CPU second."""
    chance = random.Random(1)
    words = SPOKEN.split()
    made = [(" ".join(chance.choices(words, k=11)), " ".join(chance.choices(words, k=300))) for _ in range(300)]
    maker = FeatureMaker()
    maker.load()
    began = time.process_time()
    for start in range(0, len(made), TOGETHER):
        maker.features_of([(title, text, "en") for title, text in made[start : start + TOGETHER]])
    return len(made) / (time.process_time() - began)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster_decide", description=__doc__)
    parser.add_argument("open", nargs="*", type=int, default=[10_000, 100_000], metavar="OPEN", help="how many articles the index holds")
    given = parser.parse_args()
    print(f"enrich: {enrich_rate():,.0f} articles of 300 words a CPU second")
    print(f"decide: {decide_rate():,.0f} articles a CPU second, all that follows for state and topics included")
    first = None
    for held in given.open:
        cost, filling = cost_at(held)
        first = first or cost
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{held:>8,} open: {cost * 1e6:,.0f} µs an article ({1 / cost:,.0f}/s), {cost / first:.2f} of the first, filled in {filling:.1f} s (made-up articles included), peak {peak:,.0f} MB"
        )


if __name__ == "__main__":
    main()
