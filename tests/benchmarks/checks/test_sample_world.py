"""What the sample world's table says of figures."""

from __future__ import annotations

import pytest

from tests.benchmarks.sample_world import lead_over, rows_of

NDCG = {"popularity": [0.1, 0.2], "mm_gnn": [0.3, 0.6], "mm_gnn_no_linear": [0.2, 0.4]}


def figures(n_worlds: int) -> dict[str, list[float]]:
    """NDCG as above, recall half of it."""
    found = {f"{family}.ndcg_at_10": values[:n_worlds] for family, values in NDCG.items()}
    return found | {
        f"{family}.recall_at_10": [value / 2 for value in values[:n_worlds]]
        for family, values in NDCG.items()
    }


def test_leads_are_taken_world_by_world():
    """.2 and .4 ahead of popularity: .3, and with two worlds 12.7 x .1 either side; .15 ahead of no linear peer."""
    lead = lead_over("popularity", figures(2))

    assert (lead.mean, lead.low) == pytest.approx((0.3, 0.3 - 12.7062 * 0.1))
    assert lead_over("mm_gnn_no_linear", figures(2)).mean == pytest.approx(0.15)


def test_a_row_has_each_metric_as_a_multiple_of_popularity_s():
    by_family = {row[0]: row for row in rows_of(figures(2))}

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
    assert lead_over("popularity", figures(1)) is None
    assert lead_over("mm_gnn", figures(2)) is None
    assert [row[-1] for row in rows_of(figures(1))] == ["–"] * 3
