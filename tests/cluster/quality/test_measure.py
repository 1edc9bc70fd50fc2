"""The measures against values worked out by hand, and their bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cluster.evaluate.measure import bcubed, pairwise, v_measure


def test_by_hand() -> None:
    """Labels aab, clusters xyy."""
    cubed = bcubed("aab", "xyy")
    assert cubed.precision == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert cubed.recall == pytest.approx((0.5 + 0.5 + 1) / 3)
    pairs = pairwise("aab", "xyy")
    assert (pairs.precision, pairs.recall, pairs.f1) == (0, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_bounds_and_symmetry(pairs: list[tuple[int, int]]) -> None:
    """All lie between 0 and 1; swapping labels and clusters swaps precision and recall; a perfect clustering has 1."""
    labels, clusters = zip(*pairs, strict=True)
    one, other = bcubed(labels, clusters), bcubed(clusters, labels)
    assert one.precision == pytest.approx(other.recall)
    assert -1e-9 <= one.f1 <= 1 + 1e-9
    assert -1e-9 <= v_measure(labels, clusters) <= 1 + 1e-9
    assert bcubed(labels, labels).f1 == pytest.approx(1)
    assert v_measure(labels, labels) == pytest.approx(1)
    assert pairwise(labels, labels).f1 == pytest.approx(1)
