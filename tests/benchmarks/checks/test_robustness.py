"""Modality dropout, and the comparisons of the robustness benchmark."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import torch

from tests.benchmarks.robustness import (
    COLD_START_RATES,
    FAMILIES,
    RATES,
    SCORE,
    SCORE_COLD_START,
    TRAIN,
    Point,
    flat_figures,
    loss_ratios,
    ndcg_rows,
    ndcg_values,
    twin_loses_more,
)
from tests.benchmarks.support.modality_dropout import drop_modalities
from tests.training.datasets import dataset_of, edges, nodes_of
from training.data.dataset import Dataset, DatedEdges
from training.data.interactions import counts_of
from training.data.nodes import IdList


def test_half_of_the_tagged_tracks_lose_all_tags_and_tag_events():
    """Of four tagged tracks two keep all edges, counts and events; the fifth track has no tag."""
    dropped = drop_modalities(tagged_dataset(), 50, seed=3)

    kept = set(dropped.tagged.source.tolist())
    assert len(kept) == 2
    assert dropped.tagged.source.tolist() == [track for track in (0, 0, 1, 2, 3) if track in kept]
    assert dropped.tagger_count.tolist() == [
        count for track, count in ((0, 2), (0, 1), (1, 1), (2, 1), (3, 4)) if track in kept
    ]
    assert set(dropped.tag_events.edges.source.tolist()) == kept
    assert dropped.tag_events.user.tolist() == [
        user for track, user in ((0, 1), (1, 0), (2, 1), (3, 0)) if track in kept
    ]


def test_a_rate_of_100_percent_removes_every_modality():
    """At 100 % each track keeps its listens alone."""
    dropped = drop_modalities(tagged_dataset(), 100, seed=3)

    assert not any(bool(modality.has.any()) for modality in dropped.content.values())
    assert len(dropped.tagged) == len(dropped.tag_events.edges) == 0
    assert len(dropped.listens.users) == 3


def test_loss_ratios_are_compared_world_by_world():
    """MM-GNN loses .1 in both worlds, the twin .2 and .4: .2 more, ± 12.7 x .1 with two worlds."""
    ratios = loss_ratios([points_of_a_world(twin_at=0.4), points_of_a_world(twin_at=0.3)])

    assert ratios["train", 50, "mm_gnn"] == pytest.approx([0.1, 0.1])
    assert ratios["train", 50, "concat_twin"] == pytest.approx([0.2, 0.4])
    more = twin_loses_more(ratios, "train", RATES)
    assert (more.mean, more.high) == pytest.approx((0.2, 0.2 + 12.7062 * 0.1))
    figures = flat_figures([points_of_a_world(twin_at=0.4), points_of_a_world(twin_at=0.3)])
    assert figures["drop_at_score.70.concat_twin_loss_ratio"] == pytest.approx(0.3)
    assert figures["drop_at_score.twin_loses_more"] == pytest.approx(0.2)


def test_families_are_also_compared_by_ndcg():
    """MM-GNN has .45 in both worlds, the twin .4 and 0: a gain of .25, which loss ratios do not show."""
    points = [points_of_a_world(twin_at=0.4), points_of_a_world(twin_at=0.0)]

    rows = ndcg_rows(ndcg_values(points))

    assert [row[0] for row in rows] == ["0 %", "10 %", "30 %", "50 %", "70 %", "100 %"]
    assert rows[1][-3:-1] == ["0.4500 ± 0.0000", "0.2000 ± 0.2828"]
    assert rows[1][-1].startswith("0.2500 [-2.2912, ")
    assert rows[5][-3:] == ["–"] * 3
    assert rows[5][1:3] == ["0.4500 ± 0.0000", "0.2000 ± 0.2828"]
    figures = flat_figures(points)
    assert figures["drop_at_score_of_new.10.mm_gnn_gain"] == pytest.approx(0.25)
    assert figures["drop_at_score_of_new.0.mm_gnn_ndcg_at_10"] == pytest.approx(0.5)


def test_a_single_world_has_no_interval():
    with pytest.raises(ValueError, match="needs 2 worlds, here is 1"):
        twin_loses_more(loss_ratios([points_of_a_world(twin_at=0.4)]), "score", RATES)


def points_of_a_world(twin_at: float) -> list[Point]:
    """NDCG .5 with all modalities; at every rate .45 of MM-GNN and `twin_at` of the twin."""
    ndcg = dict(zip(FAMILIES, (0.45, twin_at), strict=True))
    return [
        Point(protocol, rate, family, ndcg[family] if rate else 0.5)
        for protocol, rates in (
            (SCORE, RATES),
            (TRAIN, RATES),
            (SCORE_COLD_START, COLD_START_RATES[1:]),
        )
        for rate in (0, *rates)
        for family in FAMILIES
    ]


def tagged_dataset() -> Dataset:
    """Five tracks; tracks 0 to 3 have a tag event each, track 0 a second tag, and track 4 no tag."""
    tracks = [f"t{n}" for n in range(5)]
    nodes = replace(nodes_of(["ann", "bob"], tracks), tags=IdList.of("tag", ["rock", "slow"]))
    counts = counts_of(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 4]), torch.tensor([2, 1, 1]))
    given = edges([(0, 0), (1, 0), (2, 1), (3, 1)])
    unknown = torch.zeros(4, dtype=torch.int64)
    return replace(
        dataset_of(nodes, counts, date(2026, 3, 1)),
        tagged=edges([(0, 0), (0, 1), (1, 0), (2, 1), (3, 1)]),
        tagger_count=torch.tensor([2, 1, 1, 1, 4]),
        tag_events=DatedEdges(given, torch.tensor([1, 0, 1, 0]), unknown, unknown > 0),
    )
