"""Fits what clustering ships from labelled articles: the background idf, whitenings, usual spreads, the weights of pairs and stories.

Only parameters leave this module: document frequencies of hashed stems, moments of vectors, eight numbers. Each family of sets
counts the same whatever its size. `cross_validate` leaves one family out at a time, which is the figure to go by.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from services.cluster.assign import score
from services.cluster.assign.index import MAX_LINKS, SimilarityIndex
from services.cluster.assign.join import JOIN_AT, evidence_of
from services.cluster.enrich.encoder import DIMENSIONS
from services.cluster.enrich.features import LEAD_WORDS, TITLE_WORDS, FeatureMaker, term_id
from services.cluster.enrich.stems import clean, stemmer_of, words_of
from services.cluster.evaluate.labelled import LabelledArticle, read_labelled
from services.cluster.evaluate.measure import bcubed

TRUE_PAIRS = 5
FALSE_PAIRS = 15
"""Pairs of an article that the model learns from: some true ones, and the false ones that look most like true."""
DENSE_STREAMS = 3
DENSE_STORIES = 110
DENSE_FROM = 10
"""One-topic streams from a family, stories in each, and from how many times as many stories they are made."""
RIVALS = 3
"""Stories that an article is weighed against, the best evidenced."""
LEAST_FREQUENCY = 3
RIDGE = 1e-4
STEPS = 800
NOTES = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Pairs:
    """All candidate pairs of a stream.

    `rows`: (pairs, features); `beside`: log-odds of time and names; `starts`: where each article's pairs begin.
    """

    rows: npt.NDArray[np.float32]
    true: npt.NDArray[np.bool_]
    beside: npt.NDArray[np.float32]
    slots: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    labels: list[str]


def variants(articles: Sequence[LabelledArticle]) -> dict[str, list[LabelledArticle]]:
    """Give a set as it is, without times, and (where it has texts) its titles alone and its first 50 words."""
    found = {"whole": list(articles)}
    if any(article.published_at for article in articles):
        found["no time"] = sorted(
            (replace(article, published_at=None) for article in articles), key=lambda article: term_id(article.article_id)
        )
    if any(article.text for article in articles):
        found["titles"] = [replace(article, text="") for article in articles]
        found["leads"] = [replace(article, text=" ".join(article.text.split()[:50])) for article in articles]
    return found


def dense(articles: Sequence[LabelledArticle], maker: FeatureMaker) -> dict[str, list[LabelledArticle]]:
    """Give one-topic streams: the stories whose meaning is nearest to one of them, whole and as titles; none from few stories."""
    stories: dict[str, list[npt.NDArray[np.float32]]] = defaultdict(list)
    for article in articles:
        stories[article.story].append(maker.raw_vectors(article.title, article.text)[0])
    if len(stories) < DENSE_FROM * DENSE_STORIES:
        return {}
    names = sorted(stories)
    means = np.array([np.mean(stories[name], axis=0) for name in names])
    means -= means.mean(axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    found = {}
    for number in range(DENSE_STREAMS):
        centre = (number + 1) * len(names) // (DENSE_STREAMS + 1)
        near = {names[place] for place in np.argsort(-(means @ means[centre]))[:DENSE_STORIES]}
        found[f"one topic {number + 1}"] = [article for article in articles if article.story in near]
        found[f"one topic {number + 1}, titles"] = [replace(article, text="") for article in articles if article.story in near]
    return found


def pairs_of(articles: Sequence[LabelledArticle], maker: FeatureMaker) -> Pairs:
    """Run a stream through the index and keep each article's candidates."""
    index = SimilarityIndex(Counter(article.language for article in articles).most_common(1)[0][0])
    rows, slots, others, starts, true = [], [], [], [0], []
    labels = [article.story for article in articles]
    named = np.array([term_id(label) for label in labels])
    for number, article in enumerate(articles):
        decoded = index.read(maker.features(article.title, article.text, article.language))
        day = article.published_at.timestamp() / 86_400 if article.published_at else 18_262.0
        found, compared, beside = index.compare(decoded, day, time_known=article.published_at is not None)
        index.add_decoded(UUID(int=number), decoded, day, time_known=article.published_at is not None)
        rows.append(compared)
        slots.append(found)
        others.append(beside)
        true.append(named[found] == named[number])
        starts.append(starts[-1] + len(found))
    return Pairs(np.concatenate(rows), np.concatenate(true), np.concatenate(others), np.concatenate(slots), np.array(starts), labels)


def fit_weights(streams: Mapping[str, Sequence[Pairs]]) -> tuple[npt.NDArray[np.float64], float]:
    """Fit the logistic model with weights that are never negative; each family counts the same. Gives weights and intercept."""
    rows, true, shares = [], [], []
    for family in streams.values():
        for pairs in family:
            chosen = _telling(pairs)
            rows.append(pairs.rows[chosen])
            true.append(pairs.true[chosen])
            shares.append(np.full(len(chosen), 1 / len(pairs.labels) / len(family)))
    x, y, share = np.concatenate(rows).astype(np.float64), np.concatenate(true), np.concatenate(shares)
    return _logistic(x, y, share)


def fit_join(streams: Mapping[str, Sequence[Pairs]], weights: npt.NDArray[np.float64], intercept: float) -> tuple[list[float], float]:
    """Fit what a story's voices and share weigh: each article before the stories as labelled so far. Gives weights and intercept."""
    rows, true, shares = [], [], []
    for family in streams.values():
        for pairs in family:
            stories: list[int] = []
            sizes = Counter[int]()
            founded: dict[str, int] = {}
            own: list[tuple[float, float, bool]] = []
            for number, links in enumerate(_links(pairs, weights, intercept)):
                by_story, home = _by_story(links, stories), founded.get(pairs.labels[number], -1)
                told = sorted(((evidence_of(theirs, sizes[story]), story) for story, theirs in by_story.items()), reverse=True)
                own += [(*evidence, story == home) for evidence, story in told[:RIVALS]]
                stories.append(founded.setdefault(pairs.labels[number], number))
                sizes[stories[-1]] += 1
            rows.append(np.array(own)[:, :2])
            true.append(np.array(own)[:, 2] > 0)
            shares.append(np.full(len(own), 1 / len(own) / len(family)))
    fitted, intercept = _logistic(np.concatenate(rows), np.concatenate(true), np.concatenate(shares))
    return [float(weight) for weight in fitted], intercept


def _logistic(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.bool_], share: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], float]:
    """Fit a logistic model with weights that are never negative; `share`: how much each row counts. Gives weights and intercept."""
    share = share / share.sum()
    scale = np.maximum(x.std(axis=0), 1e-6)
    z, sign = x / scale, np.where(y, 1.0, -1.0)

    z = np.column_stack((z, np.ones(len(z))))
    ridge = RIDGE * np.append(np.ones(x.shape[1]), 0.0)
    step = 1 / (0.25 * float(np.linalg.eigvalsh((z * share[:, None]).T @ z)[-1]) + 2 * RIDGE)
    point = ahead = np.zeros(z.shape[1])
    speed = 1.0
    for _ in range(STEPS):
        # FISTA (Beck and Teboulle 2009): a gradient step from ahead, then back into the weights that aren't negative.
        gradient = z.T @ (-share * sign / (1 + np.exp(sign * (z @ ahead)))) + 2 * ridge * ahead
        there = ahead - step * gradient
        there[:-1] = np.maximum(there[:-1], 0)
        faster = (1 + np.sqrt(1 + 4 * speed * speed)) / 2
        ahead, point, speed = there + (speed - 1) / faster * (there - point), there, faster
    return point[:-1] / scale, float(point[-1])


def cross_validate(streams: Mapping[str, Mapping[str, Pairs]]) -> dict[str, dict[str, float]]:
    """Give each stream's BCubed F1 with all weights fitted on all families but its own."""
    figures: dict[str, dict[str, float]] = {}
    for held_out, own in streams.items():
        others = {name: list(family.values()) for name, family in streams.items() if name != held_out}
        model = fit_weights(others)
        join = fit_join(others, *model)
        figures[held_out] = {name: joined_f1(pairs, model, join) for name, pairs in own.items()}
    return figures


def joined_f1(pairs: Pairs, model: tuple[npt.NDArray[np.float64], float], join: tuple[list[float], float]) -> float:
    """Join the articles in order by the weights of pairs and of stories, and give the BCubed F1, without a second look."""
    (of_voices, of_share), intercept = join
    stories: list[int] = []
    sizes = Counter[int]()
    for number, links in enumerate(_links(pairs, *model)):
        best, home = -np.inf, number
        for story, theirs in _by_story(links, stories).items():
            voices, share = evidence_of(theirs, sizes[story])
            odds = of_voices * voices + of_share * share + intercept
            if odds > best:
                best, home = odds, story
        stories.append(home if best >= np.log(JOIN_AT / (1 - JOIN_AT)) else number)
        sizes[stories[-1]] += 1
    return bcubed(pairs.labels, stories).f1


def _links(pairs: Pairs, weights: npt.NDArray[np.float64], intercept: float) -> Iterator[list[tuple[int, float]]]:
    """Give each article's links, best first: the place of the other article and the probability."""
    chances = score.probability((pairs.rows @ weights + intercept + pairs.beside).astype(np.float32))
    for start, end in pairwise(pairs.starts.tolist()):
        best = start + np.argsort(-chances[start:end], kind="stable")[:MAX_LINKS]
        yield list(zip(pairs.slots[best].tolist(), chances[best].tolist(), strict=True))


def _by_story(links: Sequence[tuple[int, float]], stories: Sequence[int]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for place, chance in links:
        found.setdefault(stories[place], []).append(chance)
    return found


def fit_background(articles: Sequence[LabelledArticle], language: str, path: Path) -> None:
    """Write the idf of stems in a language's news, by term id."""
    stem, frequencies = stemmer_of(language), Counter[int]()
    own = [article for article in articles if article.language == language]
    for article in own:
        words = [*words_of(clean(article.title), TITLE_WORDS), *words_of(clean(article.text[:6_000]), LEAD_WORDS)]
        frequencies.update({term_id(term) for term in stem([word.folded for word in words])})
    kept = sorted((identity, count) for identity, count in frequencies.items() if count >= LEAST_FREQUENCY)
    idf = [np.log((len(own) + 50) / (count + 0.5)) for _, count in kept]
    np.savez_compressed(
        path,
        ids=np.array([identity for identity, _ in kept], np.uint32),
        idf=np.array(idf, np.float16),
        rarest=np.float16(np.log(len(own) + 50)),
    )


def fit_whitening(vectors: npt.NDArray[np.float32], power: float, whitening: Path, spread: Path) -> None:
    """Write the whitening of an encoder's raw vectors (n, dimensions), and the second moments of what it gives.

    `power`: of the components' spread that they are divided by; ½ whitens wholly, ¼ by half.
    """
    mean = vectors.mean(axis=0)
    spreads, directions = np.linalg.eigh(np.cov((vectors - mean).T))
    kept = np.argsort(-spreads)[:DIMENSIONS]
    transform = directions[:, kept] * spreads[kept] ** -power
    white = (vectors - mean) @ transform
    white /= np.maximum(np.sqrt((white * white).sum(axis=1, keepdims=True)), 1e-6)
    np.savez_compressed(whitening, mean=mean.astype(np.float16), transform=transform.astype(np.float16))
    np.savez_compressed(spread, moment=(white.T @ white / len(white)).astype(np.float16))


def fitted(families: Mapping[str, Sequence[LabelledArticle]], maker: FeatureMaker) -> dict[str, Any]:
    """Fit the pair model on families of labelled articles and say how it does on each when that one is left out."""
    streams = {
        name: {kind: pairs_of(own, maker) for kind, own in (variants(articles) | dense(articles, maker)).items()}
        for name, articles in track(families.items(), "comparing", console=NOTES, transient=True)
    }
    everything = {name: list(own.values()) for name, own in streams.items()}
    weights, intercept = fit_weights(everything)
    join_weights, join_intercept = fit_join(everything, weights, intercept)
    return {
        "features": list(score.FEATURES),
        "weights": [round(float(weight), 3) for weight in weights],
        "intercept": round(intercept, 3),
        "join": {"weights": [round(weight, 3) for weight in join_weights], "intercept": round(join_intercept, 3)},
        "left_out": {name: {kind: round(f1, 4) for kind, f1 in figures.items()} for name, figures in cross_validate(streams).items()},
    }


def _telling(pairs: Pairs) -> npt.NDArray[np.intp]:
    """Choose the pairs to learn from: true ones spread evenly, false ones by how much they look like true."""
    hard = pairs.rows[:, 0] + 0.5 * pairs.rows[:, 1]
    chosen: dict[str, list[npt.NDArray[np.intp]]] = defaultdict(list)
    for start, end in zip(pairs.starts, pairs.starts[1:], strict=False):
        own = np.arange(start, end)
        true, false = own[pairs.true[own]], own[~pairs.true[own]]
        chosen["true"].append(true[np.linspace(0, len(true) - 1, min(len(true), TRUE_PAIRS)).astype(np.intp)] if len(true) else true)
        chosen["false"].append(false[np.argsort(-hard[false], kind="stable")[:FALSE_PAIRS]])
    return np.concatenate(chosen["true"] + chosen["false"])


def fit_parameters(articles: Sequence[LabelledArticle], maker: FeatureMaker, folder: Path) -> None:
    """Write background, whitening and spread of English articles into a folder, to be shipped in enrich and assign."""
    fit_background(articles, "en", folder / "background_en.npz")
    raw = [maker.raw_vectors(article.title, article.text) for article in track(articles, "encoding", console=NOTES, transient=True)]
    fit_whitening(np.array([multilingual for multilingual, _ in raw]), 0.25, folder / "whitening.npz", folder / "spread.npz")
    fit_whitening(np.array([english for _, english in raw]), 0.15, folder / "whitening_en.npz", folder / "spread_en.npz")


def main() -> None:
    """Fit the pair model on the files named on the command line and print it, or write what the features are made with."""
    parser = argparse.ArgumentParser(
        prog="python -m services.cluster.evaluate.fit",
        description="Fit what clustering ships on labelled articles (JSON lines with story, title, text; .gz too), each file a family that "
        "counts the same. Prints the weights as JSON, and the F1 of each family with weights fitted on the others: minutes for "
        "thousands of articles. Only parameters are written, never text.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--parameters", type=Path, metavar="FOLDER", help="write background, whitenings and spreads there instead")
    given = parser.parse_args()
    missing = [str(path) for path in given.files if not path.is_file()]
    if missing:
        parser.error(f"no such file: {', '.join(missing)}")
    if given.parameters is None and len(given.files) == 1:
        parser.error("one file alone can't be left out: name two or more")
    families = {str(path): read_labelled(path) for path in given.files}
    maker = FeatureMaker()
    if given.parameters is not None:
        articles = [article for articles in families.values() for article in articles]
        if len(articles) <= DIMENSIONS:
            parser.error(f"{len(articles)} articles don't say how vectors spread in {DIMENSIONS} dimensions: thousands are better")
        given.parameters.mkdir(parents=True, exist_ok=True)
        fit_parameters(articles, maker, given.parameters)
    else:
        print(json.dumps(fitted(families, maker), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
