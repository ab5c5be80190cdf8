"""An encoder's identity follows its weights and its preprocessing."""

from __future__ import annotations

import pytest

from feature_store.setting_groups import EncoderSettings
from jobs.encoders import content_decoding, registry
from jobs.encoders.audio import audio_file, stream
from jobs.encoders.identity import encoder_identity
from jobs.encoders.image import image_file
from jobs.encoders.text import transformer_text


def test_a_longer_audio_limit_is_another_preprocessing_with_the_same_weights():
    short = registry.audio_identity(EncoderSettings(max_audio_s=9))
    long = registry.audio_identity(EncoderSettings(max_audio_s=60))
    assert short.preprocessing_id != long.preprocessing_id
    assert short.weights_sha256 == long.weights_sha256


@pytest.mark.parametrize(
    ("identity", "module", "limit"),
    [
        (registry.audio_identity, content_decoding, "MEMORY_MIB"),
        (registry.audio_identity, content_decoding, "MAX_CPU_S"),
        (registry.audio_identity, audio_file, "MAX_FILE_BYTES"),
        (registry.audio_identity, audio_file, "MAX_PEAK"),
        (registry.audio_identity, stream, "MAX_CHANNELS"),
        (registry.audio_identity, stream, "MAX_CHECKED_SAMPLES"),
        (registry.cover_identity, content_decoding, "MEMORY_MIB"),
        (registry.cover_identity, content_decoding, "MAX_CPU_S"),
        (registry.cover_identity, image_file, "MAX_PIXELS"),
        (registry.cover_identity, image_file, "MAX_FILE_BYTES"),
        (registry.lyrics_identity, transformer_text, "MAX_CHARACTERS"),
    ],
)
def test_content_that_ran_into_a_limit_is_tried_again_under_another_limit(
    monkeypatch, identity, module, limit
):
    """Its row names the limit by the preprocessing, and another limit is another preprocessing."""
    before = identity(EncoderSettings())

    monkeypatch.setattr(module, limit, getattr(module, limit) * 2)

    assert identity(EncoderSettings()).preprocessing_id != before.preprocessing_id


@pytest.mark.parametrize("limit", ["MEMORY_MIB", "MAX_CPU_S"])
def test_a_limit_of_the_decoder_is_none_of_what_is_not_decoded_there(monkeypatch, limit):
    before = registry.lyrics_identity(EncoderSettings())

    monkeypatch.setattr(content_decoding, limit, 1)

    assert registry.lyrics_identity(EncoderSettings()) == before


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
