"""How a change of clustering does on many kinds of streams: `python -m bench.cluster_streams FILE…`, each file a family.

Runs the whole service on each file as it is, without times, by titles and by leads, and on one-topic streams made of it; of a file of
more than `LARGE` articles as it is and the one-topic streams alone. Each family counts the same. docs/clustering.md has the figures: for a
try, change the number in `services/cluster/assign` and run this again. With `--left-out` each family is run by weights of pairs and of
stories that were fitted on the other files (whitenings, rarities and thresholds stay as shipped).
"""

import argparse
from pathlib import Path

import numpy as np

from services.cluster.assign import join, score
from services.cluster.enrich.features import FeatureMaker
from services.cluster.evaluate.fit import Pairs, dense, fit_join, fit_weights, pairs_of, variants
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


def take_weights(pairs: dict[str, list[Pairs]]) -> None:
    """Fit the weights of pairs in English and of stories on families, and let this process's services decide by them."""
    weights, intercept = fit_weights(pairs)
    (join.WEIGHT_OF_VOICES, join.WEIGHT_OF_SHARE), join.INTERCEPT = fit_join(pairs, weights, intercept)  # type: ignore[misc]
    score.NATIVE["en"] = score.PairModel(intercept, weights.astype(np.float32))


def main() -> None:
    """Print a line for each stream, the mean of each family, and the means over families of all streams and of the files as they are."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster_streams", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="labelled articles, JSON lines; .gz too")
    parser.add_argument("--left-out", action="store_true", help="by weights fitted on the other files")
    given = parser.parse_args()
    if given.left_out and len(given.files) == 1:
        parser.error("one file alone can't be left out: name two or more")
    maker = FeatureMaker()
    made = {path: streams(read_labelled(path), maker) for path in given.files}
    pairs = {str(path): [pairs_of(articles, maker) for articles in own.values()] for path, own in made.items()} if given.left_out else {}
    families, wholes = [], []
    for path in given.files:
        if given.left_out:
            take_weights({name: own for name, own in pairs.items() if name != str(path)})
        own = []
        for name, articles in made[path].items():
            found = agreement(articles, maker)
            own.append((found.precision, found.recall, found.f1))
            if name == "whole":
                wholes.append(own[-1])
            print(f"{path.name:<24}{name:<22}P {found.precision:.3f}  R {found.recall:.3f}  F1 {found.f1:.4f}", flush=True)
        families.append(np.mean(own, axis=0))
        print("{:<24}{:<22}P {:.3f}  R {:.3f}  F1 {:.4f}".format(path.name, "mean", *families[-1]), flush=True)
    print("{:<46}P {:.3f}  R {:.3f}  F1 {:.4f}".format("mean over families", *np.mean(families, axis=0)))
    print("{:<46}P {:.3f}  R {:.3f}  F1 {:.4f}".format("mean of the files as they are", *np.mean(wholes, axis=0)))


if __name__ == "__main__":
    main()
