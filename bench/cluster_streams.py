"""How a change of clustering does on many kinds of streams: `python -m bench.cluster_streams FILE…`, each file a family.

Runs the whole service on each file as it is, without times, by titles and by leads, and on one-topic streams made of it; of a file of
more than `LARGE` articles as it is and the one-topic streams alone. Each family counts the same. docs/clustering.md has the figures: for a
try, change the number in `services/cluster/assign` and run this again.
"""

import argparse
from pathlib import Path

import numpy as np

from services.cluster.enrich.features import FeatureMaker
from services.cluster.evaluate.fit import dense, variants
from services.cluster.evaluate.labelled import LabelledArticle, read_labelled
from services.cluster.evaluate.measure import Agreement, bcubed
from services.cluster.evaluate.run import run_articles

LARGE = 5_000


def streams(articles: list[LabelledArticle], maker: FeatureMaker) -> dict[str, list[LabelledArticle]]:
    """Give a family's streams by their names."""
    made = variants(articles) | dense(articles, maker)
    return made if len(articles) <= LARGE else {name: own for name, own in made.items() if name == "whole" or name.startswith("one topic")}


def agreement(articles: list[LabelledArticle], maker: FeatureMaker) -> Agreement:
    """Run a stream through the service and compare its stories with the labels."""
    return bcubed([article.story for article in articles], run_articles(articles, maker).stories)


def main() -> None:
    """Print a line for each stream, the mean of each family, and the mean over families."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster_streams", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="labelled articles, JSON lines; .gz too")
    given = parser.parse_args()
    maker = FeatureMaker()
    families = []
    for path in given.files:
        own = []
        for name, articles in streams(read_labelled(path), maker).items():
            found = agreement(articles, maker)
            own.append((found.precision, found.recall, found.f1))
            print(f"{path.name:<24}{name:<22}P {found.precision:.3f}  R {found.recall:.3f}  F1 {found.f1:.4f}", flush=True)
        families.append(np.mean(own, axis=0))
        print("{:<24}{:<22}P {:.3f}  R {:.3f}  F1 {:.4f}".format(path.name, "mean", *families[-1]), flush=True)
    print("{:<46}P {:.3f}  R {:.3f}  F1 {:.4f}".format("mean over families", *np.mean(families, axis=0)))


if __name__ == "__main__":
    main()
