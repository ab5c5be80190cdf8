from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training.datasets import CPU, three_modalities, two_taste_view
from tests.training.fitting import fit, stage_of
from training.data.batches import TrainingBatches
from training.engine.loop import NonFiniteLossError, deterministic, fit_stage
from training.engine.loop_config import LoopConfig
from training.models.ranking.mm_gnn import MMGNN, MMGNNConfig

N_TRACKS = 13
LOOP = LoopConfig(validate_every=1, patience=2)


def batches(seed: int = 1, max_candidates: int = 100) -> TrainingBatches:
    heard = two_taste_view().graph.listened
    generator = torch.Generator().manual_seed(seed)
    return TrainingBatches(heard, N_TRACKS, 8, 1, max_candidates, generator, CPU)


def fitted_bytes(seed: int) -> bytes:
    view = two_taste_view(three_modalities(N_TRACKS))
    with deterministic(seed, n_threads=1):
        model = MMGNN(MMGNNConfig(dim=8), view)
        fit(model, batches(seed), LOOP, n_epochs=3)
    return b"".join(value.numpy().tobytes() for value in model.state_dict().values())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    assert fitted_bytes(1) == fitted_bytes(1)
    assert fitted_bytes(1) != fitted_bytes(2)


def test_a_nan_stops_the_fit_and_names_loss_step_and_users():
    view = two_taste_view(three_modalities(N_TRACKS))
    poisoned = {
        **view.content,
        "audio": replace(
            view.content["audio"], embedding=view.content["audio"].embedding * torch.nan
        ),
    }
    model = MMGNN(MMGNNConfig(dim=8), replace(view, content=poisoned))

    with pytest.raises(
        NonFiniteLossError, match=r"ranking\.audio is nan at epoch 1, step 1, users"
    ):
        fit(model, batches(), LOOP, n_epochs=1)


def test_fitting_stops_early_and_keeps_the_best_epoch():
    """Validation metrics 1, 3, 2, 2: two misses after epoch 2, whose parameters stay."""
    model = MMGNN(MMGNNConfig(dim=8), two_taste_view())
    metrics = iter([1.0, 3.0, 2.0, 2.0, 9.0])
    seen: list[torch.Tensor] = []

    def validate() -> float:
        seen.append(model.heads["collaborative"].nodes["user"].detach().clone())
        return next(metrics)

    outcome = fit(model, batches(), LOOP, n_epochs=10, validate=validate)

    assert outcome.best_epoch == 2
    assert len(outcome.epochs) == 4
    assert torch.equal(model.heads["collaborative"].nodes["user"], seen[1])


def test_fitting_lowers_the_ranking_loss():
    model = MMGNN(MMGNNConfig(dim=8), two_taste_view())

    epochs = fit(model, batches(), LoopConfig(learning_rate=0.05), n_epochs=8).epochs

    assert epochs[-1].losses["ranking.collaborative"] < epochs[0].losses["ranking.collaborative"]


def test_a_module_in_evaluation_mode_is_trained_with_all_of_its_dropout():
    """As transformers loads text models: a part alone, or the whole module, was in evaluation mode."""
    model = MMGNN(MMGNNConfig(dim=8), two_taste_view())
    for part in (model.heads["collaborative"], model):
        part.eval()
        modes: list[bool] = []
        stage = stage_of(model, batches(), LOOP)
        stage = replace(
            stage,
            training_loss=lambda batch, modes=modes: (
                modes.extend(one.training for one in model.modules()) or model.training_loss(batch)
            ),
        )

        fit_stage(stage, n_epochs=1)

        assert modes
        assert all(modes)


def test_deterministic_restores_the_random_state():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)

    with deterministic(seed=1, n_threads=1):
        torch.rand(5)

    assert torch.equal(torch.rand(1), expected)


def test_drawn_candidates_hold_every_positive():
    """With room for 9 of 13 tracks, each positive is still among the candidates of its batch."""
    for batch in batches(max_candidates=9):
        heard = two_taste_view().graph.listened
        mine = torch.isin(heard.users, batch.users)
        assert torch.equal(batch.candidates[batch.columns], heard.tracks[mine])
        assert torch.equal(batch.users[batch.rows], heard.users[mine])
        assert len(batch.candidates) <= max(9, len(heard.tracks[mine].unique()))
