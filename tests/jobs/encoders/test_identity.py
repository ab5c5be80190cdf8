"""An encoder's identity follows its weights and its preprocessing."""

from __future__ import annotations

from feature_store.setting_groups import EncoderSettings
from jobs.encoders import registry
from jobs.encoders.identity import encoder_identity


def test_a_longer_audio_limit_is_another_preprocessing_with_the_same_weights():
    short = registry.audio_identity(EncoderSettings(max_audio_s=9))
    long = registry.audio_identity(EncoderSettings(max_audio_s=60))
    assert short.preprocessing_id != long.preprocessing_id
    assert short.weights_sha256 == long.weights_sha256


def test_an_identity_changes_with_weights_and_preprocessing_only(tmp_path):
    """Moving a byte from one file to the next is a change; another order of the keys is not."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"xy")
    second.write_bytes(b"z")
    before = encoder_identity("e", [first, second], {"hop": 256, "mels": 96})
    assert encoder_identity("e", [first, second], {"mels": 96, "hop": 256}) == before
    first.write_bytes(b"x")
    second.write_bytes(b"yz")
    after = encoder_identity("e", [first, second], {"hop": 512, "mels": 96})
    assert after.weights_sha256 != before.weights_sha256
    assert after.preprocessing_id != before.preprocessing_id
