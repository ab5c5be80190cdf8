"""Encoders are found by the ids in the settings, and their identity follows what they do."""

from __future__ import annotations

import re

import pytest

from feature_store.settings import Encoders
from jobs.encoders import registry
from jobs.encoders.identity import identity_of


def test_the_settings_defaults_name_registered_encoders():
    """The id in the settings is the id in the rows."""
    encoders = Encoders()
    assert registry.audio_identity(encoders).encoder_id == encoders.audio
    assert registry.lyrics_identity(encoders).encoder_id == encoders.lyrics
    assert registry.cover_identity(encoders).encoder_id == encoders.cover


def test_an_unknown_encoder_names_those_that_exist():
    with pytest.raises(
        registry.UnknownEncoder,
        match=re.escape("encoders.audio = 'openl3' names no encoder; there are: musicnn-mtt-v1"),
    ):
        registry.audio_identity(Encoders(audio="openl3"))


def test_listening_longer_is_another_preprocessing_with_the_same_weights():
    short = registry.audio_identity(Encoders(max_audio_s=9))
    long = registry.audio_identity(Encoders(max_audio_s=60))
    assert short.preprocessing_id != long.preprocessing_id
    assert short.weights_sha256 == long.weights_sha256


def test_an_identity_follows_weights_and_steps_and_nothing_else(tmp_path):
    """Moving a byte from one file to the next is a change, the order of the steps' names is none."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"xy")
    second.write_bytes(b"z")
    before = identity_of("e", [first, second], {"hop": 256, "mels": 96})
    assert identity_of("e", [first, second], {"mels": 96, "hop": 256}) == before
    first.write_bytes(b"x")
    second.write_bytes(b"yz")
    after = identity_of("e", [first, second], {"hop": 512, "mels": 96})
    assert after.weights_sha256 != before.weights_sha256
    assert after.preprocessing_id != before.preprocessing_id


def test_an_encoder_is_loaded_once_per_process():
    assert registry.picture_encoder("efficientnet-lite0-v1") is registry.picture_encoder(
        "efficientnet-lite0-v1"
    )
