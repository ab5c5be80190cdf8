"""A model takes only vectors of the encoder that it was trained on."""

from __future__ import annotations

import pytest
import torch

from feature_store.tables.features import FEAT_LYRICS
from tests.training import lake as sample
from tests.training.datasets import modality
from training.data.content import (
    EncoderChangedError,
    EncoderUnknownError,
    ModalityShape,
    fit_to_shapes,
    read_content,
    shapes_of,
)
from training.data.nodes import IdList

N_TRACKS = 4


def test_a_model_gets_the_modalities_that_it_was_trained_on_and_no_new_one():
    """Lyrics came after the training; no track has a cover any more, so there is an empty one."""
    every_track = list(range(N_TRACKS))
    content = {
        "audio": modality(N_TRACKS, 3, seed=1),
        "lyrics": modality(N_TRACKS, 3, seed=2),
        "cover": modality(N_TRACKS, 3, seed=3, lacking=every_track),
    }
    shapes = {"cover": ModalityShape("encoder-7", 5)} | shapes_of({"audio": content["audio"]})

    fitted = fit_to_shapes(content, shapes)

    assert list(fitted) == ["audio", "cover"]
    assert fitted["audio"] is content["audio"]
    assert fitted["cover"].embedding.shape == (N_TRACKS, 5)
    assert not bool(torch.cat([fitted["cover"].has, fitted["cover"].has_emotion]).any())


def test_vectors_of_another_encoder_are_refused_by_name():
    content = {"audio": modality(N_TRACKS, 3, seed=1)}

    with pytest.raises(
        EncoderChangedError,
        match=r"feat_audio: vectors by encoder-1, the model was trained on encoder-9; train again",
    ):
        fit_to_shapes(content, {"audio": ModalityShape("encoder-9", 3)})


def test_content_whose_encoder_the_night_does_not_name_is_refused(night):
    """Every track has audio, and the night's slice names the encoder of lyrics alone."""
    lake = night.settings.lake
    sample.fill(lake, night.as_of)
    sample.name_encoders(lake, night.as_of, {FEAT_LYRICS: FEAT_LYRICS.name})

    with pytest.raises(
        EncoderUnknownError,
        match=r"feat_encoders: the slice of 2026-03-01 names no encoder for feat_audio.*clear",
    ):
        read_content(lake, night.as_of, IdList.of("track", sample.TRACKS))
