"""Trainings and predictions draw no progress bar while a text model is loaded."""

from __future__ import annotations

import pytest
from transformers.utils import logging

from tests.training import lake as sample
from training import train
from training.artifacts import stored_models
from training.predict import predict


@pytest.fixture
def bars():
    """Bars are drawn, as in a new process; afterwards as before the test."""
    was_enabled = logging.is_progress_bar_enabled()
    logging.enable_progress_bar()
    yield
    if not was_enabled:
        logging.disable_progress_bar()


@pytest.mark.usefixtures("bars")
def test_training_and_predicting_disable_the_bars(night, monkeypatch, capsys):
    """The bar over the steps of a loader stands in no log once either has begun."""
    monkeypatch.setattr(stored_models, "track", lambda *_: "not-tracked")
    sample.fill(night.settings.lake, night.as_of)
    popular = sample.competing(night, "popularity")

    def printed_by(run) -> str:
        logging.enable_progress_bar()
        run(popular, "ranking")
        list(logging.tqdm(range(3), desc="Loading weights"))
        return capsys.readouterr().err

    list(logging.tqdm(range(3), desc="Loading weights"))
    assert "Loading weights" in capsys.readouterr().err
    assert "Loading weights" not in printed_by(train.train)
    assert "Loading weights" not in printed_by(predict)
