"""HTCL with a text model that learns: fits that resume, and processes without a track of the batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.jobs.encoders.tiny_models import save_bert
from tests.training.datasets import CPU
from tests.training.tasks import music
from training.config import load_recipe
from training.engine.loop import deterministic, eval_mode, fit_stage
from training.engine.resume import ResumeFile
from training.models.encoders.htcl_encoder import HTCLEncoder
from training.models.encoders.htcl_stages import HTCLStages


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a BERT with a dropout of .1."""
    return str(save_bert(tmp_path_factory.mktemp("bert")))


def first_stage(folder, **changes):
    """Stage 1 of a model whose upper text layer learns."""
    recipe = load_recipe("audio_text", "htcl")
    sizes = replace(recipe.model, text_folder=folder, text_layers=1, **changes)
    torch.manual_seed(2)
    model = HTCLEncoder(sizes, music.world().full_view())
    generator = torch.Generator().manual_seed(3)
    recipe = replace(recipe, model=sizes)
    return HTCLStages(model, recipe, generator, CPU).in_order()[0]


def test_a_killed_fit_whose_text_model_has_dropout_ends_as_one_that_was_not(folder, tmp_path):
    """It resumes where no validation has come before: the text model was loaded in evaluation mode."""

    class Killed(BaseException):
        """Nothing catches it."""

    def fitted(name, killed_after=0):
        def on_epoch(epoch, _):
            if epoch.number == killed_after:
                raise Killed

        with deterministic(seed=4, n_threads=1):
            stage = first_stage(folder)
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
