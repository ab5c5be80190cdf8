"""A killed fit resumes, and ends as a fit that was not killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from feature_store.lake.storage import open_storage
from feature_store.lake.stored_file import StorageError
from feature_store.privacy.suppression import ErasedDuringRun, erasure_guard, suppress
from tests.training import lake as sample
from tests.training.datasets import CPU, three_modalities, two_taste_view
from tests.training.fitting import fit
from training import train
from training.artifacts import stored_models
from training.data.batches import TrainingBatch, TrainingBatches
from training.engine import loop, model_selection, resume
from training.engine.loop import FitHistory, deterministic
from training.engine.loop_config import LoopConfig
from training.engine.resume import ResumeError, ResumeFile
from training.models.ranking.mm_gnn import MMGNN, MMGNNConfig

N_TRACKS, N_EPOCHS = 13, 6
LOOP = LoopConfig(validate_every=1, patience=N_EPOCHS)


class Killed(BaseException):
    """Nothing catches it, as nothing catches the end of a process."""


class Stopping:
    """Batches that end the process in the middle of an epoch."""

    def __init__(self, batches: TrainingBatches, epoch: int) -> None:
        self._batches, self._epochs_left = batches, epoch

    def __iter__(self) -> Iterator[TrainingBatch]:
        self._epochs_left -= 1
        for step, batch in enumerate(self._batches):
            if self._epochs_left == 0 and step == 1:
                raise Killed
            yield batch


def no_erasure() -> None:
    """The guard of a night without an erasure."""


def fitted(
    file: Path, killed_in: int = 0, check_no_erasure: Callable[[], None] = no_erasure
) -> tuple[FitHistory, dict[str, torch.Tensor]]:
    """Candidates are drawn, and validation is partly chance: every epoch depends on both generators."""
    with deterministic(seed=4, n_threads=1):
        model = MMGNN(MMGNNConfig(dim=4), two_taste_view(three_modalities(N_TRACKS)))
        heard = two_taste_view().graph.listened
        batches = TrainingBatches(heard, N_TRACKS, 8, 1, 9, torch.Generator().manual_seed(4), CPU)
        outcome = fit(
            model,
            Stopping(batches, killed_in),
            LOOP,
            n_epochs=N_EPOCHS,
            validate=lambda: _liking(model),
            resume_file=ResumeFile(file, check_no_erasure),
            generator=batches.generator,
        )
    return outcome, model.state_dict()


def _liking(model: MMGNN) -> float:
    """A figure of the parameters alone, that takes a random number on its way."""
    return float(model.heads["audio"].content.project.weight.abs().sum() + torch.rand(1))


@pytest.mark.parametrize("epoch", [1, 2, 5])
def test_a_fit_killed_in_any_epoch_ends_with_equal_losses_and_bytes(epoch, tmp_path):
    """Killed in its second step, it resumes after the last whole epoch; all losses, figures and bits agree."""
    expected, parameters = fitted(tmp_path / "never-killed")
    with pytest.raises(Killed):
        fitted(tmp_path / "killed", killed_in=epoch)

    outcome, resumed = fitted(tmp_path / "killed")

    assert outcome == expected
    assert len(outcome.epochs) == N_EPOCHS
    assert all(torch.equal(resumed[name], value) for name, value in parameters.items())


def test_a_fit_that_had_ended_is_not_run_again(tmp_path):
    """A training that was killed between two fits takes the first one's outcome as it was."""
    expected, parameters = fitted(tmp_path / "state")

    outcome, again = fitted(tmp_path / "state", killed_in=1)

    assert outcome == expected
    assert all(torch.equal(again[name], value) for name, value in parameters.items())


def test_a_damaged_state_is_an_error_that_says_what_to_do(tmp_path):
    file = tmp_path / "state"
    file.write_bytes(b"no tensors")

    with pytest.raises(ResumeError, match=r"cannot be read .*delete the file"):
        fitted(file)


def test_a_killed_training_gives_the_model_of_one_that_was_not(night, tmp_path, monkeypatch):
    """Killed when its second fit begins: the first one is not run again, and the bytes are equal."""
    monkeypatch.setattr(stored_models, "track", lambda *_: "not-tracked")
    sample.fill(night.settings.lake, night.as_of)
    expected = train.train(night, "ranking").checkpoint_sha256
    refitted = model_selection._refit

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(model_selection, "_refit", killed)
    with pytest.raises(Killed):
        train.train(night, "ranking", retrain="always")
    left = list((night.settings.state / "fits").rglob("selection-*.pt"))
    monkeypatch.setattr(model_selection, "_refit", refitted)
    epochs: list[int] = []
    one_epoch = loop.FitRun._one_epoch
    monkeypatch.setattr(
        loop.FitRun,
        "_one_epoch",
        lambda run, number: epochs.append(number) or one_epoch(run, number),
    )

    again = train.train(night, "ranking", retrain="always")

    assert len(left) == 1
    assert again.checkpoint_sha256 == expected
    assert epochs == list(range(1, len(epochs) + 1))  # of one fit alone
    assert not list((night.settings.state / "fits").rglob("*.pt"))


def test_an_erasure_deletes_all_resume_files(tmp_path):
    """Also in a folder that a killed erasure had renamed already."""
    fitted(resume.resume_folder(tmp_path, "ranking", "mm_gnn", "v1") / "selection.pt")
    (tmp_path / "fits").rename(tmp_path / "fits-forgotten-1")
    open_storage(str(tmp_path)).write("fits/ranking/bpr/v1/final.pt", b"state")

    assert resume.delete_all(tmp_path) == 2
    assert not list(tmp_path.rglob("*.pt"))


def test_an_erasure_during_a_fit_ends_it_and_leaves_no_resume_file(settings, tmp_path):
    """Ada is erased in the third epoch, before or after its state is written: the last one goes too."""
    for asked_at, left_before in ((5, True), (6, True)):
        check_no_erasure = erasure_guard(settings.lake)
        file = tmp_path / f"erased-{asked_at}" / "selection.pt"
        states: list[bool] = []

        def asked(states=states, file=file, refuse=check_no_erasure, asked_at=asked_at) -> None:
            """Twice an epoch: before the state is written, and after."""
            states.append(file.exists())
            if len(states) == asked_at:
                suppress(settings, f"ada-{asked_at}")
            refuse()

        with pytest.raises(ErasedDuringRun, match="a person was erased"):
            fitted(file, check_no_erasure=asked)

        assert states == [False, True, True, True, *[left_before] * (asked_at - 4)]
        assert not file.exists()


def test_no_resume_file_is_left_when_the_erasure_check_fails(tmp_path):
    """The lake cannot be listed after the second epoch's state was written."""
    file, answers = tmp_path / "selection.pt", iter([True, True, True, False, False])

    def unreachable_after_a_while() -> None:
        if not next(answers):
            raise StorageError("the lake cannot be listed")

    with pytest.raises(StorageError):
        fitted(file, check_no_erasure=unreachable_after_a_while)

    assert not file.exists()


def test_an_erasure_during_a_training_leaves_no_resume_file(night, monkeypatch):
    """Ada is erased as the final fit begins: the resume file of the selection fit is deleted too."""
    monkeypatch.setattr(stored_models, "track", lambda *_: "not-tracked")
    sample.fill(night.settings.lake, night.as_of)
    refitted = model_selection._refit

    def after_an_erasure(*given: object) -> object:
        assert list((night.settings.state / "fits").rglob("selection-*.pt"))
        suppress(night.settings, "ada")
        return refitted(*given)

    monkeypatch.setattr(model_selection, "_refit", after_an_erasure)

    with pytest.raises(ErasedDuringRun):
        train.train(night, "ranking")

    assert not list((night.settings.state / "fits").rglob("*.pt"))


def test_another_training_of_the_family_deletes_stale_resume_files(tmp_path):
    """Other data or another recipe cannot resume from it; another family's state stays."""
    past, mine, other = (
        resume.resume_folder(tmp_path, "ranking", *of)
        for of in (("mm_gnn", "past"), ("mm_gnn", "mine"), ("bpr", "other"))
    )
    for folder in (past, mine, other):
        open_storage(str(folder)).write("selection.pt", b"state")

    resume.delete_stale(mine)

    assert [folder.exists() for folder in (past, mine, other)] == [False, True, True]
