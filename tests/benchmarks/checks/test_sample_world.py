"""Gains and table rows of the sample_world benchmark."""

from __future__ import annotations

import pytest

from tests.benchmarks.sample_world import gain_over, rows_of

NDCG = {"popularity": [0.1, 0.2], "mm_gnn": [0.3, 0.6], "mm_gnn_no_linear": [0.2, 0.4]}


def values_of(n_worlds: int) -> dict[str, list[float]]:
    """NDCG as above, recall half of it."""
    values = {f"{family}.ndcg_at_10": ndcg[:n_worlds] for family, ndcg in NDCG.items()}
    return values | {
        f"{family}.recall_at_10": [value / 2 for value in ndcg[:n_worlds]]
        for family, ndcg in NDCG.items()
    }


def test_gains_are_computed_world_by_world():
    """Gains over popularity of .2 and .4: .3 on average, ± 12.7 x .1 with two worlds; .15 over no linear peer."""
    gain = gain_over("popularity", values_of(2))

    assert (gain.mean, gain.low) == pytest.approx((0.3, 0.3 - 12.7062 * 0.1))
    assert gain_over("mm_gnn_no_linear", values_of(2)).mean == pytest.approx(0.15)


def test_a_row_has_each_metric_as_a_multiple_of_that_of_popularity():
    by_family = {row[0]: row for row in rows_of(values_of(2))}

    assert by_family["mm_gnn"] == [
        "mm_gnn", "0.2250 ± 0.1061", "3.00", "0.4500 ± 0.2121", "3.00", "–",
    ]  # fmt: skip
    assert by_family["popularity"][2:] == [
        "1.00",
        "0.1500 ± 0.0707",
        "1.00",
        "0.3000 [-0.9706, 1.5706]",
    ]


def test_a_single_world_and_mm_gnn_itself_have_no_interval():
    assert gain_over("popularity", values_of(1)) is None
    assert gain_over("mm_gnn", values_of(2)) is None
    assert [row[-1] for row in rows_of(values_of(1))] == ["–"] * 3
