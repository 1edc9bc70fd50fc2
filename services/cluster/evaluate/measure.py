"""How well a clustering agrees with labels."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """Precision, recall and their harmonic mean, each from 0 to 1."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Give the harmonic mean."""
        return 2 * self.precision * self.recall / (self.precision + self.recall) if self.precision + self.recall else 0.0


def bcubed(labels: Sequence[Hashable], clusters: Sequence[Hashable]) -> Agreement:
    """Give BCubed agreement (Bagga and Baldwin 1998): the mean over articles."""
    by_label, by_cluster, both = Counter(labels), Counter(clusters), Counter(zip(labels, clusters, strict=True))
    if not labels:
        return Agreement(1.0, 1.0)
    precision = sum(count * count / by_cluster[cluster] for (_, cluster), count in both.items()) / len(labels)
    recall = sum(count * count / by_label[label] for (label, _), count in both.items()) / len(labels)
    return Agreement(precision, recall)


def pairwise(labels: Sequence[Hashable], clusters: Sequence[Hashable]) -> Agreement:
    """Give agreement over pairs of articles; 1 where there is no pair to find."""
    joint = _pairs(Counter(zip(labels, clusters, strict=True)).values())
    found, true = _pairs(Counter(clusters).values()), _pairs(Counter(labels).values())
    return Agreement(joint / found if found else 1.0, joint / true if true else 1.0)


def v_measure(labels: Sequence[Hashable], clusters: Sequence[Hashable]) -> float:
    """Give the V-measure (Rosenberg and Hirschberg 2007): the harmonic mean of homogeneity and completeness."""
    by_label, by_cluster = Counter(labels), Counter(clusters)
    both = Counter(zip(labels, clusters, strict=True))
    labels_entropy, clusters_entropy, joint = (_entropy(counts.values(), len(labels)) for counts in (by_label, by_cluster, both))
    shared = labels_entropy + clusters_entropy - joint
    homogeneity = shared / labels_entropy if labels_entropy else 1.0
    completeness = shared / clusters_entropy if clusters_entropy else 1.0
    return Agreement(homogeneity, completeness).f1


def _pairs(counts: Iterable[int]) -> int:
    return sum(count * (count - 1) // 2 for count in counts)


def _entropy(counts: Iterable[int], total: int) -> float:
    return -sum(count / total * math.log(count / total) for count in counts if count)
