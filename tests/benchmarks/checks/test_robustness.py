"""How a world loses modalities."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import torch

from tests.benchmarks.robustness import (
    FAMILIES,
    RATES,
    RATES_OF_NEW,
    SCORE,
    SCORE_OF_NEW,
    TRAIN,
    Point,
    flat_figures,
    found_in,
    loss_ratios,
    rows_of_found,
    twin_loses_more,
)
from tests.benchmarks.support.modality_dropout import thinned
from tests.training.worlds import edges, nodes_of, world_of
from training.data.dataset import DatedEdges, World
from training.data.interactions import counts_of
from training.data.nodes import IdList


def test_half_of_the_tagged_tracks_lose_every_tag_and_whoever_gave_it():
    """Of four tagged tracks two keep their edges, counts and events, whole; the untagged fifth changes nothing."""
    thin = thinned(tagged_world(), 50, seed=3)

    left = set(thin.tagged.source.tolist())
    assert len(left) == 2
    assert thin.tagged.source.tolist() == [track for track in (0, 0, 1, 2, 3) if track in left]
    assert thin.tagger_count.tolist() == [
        count for track, count in ((0, 2), (0, 1), (1, 1), (2, 1), (3, 4)) if track in left
    ]
    assert set(thin.tag_events.edges.source.tolist()) == left
    assert thin.tag_events.user.tolist() == [
        user for track, user in ((0, 1), (1, 0), (2, 1), (3, 0)) if track in left
    ]


def test_every_modality_goes_when_all_of_them_do():
    """At 100 % no track has anything to be known by but who heard it."""
    thin = thinned(tagged_world(), 100, seed=3)

    assert not any(bool(modality.has.any()) for modality in thin.content.values())
    assert len(thin.tagged) == len(thin.tag_events.edges) == 0
    assert len(thin.listens.users) == 3


def test_what_the_twin_loses_more_is_compared_world_by_world():
    """Ours loses .1 in both worlds, the twin .2 and .4: .2 more, and with two worlds 12.7 x .1 either side."""
    ratios = loss_ratios([points_of_a_world(twin_at=0.4), points_of_a_world(twin_at=0.3)])

    assert ratios["train", 50, "mm_gnn"] == pytest.approx([0.1, 0.1])
    assert ratios["train", 50, "concat_twin"] == pytest.approx([0.2, 0.4])
    more = twin_loses_more(ratios, "train", RATES)
    assert (more.mean, more.high) == pytest.approx((0.2, 0.2 + 12.7062 * 0.1))
    figures = flat_figures([points_of_a_world(twin_at=0.4), points_of_a_world(twin_at=0.3)])
    assert figures["drop_at_score.70.concat_twin_loss_ratio"] == pytest.approx(0.3)
    assert figures["drop_at_score.twin_loses_more"] == pytest.approx(0.2)


def test_families_are_compared_by_what_they_still_find_too():
    """Ours finds .45 in both worlds, the twin .4 and nothing: .25 ahead on average, which no loss ratio could tell."""
    points = [points_of_a_world(twin_at=0.4), points_of_a_world(twin_at=0.0)]

    rows = rows_of_found(found_in(points))

    assert [row[0] for row in rows] == ["0 %", "10 %", "30 %", "50 %", "70 %", "100 %"]
    assert rows[1][-3:-1] == ["0.4500 ± 0.0000", "0.2000 ± 0.2828"]
    assert rows[1][-1].startswith("0.2500 [-2.2912, ")
    assert rows[5][-3:] == ["–"] * 3
    assert rows[5][1:3] == ["0.4500 ± 0.0000", "0.2000 ± 0.2828"]
    figures = flat_figures(points)
    assert figures["drop_at_score_of_new.10.ours_ahead"] == pytest.approx(0.25)
    assert figures["drop_at_score_of_new.0.mm_gnn_ndcg_at_10"] == pytest.approx(0.5)


def test_a_single_world_has_no_interval():
    with pytest.raises(ValueError, match="needs 2 worlds, here is 1"):
        twin_loses_more(loss_ratios([points_of_a_world(twin_at=0.4)]), "score", RATES)


def points_of_a_world(twin_at: float) -> list[Point]:
    """NDCG .5 with everything there; at every rate .45 of ours and `twin_at` of the twin."""
    less = dict(zip(FAMILIES, (0.45, twin_at), strict=True))
    return [
        Point(when, rate, family, less[family] if rate else 0.5)
        for when, rates in ((SCORE, RATES), (TRAIN, RATES), (SCORE_OF_NEW, RATES_OF_NEW[1:]))
        for rate in (0, *rates)
        for family in FAMILIES
    ]


def tagged_world() -> World:
    """Five tracks; person 1 gave track 0 both its tags (the catalogue one of them too), others one each."""
    tracks = [f"t{n}" for n in range(5)]
    nodes = replace(nodes_of(["ann", "bob"], tracks), tags=IdList.of("tag", ["rock", "slow"]))
    counts = counts_of(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 4]), torch.tensor([2, 1, 1]))
    given = edges([(0, 0), (1, 0), (2, 1), (3, 1)])
    unknown = torch.zeros(4, dtype=torch.int64)
    return replace(
        world_of(nodes, counts, date(2026, 3, 1)),
        tagged=edges([(0, 0), (0, 1), (1, 0), (2, 1), (3, 1)]),
        tagger_count=torch.tensor([2, 1, 1, 1, 4]),
        tag_events=DatedEdges(given, torch.tensor([1, 0, 1, 0]), unknown, unknown > 0),
    )
