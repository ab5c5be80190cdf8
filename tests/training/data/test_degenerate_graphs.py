"""Degenerate graphs: no error, no NaN, and a reason where no split is possible."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import cast

import pytest
import torch
from torch import nn

from tests.support.ranking_fits import fitting_of, split_of
from tests.training.datasets import (
    CPU,
    dataset_of,
    edges,
    graph_with,
    ids,
    listens_on,
    nodes_of,
    pairs_of,
    three_modalities,
    two_taste_view,
)
from tests.training.fitting import fit
from training.config import load_recipe
from training.data.batches import TrainingBatches, UserBatch
from training.data.dataset import Dataset, DataView
from training.data.graph import RelationWeights, adjacency
from training.data.neighbours import NeighbourSampler, uniform_sampling
from training.engine.loop import FitHistory, deterministic, eval_mode
from training.engine.loop_config import LoopConfig
from training.engine.model_selection import TrainingResult, fit_champion
from training.models.protocols import Recommender
from training.models.ranking.mm_gnn import MMGNN, MMGNNConfig
from training.models.registry import RANKING

UNIFORM = RelationWeights(
    listened=1, follows=1, made_by=1, tagged=1, liked=1, on_album=1, listened_power=0
)
MARCH_1 = date(2026, 3, 1)
N_TRACKS = 13
MANY = 100_000


def view_of(users: list[str], tracks: list[str], heard, follows=()) -> DataView:
    """Listeners, tracks and their edges; x made the first track."""
    graph = graph_with(nodes_of(users, tracks), pairs_of(heard), follows=follows, made_by=[(0, 0)])
    return DataView(graph, three_modalities(len(tracks)))


def fitted(family: str, view: DataView) -> tuple[Recommender, FitHistory]:
    """One epoch of a family, as its recipe says."""
    recipe = load_recipe("ranking", family)
    n_tracks = len(view.graph.nodes.tracks)
    with deterministic(seed=2, n_threads=1):
        model = RANKING[family].model(recipe.model, view)
        batches = TrainingBatches(
            view.graph.listened, n_tracks, 8, 1, 100, torch.Generator().manual_seed(2), CPU
        )
        return model, fit(model, batches, recipe.loop, n_epochs=1)


def scores_of(model: Recommender, view: DataView) -> torch.Tensor:
    with eval_mode(model):
        return model.score(UserBatch(torch.arange(len(view.graph.nodes.users))))


def champion_of(dataset: Dataset, family: str) -> TrainingResult:
    recipe = load_recipe("ranking", family)
    return fit_champion(fitting_of(dataset, CPU), split_of(dataset, 1), recipe, seed=1)


def n_epochs_of(model: Recommender) -> int:
    """Epochs of `fitted`: 1, and 0 for a family that its constructor solves."""
    return 1 if list(cast("nn.Module", model).parameters()) else 0


def without_follows(view: DataView) -> DataView:
    return replace(view, graph=replace(view.graph, follows=edges([])))


@pytest.mark.parametrize("family", RANKING)
def test_without_follows_every_listener_is_scored(family):
    """Without follows losses are finite, and each listener has a scored track."""
    view = without_follows(two_taste_view(three_modalities(N_TRACKS)))

    model, outcome = fitted(family, view)

    scores = scores_of(model, view)
    assert not scores.isnan().any()
    assert scores.isfinite().any(dim=1).all()
    losses = [torch.tensor(list(epoch.losses.values())) for epoch in outcome.epochs]
    assert [len(of_epoch) > 0 for of_epoch in losses] == [True] * n_epochs_of(model)
    assert all(of_epoch.isfinite().all() for of_epoch in losses)


@pytest.mark.parametrize("family", RANKING)
def test_one_listener_alone_gives_no_nan(family):
    """One listener of two of three tracks: one batch, numbers or -inf for every track."""
    view = view_of(["ann"], ["t0", "t1", "t2"], [(0, 0), (0, 1)])

    model, _ = fitted(family, view)

    scores = scores_of(model, view)
    assert scores.shape == (1, 3)
    assert not scores.isnan().any()


@pytest.mark.parametrize("family", RANKING)
def test_no_listens_give_no_batch_and_no_nan(family):
    """Tracks and listeners without edges: an epoch without a loss, scores without a NaN."""
    view = view_of(["ann", "bob"], ["t0", "t1", "t2"], [])

    model, outcome = fitted(family, view)

    assert [epoch.losses for epoch in outcome.epochs] == [{}] * n_epochs_of(model)
    scores = scores_of(model, view)
    assert scores.shape == (2, 3)
    assert not scores.isnan().any()


def test_a_dataset_of_one_listener_has_a_reason_for_its_missing_metrics():
    """20 days of listens of one listener give a model, and the rule that the dataset breaks."""
    rows = [(0, day % 7, MARCH_1 - timedelta(days=day)) for day in range(20)]
    dataset = dataset_of(nodes_of(["ann"], ids("t", 7)), listens_on(rows), MARCH_1)

    training_result = champion_of(dataset, "popularity")

    assert (
        "0 listeners with something held out (rule: some rows, 5 listeners)"
        in training_result.unsplit
    )
    assert training_result.results == ()


def test_a_dataset_without_listens_has_a_reason_for_its_missing_metrics():
    dataset = dataset_of(nodes_of(["ann", "bob"], ids("t", 3)), listens_on([]), MARCH_1)

    training_result = champion_of(dataset, "mm_gnn")

    assert training_result.unsplit.startswith("core_daily_listens: no row")


def test_no_head_covers_a_listener_without_edges():
    """Bob neither listens nor follows: no head covers him."""
    view = view_of(["ann", "bob"], ["t0", "t1", "t2"], [(0, 0), (0, 1)])
    model, _ = fitted("mm_gnn", view)

    with eval_mode(model):
        heads = model.head_scores(UserBatch(torch.tensor([0, 1])))

    assert heads.coverage_mask[:, 0].any()
    assert not heads.coverage_mask[:, 1].any()
    assert not model.ensemble(heads).isnan().any()


def test_following_oneself_changes_nothing():
    """0 follows 0 and 1; as if 0 followed 1 alone."""
    follows = [(0, 1)]
    every_track = torch.ones(2, dtype=torch.bool)
    graphs = [
        view_of(["ann", "bob"], ["t0", "t1"], [(0, 0), (1, 1)], seen).graph
        for seen in (follows, [(0, 0), *follows])
    ]

    without, with_self = (adjacency(graph, UNIFORM, every_track).to_dense() for graph in graphs)

    assert torch.equal(with_self, without)
    assert not with_self.diagonal().any()


def test_a_follow_that_stands_twice_is_one_neighbour():
    """Its weights are added, 2 beside a listen's 1: 2 / sqrt(3 x 2); it is never drawn twice."""
    graph = view_of(["ann", "bob"], ["t0", "t1"], [(0, 0)], [(0, 1), (0, 1)]).graph
    matrix = adjacency(graph, UNIFORM, torch.ones(2, dtype=torch.bool))
    sampler = NeighbourSampler(
        matrix, uniform_sampling(matrix), [5], torch.Generator().manual_seed(1)
    )

    assert float(matrix.to_dense()[0, 1]) == pytest.approx(2 / (3 * 2) ** 0.5)
    assert sampler.sample(torch.tensor([0])).nodes.tolist() == [0, 1, 2]


def test_listens_of_a_pair_on_several_days_are_one_pair():
    rows = [(0, 1, MARCH_1), (0, 1, MARCH_1), (0, 1, MARCH_1 - timedelta(days=1))]

    pairs = listens_on(rows).pairs(MARCH_1 + timedelta(days=1), n_tracks=3)

    assert (pairs.users.tolist(), pairs.tracks.tolist()) == ([0], [1])


@pytest.mark.parametrize("fan_out", [0, 7])
def test_a_listener_with_a_hundred_thousand_listens_fits_in_a_batch(fan_out):
    """One batch with more positives than candidates are drawn: finite losses, on the whole graph or sampled."""
    tracks = torch.arange(MANY)
    heard = pairs_of([(0, track) for track in range(MANY)] + [(1, 0), (1, 5), (2, 5)])
    nodes = nodes_of(["ann", "bob", "cem"], [f"t{track:06}" for track in tracks.tolist()])
    graph = graph_with(nodes, heard, follows=[(1, 0)])
    with deterministic(seed=1, n_threads=1):
        model = MMGNN(
            MMGNNConfig(dim=2, n_layers=1, fan_out=fan_out, linear_max_tracks=50),
            DataView(graph, {}),
        )
        batches = TrainingBatches(heard, MANY, 256, 1, 500, torch.Generator().manual_seed(1), CPU)
        before = cast("nn.Module", model).state_dict()["heads.collaborative.nodes.user"].clone()
        [epoch] = fit(model, batches, LoopConfig(), n_epochs=1).epochs

    assert epoch.losses
    assert all(torch.tensor(list(epoch.losses.values())).isfinite())
    assert not torch.equal(model.heads["collaborative"].nodes["user"], before)
