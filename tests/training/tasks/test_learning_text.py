"""HTCL with a text model that learns: fits that resume, and processes without a track of the batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.jobs.encoders.tiny_models import save_bert
from tests.training.datasets import CPU
from tests.training.engine.processes import in_two_processes
from tests.training.tasks import music
from training.config import load_recipe
from training.engine.data_parallel import gradients
from training.engine.distributed import n_processes, process_rank
from training.engine.loop import deterministic, eval_mode, fit_stage
from training.engine.ranges import OutOfRangeError
from training.engine.resume import ResumeFile
from training.models.encoders.htcl_encoder import HTCLEncoder
from training.models.encoders.htcl_stages import HTCLStages


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a BERT with a dropout of .1."""
    return str(save_bert(tmp_path_factory.mktemp("bert")))


def stages_of(folder, batch_tracks=32, **changes):
    """Both stages of a model whose upper text layer learns."""
    recipe = load_recipe("audio_text", "htcl")
    sizes = replace(recipe.model, text_folder=folder, text_layers=1, **changes)
    torch.manual_seed(2)
    model = HTCLEncoder(sizes, music.world().full_view())
    generator = torch.Generator().manual_seed(3)
    batching = replace(recipe.batching, batch_tracks=batch_tracks)
    recipe = replace(recipe, model=sizes, batching=batching)
    return HTCLStages(model, recipe, generator, CPU).in_order()


def test_a_killed_fit_whose_text_model_has_dropout_ends_as_one_that_was_not(folder, tmp_path):
    """It resumes where no validation has come before: the text model was loaded in evaluation mode."""

    class Killed(BaseException):
        """Nothing catches it."""

    def fitted(name, killed_after=0):
        def on_epoch(epoch, _):
            if epoch.number == killed_after:
                raise Killed

        with deterministic(seed=4, n_threads=1):
            stage, _ = stages_of(folder)
            figures = iter([0.1, 0.2, 0.3])
            history = fit_stage(
                stage,
                n_epochs=3,
                validate=lambda run: {"all": _validated(run.module, next(figures))},
                resume_file=ResumeFile(tmp_path / name, lambda: None),
                on_epoch=on_epoch,
            ).history
        return [epoch.losses for epoch in history.epochs], stage.state()

    expected, parameters = fitted("whole")
    with pytest.raises(Killed):
        fitted("killed", killed_after=2)  # its file has one epoch

    losses, resumed = fitted("killed")

    assert losses == expected
    assert all(torch.equal(resumed[name], one) for name, one in parameters.items())


def _validated(module, figure):
    with eval_mode(module):
        return figure


def gradients_of_a_pair(rank, folder):
    """Gradients of stage 2 by parameter, of this process's part of a batch of one pair."""
    found = {}
    for piece_tracks in (0, 5):
        with deterministic(seed=4, n_threads=1):
            _, stage = stages_of(folder, piece_tracks=piece_tracks, epoch_pairs=1)
            stage.module.requires_grad_(requires_grad=False)
            for parameter in stage.parameters:
                parameter.requires_grad_()
            add = gradients(stage)
            stage.module.train()
            stage.on_start()
            [batch] = stage.batches
            torch.manual_seed(5)
            add(batch.shard(process_rank(), n_processes()), factor=1.0, is_last=True)
        found |= {
            f"{name} {piece_tracks}": one.grad
            for name, one in stage.module.named_parameters()
            if one.requires_grad
        }
    return found


def test_a_process_without_a_track_of_the_batch_learns_what_the_other_one_does(folder, tmp_path):
    """A pair alone: its tracks are each other's negatives in the first process, and the second has none."""
    alone = gradients_of_a_pair(0, folder)

    first, second = in_two_processes(gradients_of_a_pair, tmp_path, folder)

    of_text = [name for name in alone if "network.text." in name]
    assert any(float(alone[name].abs().max()) > 0 for name in of_text)
    assert alone.keys() == first.keys() == second.keys()
    for name, value in alone.items():
        torch.testing.assert_close(first[name], value, atol=1e-6, rtol=1e-4)
        assert torch.equal(first[name], second[name]), name


def test_dropout_and_masks_are_each_process_s_own(folder):
    """The stages draw for each row of their batch; equal draws would drop the same of two shards."""
    stages = stages_of(folder)

    assert [stage.draws_by_row for stage in stages] == [True, True]


def test_a_batch_of_one_track_is_refused(folder):
    """It has no negative, so that nothing would be learned of it."""
    with pytest.raises(OutOfRangeError, match=r"MusicBatching: batch_tracks = 1 .* 2 or more"):
        stages_of(folder, batch_tracks=1)
