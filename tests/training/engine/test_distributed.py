"""Two processes with a shard of each batch get the gradients of one process with the whole batch."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import nn

from feature_store.lake.arrow_io import read_table
from feature_store.settings import Night
from feature_store.tables.runs import RUN_MODELS
from feature_store.tables.scores import SCORE_EVALUATION
from tests.training import lake as sample
from tests.training.datasets import CPU, three_modalities, two_taste_view
from tests.training.engine.processes import in_two_processes
from tests.training.fitting import fit, stage_of
from training import train
from training.artifacts import model_registry, stored_models
from training.config import load_recipe
from training.data.batches import TrainingBatch, TrainingBatches
from training.engine.data_parallel import gradients
from training.engine.distributed import (
    ProcessesDifferError,
    check_same_in_all_processes,
    gather,
    gather_in_rank0,
    mean_denominator,
    mean_over_batch,
    n_processes,
    process_rank,
)
from training.engine.loop import deterministic, fit_stage
from training.engine.loop_config import LoopConfig
from training.models.protocols import Recommender
from training.models.registry import RANKING

N_TRACKS = 13
GRADIENT_TOLERANCE = 1e-6  # sums of float32 in another order; gradients here are about 1e-2
LACKING_LYRICS = (1, 2, 3, 11)  # so that heads have other counts of positives than listeners


def made(family: str) -> Recommender:
    with deterministic(seed=3, n_threads=1):
        view = two_taste_view(three_modalities(N_TRACKS, LACKING_LYRICS))
        return RANKING[family].model(load_recipe("ranking", family).model, view)


def first_batch(n_users: int) -> TrainingBatch:
    heard = two_taste_view().graph.listened
    generator = torch.Generator().manual_seed(1)
    [batch, *_] = TrainingBatches(heard, N_TRACKS, n_users, 1, 100, generator, CPU)
    return batch


def gradients_of(family: str, n_users: int) -> dict[str, torch.Tensor]:
    """Gradients by parameter, of the sum of the losses of this process's part."""
    model = made(family)
    stage = stage_of(model, (), LoopConfig(), torch.Generator())
    add = gradients(stage)
    torch.manual_seed(5)  # what is drawn by track is the same in every process, as in a fit
    losses = add(own_shard(first_batch(n_users)), factor=1.0, is_last=True)
    found = {
        name: value.grad
        for name, value in cast("nn.Module", model).named_parameters()
        if value.grad is not None
    }
    return found | {name: torch.tensor(loss) for name, loss in losses.items()}


def own_shard(batch: TrainingBatch) -> TrainingBatch:
    return batch.shard(process_rank(), n_processes())


def trainable_families() -> list[str]:
    """Those with parameters, less the one whose random negatives depend on who is in a part."""
    learning = [name for name in RANKING if list(cast("nn.Module", made(name)).parameters())]
    return [name for name in learning if name != "bpr"]


def gradients_of_all(rank: int) -> dict[str, dict[str, torch.Tensor]]:
    return {
        f"{family} {n_users}": gradients_of(family, n_users)
        for family in trainable_families()
        for n_users in (1, 5, 18)
    }


@pytest.mark.parametrize("n_users", [18, 5, 1])
def test_two_shards_have_all_positives_once(n_users):
    """Each positive of the batch is in one part, with its own listener and track."""
    whole = first_batch(n_users)
    found = []
    for part in (whole.shard(0, 2), whole.shard(1, 2)):
        assert torch.equal(part.candidates, whole.candidates)
        users, tracks = part.users[part.rows], part.candidates[part.columns]
        found += list(zip(users.tolist(), tracks.tolist(), strict=True))

    users, tracks = whole.users[whole.rows], whole.candidates[whole.columns]
    assert sorted(found) == sorted(zip(users.tolist(), tracks.tolist(), strict=True))


def message_of_a_difference(rank: int) -> str:
    """Both processes agree on the recipe; the second one has read other data."""
    check_same_in_all_processes("recipes", "mm_gnn")
    try:
        check_same_in_all_processes("data", ["v7", "v8"][rank])
    except ProcessesDifferError as error:
        return str(error)
    return "nothing"


def test_processes_that_read_other_data_do_not_train_together(tmp_path):
    first, second = in_two_processes(message_of_a_difference, tmp_path)

    assert first == second
    assert first.startswith(
        "training: the processes have different data: v7, v8 (rule: all the same)"
    )


def test_a_count_alone_is_itself_and_never_zero():
    assert mean_denominator(torch.tensor(3)) == 3
    assert mean_denominator(torch.tensor(0)) == 1


def test_every_family_s_gradients_are_those_of_one_process(tmp_path):
    """18, 5 and 1 listeners: parts with other counts of listeners and positives, and one empty shard."""
    alone = gradients_of_all(rank=0)

    of_both = in_two_processes(gradients_of_all, tmp_path)

    assert trainable_families()
    for case, expected in alone.items():
        assert of_both[0][case].keys() == of_both[1][case].keys() == expected.keys(), case
        for name, value in expected.items():
            first, second = of_both[0][case][name], of_both[1][case][name]
            is_loss = value.dim() == 0
            got = (first + second) / 2 if is_loss else first
            assert torch.allclose(got, value, atol=GRADIENT_TOLERANCE), f"{case} {name}"
            assert is_loss or torch.equal(first, second), f"{case} {name}"


def means_and_losses(rank: int) -> dict[str, float]:
    """The mean of 1, 2, 3 here and 10 there; and BPR's losses of a batch of one, which is in the first shard."""
    values = torch.tensor([[1.0, 2.0, 3.0], [10.0]][rank])
    losses = made("bpr").training_loss(own_shard(first_batch(1)))
    mean = float(mean_over_batch(values))
    return {"mean": mean} | {name: float(loss.detach()) for name, loss in losses.items()}


def test_means_are_over_all_shards_also_where_one_is_empty(tmp_path):
    """(1 + 2 + 3 + 10) / 4 = 4; without listeners a part adds 0 to the losses, and no NaN."""
    first, second = in_two_processes(means_and_losses, tmp_path)

    assert (first["mean"] + second["mean"]) / 2 == pytest.approx(4)
    assert first["ranking"] > 0
    assert second["ranking"] == second["l2"] == 0


def gradient_of_negatives(rank: int) -> torch.Tensor:
    """Rows 1 and 2 here and row 3 there; each row's loss is its product with the sum of all rows."""
    rows = torch.tensor([[1.0], [2.0], [3.0]])[[slice(0, 2), slice(2, 3)][rank]].requires_grad_()
    everywhere = gather(rows)
    assert everywhere.squeeze(1).tolist() == [1.0, 2.0, 3.0]
    ((rows * everywhere.sum()).sum() * n_processes()).backward()
    return rows.grad


def test_negatives_of_other_processes_pass_gradients_back(tmp_path):
    """The loss is (a + b + c) squared: each gradient is 2 x 6, half of it by way of the other rows.

    Each process adds up its own rows; the average over two processes doubles each of them.
    """
    first, second = in_two_processes(gradient_of_negatives, tmp_path)

    # Own part: 2 x 6 as a row; 2 x 6 as a negative, summed over both processes. Averaged over two.
    assert (torch.cat([first, second]) / 2).squeeze(1).tolist() == [12.0, 12.0, 12.0]


def streamed(rank: int) -> list[int]:
    return list(gather_in_rank0(iter([[1, 2, 3], [10]][rank])))


def test_rank_0_gets_the_streams_of_all_processes(tmp_path):
    """A round takes one of each; the longer stream goes on alone, and the other process gets nothing."""
    assert in_two_processes(streamed, tmp_path) == [[1, 10, 2, 3], []]


def fitted(rank: int) -> dict[str, object]:
    """A fit whose validation would stop this process at another epoch than the other."""
    figures = iter([[1.0, 3.0, 2.0, 2.0, 9.0], [5.0, 4.0, 9.0, 1.0, 1.0]][rank])
    heard = two_taste_view().graph.listened
    model = made("mm_gnn")
    outcome = fit(
        model,
        TrainingBatches(heard, N_TRACKS, 7, 1, 9, torch.Generator().manual_seed(1), CPU),
        LoopConfig(validate_every=1, patience=2),
        n_epochs=5,
        validate=lambda: next(figures),
    )
    parameters = cast("nn.Module", model).state_dict()
    losses = [epoch.losses for epoch in outcome.epochs]
    return {"best_epoch": outcome.best_epoch, "losses": losses, "parameters": parameters}


def test_the_validation_of_rank_0_stops_all_processes_at_the_same_epoch(tmp_path):
    """The first sees 1, 3, 2, 2 and stops after four with the second; the other would see 5 first."""
    first, second = in_two_processes(fitted, tmp_path)

    assert first["best_epoch"] == second["best_epoch"] == 2
    assert len(first["losses"]) == 4
    assert first["losses"] == second["losses"]
    for name, value in first["parameters"].items():
        assert torch.equal(value, second["parameters"][name]), name


class DrawsByRow(nn.Module):
    """Keeps the numbers that it drew: what dropout and masks are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.drawn: list[list[float]] = []

    def training_loss(self, _batch: TrainingBatch) -> dict[str, torch.Tensor]:
        self.drawn.append(torch.rand(3).tolist())
        return {"loss": self.weight.square()}


def drawn_in_two_stages(rank: int, how: dict[str, bool]) -> list[list[float]]:
    model = DrawsByRow()
    with deterministic(seed=5, n_threads=1):
        for _ in range(2):
            stage = stage_of(model, [first_batch(7)], LoopConfig(), torch.Generator())
            fit_stage(replace(stage, **how), n_epochs=2)
    return model.drawn


def test_a_stage_that_draws_by_row_draws_other_numbers_in_each_process(tmp_path):
    """Rank 0 draws what one process draws; a propagation over the whole graph is the same in both."""
    alone = drawn_in_two_stages(0, {"draws_by_row": True})
    for folder in ("apart", "as one"):
        (tmp_path / folder).mkdir()

    first, second = in_two_processes(
        drawn_in_two_stages, tmp_path / "apart", {"draws_by_row": True}
    )
    same = in_two_processes(drawn_in_two_stages, tmp_path / "as one", {"draws_by_row": False})

    assert first == same[0] == same[1] == alone
    assert len({number for epoch in (*first, *second) for number in epoch}) == 2 * 2 * 2 * 3


def trained(rank: int, night: Night) -> str:
    stored_models.track = lambda *_: "not-tracked"  # MLflow's database takes seconds to create
    return train.train(night, "ranking").model_version


def test_two_processes_run_one_challenger_test_and_promote_the_same_family(night, tmp_path):
    """EASE tells the two tastes, which popularity mixes up; LightGCN, learned in between, keeps both in step."""
    sample.fill(night.settings.lake, night.as_of)
    competing = sample.competing(night, "popularity", "light_gcn", "ease")

    versions = in_two_processes(trained, tmp_path, competing)

    [row] = read_table(night.settings.lake, RUN_MODELS).to_pylist()
    assert versions == [row["model_version"]] * 2
    assert row["family"] == model_registry.champion_of(competing, "ranking") != "popularity"
    ahead = [
        (one["subject"], one["value"] > 0)
        for one in read_table(night.settings.lake, SCORE_EVALUATION, as_of=night.as_of).to_pylist()
        if one["metric"] == "ndcg_at_10_ahead_low"
    ]
    assert (row["family"], True) in ahead
    assert {challenger for challenger, _ in ahead} == {"light_gcn", "ease"}
