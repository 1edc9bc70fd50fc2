"""How fast assign decides, and what an article costs in a large index: `python -m bench.cluster_decide [OPEN …]`.

Made-up articles of 300 words about made-up events, three articles an event. Times are CPU seconds of this one process, so that a
busy machine does not count; run it with OPENBLAS_NUM_THREADS=1.
"""

import random
import resource
import sys
import time
from collections.abc import Iterator
from uuid import UUID

import numpy as np

from services.cluster.assign.index import Decoded, SimilarityIndex
from services.cluster.assign.join import choose_story
from services.cluster.enrich.features import FeatureMaker

WORDS = 60_000
TERMS = 110
MEASURED = 2_000
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
        yield UUID(int=chance.getrandbits(128)), Decoded(tuple(ids.tolist()), weights, rarity[ids], vector), 20_000 + number / 50_000


def cost_at(held: int) -> tuple[float, float]:
    """Give CPU seconds to link, choose and add one article when so many are held, and seconds to fill the index."""
    index = SimilarityIndex()
    stories: dict[UUID, UUID] = {}
    stream = articles(held + MEASURED)
    began = time.process_time()
    for _ in range(held):
        article_id, decoded, day = next(stream)
        index.add_decoded(article_id, decoded, day, time_known=True)
        stories[article_id] = article_id
    filling = time.process_time() - began
    prepared = list(stream)
    began = time.process_time()
    for article_id, decoded, day in prepared:
        choice = choose_story(index.links_decoded(decoded, day, time_known=True), stories.get)
        stories[article_id] = choice.story_id or article_id
        index.add_decoded(article_id, decoded, day, time_known=True)
    return (time.process_time() - began) / MEASURED, filling


def enrich_rate() -> float:
    """Give articles of 300 words enriched in a CPU second."""
    chance = random.Random(1)
    words = SPOKEN.split()
    made = [(" ".join(chance.choices(words, k=11)), " ".join(chance.choices(words, k=300))) for _ in range(300)]
    maker = FeatureMaker()
    maker.features("warm", "up", "en")
    began = time.process_time()
    for title, text in made:
        maker.features(title, text, "en")
    return len(made) / (time.process_time() - began)


def main() -> None:
    """Print the figures."""
    print(f"enrich: {enrich_rate():,.0f} articles of 300 words a CPU second")
    first = None
    for held in [int(argument) for argument in sys.argv[1:]] or [10_000, 100_000]:
        cost, filling = cost_at(held)
        first = first or cost
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{held:>8,} open: {cost * 1e6:,.0f} µs an article ({1 / cost:,.0f}/s), {cost / first:.2f} of the first, filled in {filling:.1f} s (made-up articles included), peak {peak:,.0f} MB"
        )


if __name__ == "__main__":
    main()
