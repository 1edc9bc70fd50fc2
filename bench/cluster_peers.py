"""Slugline beside others that install from the registry, on the same labelled articles in the same run: `python -m bench.cluster_peers FILE…`.

- Slugline: features and decisions as the service makes them.
- river's TextClust: an online clustering of texts (Carnein et al. 2017), micro-clusters as stories; by several radii, the best shown.
- scikit-learn: TF-IDF and DBSCAN over the last days, anew every N minutes of event time; an article keeps the story that it was first
  given, a group that meets no story founds one; by several radii, the best shown.

The peers' radius is chosen by the labels of each file, which flatters them: Slugline has one configuration. Seconds are CPU seconds of
this process, features included. `document-tracking`, a system to compare with by its papers, is not on PyPI.
"""

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from river import cluster, compose, feature_extraction
from sklearn.cluster import DBSCAN
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from services.cluster.enrich.features import FeatureMaker
from services.cluster.evaluate.labelled import LabelledArticle, read_labelled
from services.cluster.evaluate.measure import bcubed
from services.cluster.evaluate.run import run_articles

LEAD_CHARS = 1_200
WINDOW = timedelta(days=3)
TEXTCLUST_RADII = (0.7, 0.8, 0.9)
DBSCAN_RADII = (0.5, 0.6, 0.7, 0.8)
UNTIMED_STEP = timedelta(minutes=1)

Clustering = Callable[[Sequence[LabelledArticle]], Sequence[Hashable]]


def slugline(articles: Sequence[LabelledArticle], maker: FeatureMaker) -> Sequence[Hashable]:
    """Run the service's own code."""
    return run_articles(articles, maker).stories


def textclust(articles: Sequence[LabelledArticle], radius: float) -> Sequence[Hashable]:
    """Learn each article, then ask which micro-cluster it is in."""
    words = feature_extraction.BagOfWords(lowercase=True, stop_words=set(ENGLISH_STOP_WORDS))
    model = cluster.TextClust(radius=radius, real_time_fading=False, fading_factor=0.0005, tgap=100)
    pipeline = compose.Pipeline(words, model)
    found: list[Hashable] = []
    for article in articles:
        text = _told(article)
        pipeline.learn_one(text)
        found.append(model.predict_one(words.transform_one(text), type="micro"))
    return found


def dbscan(articles: Sequence[LabelledArticle], radius: float, minutes: float) -> Sequence[Hashable]:
    """Cluster the last days anew at each batch; stories keep their names by the articles that were in them."""
    times = _times(articles)
    stories: dict[int, int] = {}
    begun, step = 0, timedelta(minutes=minutes)
    while begun < len(articles):
        until = times[begun] + step
        ended = begun
        while ended < len(articles) and times[ended] < until:
            ended += 1
        held = [place for place in range(ended) if times[place] >= times[ended - 1] - WINDOW]
        vectors = TfidfVectorizer(stop_words="english", sublinear_tf=True).fit_transform(
            [_told(articles[place]) or "nothing" for place in held]
        )
        groups = DBSCAN(eps=radius, min_samples=2, metric="cosine").fit_predict(vectors)
        names: dict[int, Counter[int]] = {}
        for place, group in zip(held, groups.tolist(), strict=True):
            if group >= 0 and place in stories:
                names.setdefault(group, Counter())[stories[place]] += 1
        for place, group in zip(held, groups.tolist(), strict=True):
            if place in stories:
                continue
            if group < 0:
                stories[place] = place
                continue
            named = names.setdefault(group, Counter())
            stories[place] = named.most_common(1)[0][0] if named else place
            named[stories[place]] += 1
        begun = ended
    return [stories[place] for place in range(len(articles))]


def _told(article: LabelledArticle) -> str:
    return f"{article.title}. {article.text[:LEAD_CHARS]}"


def _times(articles: Sequence[LabelledArticle]) -> list[datetime]:
    """Give the articles' times; those without follow one another by the minute."""
    last = datetime(2020, 1, 1, tzinfo=UTC)
    times = []
    for article in articles:
        last = article.published_at or last + UNTIMED_STEP
        times.append(last)
    return times


def measured(articles: Sequence[LabelledArticle], run: Clustering) -> tuple[float, float]:
    """Give BCubed F1 and articles a CPU second."""
    began = time.process_time()
    stories = run(articles)
    rate = len(articles) / (time.process_time() - began)
    return bcubed([article.story for article in articles], list(stories)).f1, rate


def main() -> None:
    """Print a line for each file and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--articles", type=int, default=600, help="the first so many of each file, in time order")
    parser.add_argument("--minutes", type=float, default=10, help="event time between two batches of DBSCAN")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    maker = FeatureMaker()
    maker.load()
    totals: dict[str, list[float]] = {}
    print(f"{'file':<28}{'way':<34}{'F1':>7}{'per CPU s':>11}")
    for path in arguments.files:
        articles = read_labelled(path)[: arguments.articles]
        rows = [("Slugline", *measured(articles, lambda given: slugline(given, maker)))]
        peers: list[tuple[str, Sequence[float], Callable[[float], Clustering]]] = [
            ("river TextClust", TEXTCLUST_RADII, lambda radius: lambda given: textclust(given, radius)),
            ("scikit-learn TF-IDF + DBSCAN", DBSCAN_RADII, lambda radius: lambda given: dbscan(given, radius, arguments.minutes)),
        ]
        for name, radii, way in peers:
            f1, rate, radius = max((*measured(articles, way(radius)), radius) for radius in radii)
            rows.append((f"{name}, {radius}", f1, rate))
        for name, f1, rate in rows:
            totals.setdefault(name.split(",")[0], []).append(f1)
            print(f"{path.name[:27]:<28}{name:<34}{f1:7.3f}{rate:11,.0f}", flush=True)
    for name, scores in totals.items():
        print(f"{'mean':<28}{name:<34}{sum(scores) / len(scores):7.3f}")


if __name__ == "__main__":
    main()
