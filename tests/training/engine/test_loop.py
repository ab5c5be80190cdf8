from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training.worlds import CPU, three_modalities, two_taste_evidence
from training.config import RecipeError, load_recipe
from training.data.batches import LearningBatches
from training.engine.loop import LoopConfig, NotANumberError, deterministic, fit
from training.models.ranking.mm_gnn import MMGNN, MMGNNConfig
from training.models.registry import FAMILIES

N_TRACKS = 13
LOOP = LoopConfig(validate_every=1, patience=2)


def batches(seed: int = 1, max_candidates: int = 100) -> LearningBatches:
    heard = two_taste_evidence().graph.listened
    generator = torch.Generator().manual_seed(seed)
    return LearningBatches(heard, N_TRACKS, 8, 1, max_candidates, 100, generator, CPU)


def fitted_bytes(seed: int) -> bytes:
    evidence = two_taste_evidence(three_modalities(N_TRACKS))
    with deterministic(seed, n_threads=1):
        model = MMGNN(MMGNNConfig(dim=8), evidence)
        fit(model, batches(seed), LOOP, n_epochs=3)
    return b"".join(value.numpy().tobytes() for value in model.state_dict().values())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    assert fitted_bytes(1) == fitted_bytes(1)
    assert fitted_bytes(1) != fitted_bytes(2)


def test_a_nan_stops_the_fit_and_names_loss_step_and_people():
    evidence = two_taste_evidence(three_modalities(N_TRACKS))
    poisoned = {
        **evidence.content,
        "audio": replace(
            evidence.content["audio"], embedding=evidence.content["audio"].embedding * torch.nan
        ),
    }
    model = MMGNN(MMGNNConfig(dim=8), replace(evidence, content=poisoned))

    with pytest.raises(NotANumberError, match=r"ranking\.audio is nan at epoch 1, step 1, people"):
        fit(model, batches(), LOOP, n_epochs=1)


def test_fitting_stops_early_and_keeps_the_best_epoch():
    """Validation figures 1, 3, 2, 2: two misses after epoch 2, whose parameters stay."""
    model = MMGNN(MMGNNConfig(dim=8), two_taste_evidence())
    figures = iter([1.0, 3.0, 2.0, 2.0, 9.0])
    seen: list[torch.Tensor] = []

    def validate() -> float:
        seen.append(model.heads["collaborative"].nodes["user"].detach().clone())
        return next(figures)

    outcome = fit(model, batches(), LOOP, n_epochs=10, validate=validate)

    assert outcome.best_epoch == 2
    assert len(outcome.epochs) == 4
    assert torch.equal(model.heads["collaborative"].nodes["user"], seen[1])


def test_fitting_lowers_the_ranking_loss():
    model = MMGNN(MMGNNConfig(dim=8), two_taste_evidence())

    epochs = fit(model, batches(), LoopConfig(learning_rate=0.05), n_epochs=8).epochs

    assert epochs[-1].losses["ranking.collaborative"] < epochs[0].losses["ranking.collaborative"]


def test_the_seed_of_others_is_put_back():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)

    with deterministic(seed=1, n_threads=1):
        torch.rand(5)

    assert torch.equal(torch.rand(1), expected)


def test_drawn_candidates_hold_every_positive():
    """With room for 9 of 13 tracks, each positive is still among the candidates of its batch."""
    for batch in batches(max_candidates=9):
        heard = two_taste_evidence().graph.listened
        mine = torch.isin(heard.users, batch.users)
        assert torch.equal(batch.candidates[batch.columns], heard.tracks[mine])
        assert torch.equal(batch.users[batch.rows], heard.users[mine])
        assert len(batch.candidates) <= max(9, len(heard.tracks[mine].unique()))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_recipe_loads(family):
    assert load_recipe(family).family == family


def test_a_recipe_is_refused_that_names_what_there_is_not(tmp_path):
    """A key of no setting, a value of another type, a section too many."""
    for text, said in (
        ("[loop]\nepochs = 3", "LoopConfig has no 'epochs'"),
        ("[loop]\nmax_epochs = 'three'", "'three' is no int"),
        ("[loop]\nmax_epochs = true", "True is no int"),
        ("[model]\nfan_out_by_weight = 1", "1 is no bool"),
        ("[optimiser]\nname = 'sgd'", r"unknown sections \['optimiser'\]"),
    ):
        (tmp_path / "mm_gnn.toml").write_text(text)
        with pytest.raises(RecipeError, match=said):
            load_recipe("mm_gnn", tmp_path)
