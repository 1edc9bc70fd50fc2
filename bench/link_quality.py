"""How well stories are linked across languages, and what it costs: `python -m bench.link_quality [OPEN …]`.

Two sets of made-up stories: the recorded web's events, and those of the tests (titles and leads in 16 languages). The weights
of `services/cluster/link/score.py` are fitted on pairs of both; held out, one set is judged by weights fitted on the other.
Then seconds a changed story at so many open stories in each of two languages, with random vectors.
"""

import argparse
import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from uuid import UUID

import numpy as np
import numpy.typing as npt

from deploy.recorded_web.content import body_of, load
from services.cluster.enrich.features import FeatureMaker
from services.cluster.link.config import LinkRules
from services.cluster.link.decide import Likeness
from services.cluster.link.profile import DIMENSIONS, Profile, profile_of, traits_of
from services.cluster.link.score import BIAS, WEIGHTS, evidence
from shared.contracts import Features
from tests.cluster.link.events import EVENTS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RIDGE = np.array([0.006, 0.3, 0.3, 0.3, 1e-6])
"""Of the logistic regression; the cosine's is low, since its values span a tenth of the others'."""
STEPS = 60

Told = dict[tuple[str, str], list[Features]]
Matrix = npt.NDArray[np.float64]


def recorded_web(maker: FeatureMaker) -> Told:
    """Give the recorded web's features by event and language."""
    told: Told = defaultdict(list)
    content = load()
    for story, plan in content.articles():
        language = content.outlet(plan.outlet).language
        told[story.name, language].append(maker.features(plan.title, "\n".join(body_of(plan, story)), language))
    return told


def made_up(maker: FeatureMaker) -> Told:
    """Give the tests' features by event and language."""
    return {
        (event, language): [maker.features(title, lead, language)]
        for event, by_language in EVENTS.items()
        for language, (title, lead) in by_language.items()
    }


def pairs_of(told: Told) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """Give the evidence of all pairs in different languages, with a 1 at the end, and which tell the same event."""
    profiles = {}
    for number, (key, made) in enumerate(told.items()):
        profile = profile_of(UUID(int=number), key[1], [traits_of(one) for one in made], NOON, NOON, len(made))
        if profile is not None:
            profiles[key] = profile
    commonness = Counter(name for profile in profiles.values() for name in profile.names)
    rows, same = [], []
    for one, other in combinations(profiles, 2):
        if one[1] != other[1]:
            cosine = float(profiles[one].vector @ profiles[other].vector)
            rows.append((*evidence(profiles[one], profiles[other], cosine, commonness, len(profiles)), 1.0))
            same.append(one[0] == other[0])
    return np.array(rows), np.array(same)


def fit(rows: Matrix, same: npt.NDArray[np.bool_]) -> Matrix:
    """Give a logistic regression's weights, the last the bias, by Newton's method."""
    weights = np.zeros(rows.shape[1])
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-(rows @ weights)))
        slope = rows.T @ (likely - same) + RIDGE * weights
        weights -= np.linalg.solve((rows * (likely * (1 - likely))[:, None]).T @ rows + np.diag(RIDGE), slope)
    return weights


def judge(name: str, weights: Matrix, rows: Matrix, same: npt.NDArray[np.bool_]) -> str:
    """Say how pairs are told apart at `link_at`, each pair by itself: no pair has to be both sides' best here."""
    linked = rows @ weights >= LinkRules().link_at
    right = int((linked & same).sum())
    return f"{name:<36} precision {right / max(1, linked.sum()):.3f}  recall {right / same.sum():.3f}  of {same.sum()} pairs"


def cost(open_stories: int, changed: int = 100) -> str:
    """Say how long a changed story takes among so many open ones."""
    chance, numbers = random.Random(1), np.random.default_rng(1)
    likeness = Likeness(LinkRules())
    vectors = numbers.normal(size=(2 * open_stories, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    def profile(number: int) -> Profile:
        names = frozenset(f"n{int(chance.paretovariate(0.3)) % 90_000}" for _ in range(12))
        digits = frozenset(str(int(math.exp(chance.random() * 9))) for _ in range(4))
        return Profile(UUID(int=number), "en" if number % 2 else "es", vectors[number], names, digits, NOON, NOON, 1)

    for number in range(2 * open_stories):
        known = profile(number)
        likeness.profiles[known.story_id] = known
        # Filled without comparing, which would take as long as a day of news.
        likeness._shelves[known.language].put(known)  # noqa: SLF001
        likeness._commonness.update(known.names)  # noqa: SLF001
        likeness._pairs[known.story_id] = {}  # noqa: SLF001
    began = time.process_time()
    for number in chance.sample(range(2 * open_stories), changed):
        likeness.put(profile(number))
    return f"{open_stories:>8,} open stories in each of two languages: {(time.process_time() - began) / changed * 1_000:.2f} ms a changed story"


def main(sizes: Sequence[int]) -> None:
    """Print everything."""
    maker = FeatureMaker()
    web, made = pairs_of(recorded_web(maker)), pairs_of(made_up(maker))
    both = np.concatenate([web[0], made[0]]), np.concatenate([web[1], made[1]])
    shipped = np.array([*WEIGHTS, BIAS])
    print("fitted ", np.round(fit(*both), 2))
    print("shipped", shipped)
    print(judge("recorded web, shipped weights", shipped, *web))
    print(judge("made up, shipped weights", shipped, *made))
    print(judge("recorded web, fitted on made up", fit(*made), *web))
    print(judge("made up, fitted on recorded web", fit(*web), *made))
    for size in sizes:
        print(cost(size))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.link_quality", description=__doc__)
    parser.add_argument("open", nargs="*", type=int, default=[1_000, 10_000], metavar="OPEN", help="how many stories are open")
    main(parser.parse_args().open)
