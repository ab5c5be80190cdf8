"""The registry finds encoders by the ids in the settings."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from feature_store.setting_groups import EncoderSettings
from jobs.encoders import registry


def test_the_default_settings_name_registered_encoders():
    """The id in the settings is the id in the rows."""
    settings = EncoderSettings()
    assert registry.audio_identity(settings).encoder_id == settings.audio
    assert registry.lyrics_identity(settings).encoder_id == settings.lyrics
    assert registry.cover_identity(settings).encoder_id == settings.cover


def test_an_unknown_encoder_is_refused_with_the_known_ones():
    with pytest.raises(
        registry.UnknownEncoder,
        match=re.escape(
            "encoders.audio = 'openl3' names no encoder; there are: musicnn-mtt-v1, openl3-"
        ),
    ):
        registry.audio_identity(EncoderSettings(audio="openl3"))


def test_an_encoder_is_loaded_once_per_process():
    settings = EncoderSettings()
    identity = registry.cover_identity(settings)

    assert registry.image_encoder(settings, identity) is registry.image_encoder(settings, identity)


def test_a_machine_with_other_weights_than_the_job_was_planned_with_is_refused():
    """Their vectors would stand under the name of the other weights for good."""
    settings = EncoderSettings()
    planned = replace(registry.cover_identity(settings), weights_sha256="0" * 64)

    with pytest.raises(
        registry.EncoderDiffers, match=r"was planned with 0{12} and .*; install the"
    ):
        registry.image_encoder(settings, planned)
