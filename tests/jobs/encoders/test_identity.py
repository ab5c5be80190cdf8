"""An encoder's identity follows its weights and its preprocessing."""

from __future__ import annotations

import shutil

import pytest

from feature_store.setting_groups import EncoderSettings
from jobs.encoders import content_decoding, registry
from jobs.encoders.audio.decoding import audio_file, stream
from jobs.encoders.identity import encoder_identity
from jobs.encoders.image import descriptors as image_descriptors
from jobs.encoders.image import image_file
from jobs.encoders.text import explicit_words, language, transformer_text


def test_a_longer_audio_limit_is_another_preprocessing_with_the_same_weights():
    short = registry.audio_identity(EncoderSettings(max_audio_s=12))
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


@pytest.mark.parametrize(
    ("identity", "module", "constant"),
    [
        (registry.lyrics_identity, language, "MIN_CONFIDENCE"),
        (registry.lyrics_identity, explicit_words, "ENDINGS"),
        (registry.cover_identity, image_descriptors, "EDGE_LIGHTNESS"),
        (registry.cover_identity, image_descriptors, "LONG_SIDE_PIXELS"),
    ],
)
def test_changed_descriptors_are_computed_anew(monkeypatch, identity, module, constant):
    """The weights are the same; tags have no descriptors and keep their rows."""
    before, tags = identity(EncoderSettings()), registry.tags_identity(EncoderSettings())

    monkeypatch.setattr(module, constant, None)

    after = identity(EncoderSettings())
    assert after.preprocessing_id != before.preprocessing_id
    assert (after.encoder_id, after.weights_sha256) == (before.encoder_id, before.weights_sha256)
    assert registry.tags_identity(EncoderSettings()) == tags


def test_another_lingua_or_word_list_describes_lyrics_anew(monkeypatch, tmp_path):
    before = registry.lyrics_identity(EncoderSettings())

    with monkeypatch.context() as patched:
        patched.setattr(language, "version", lambda name: f"another {name}")
        by_another_lingua = registry.lyrics_identity(EncoderSettings())
    lists = shutil.copytree(explicit_words.weights_folder(explicit_words.PACKAGE), tmp_path / "l")
    (lists / "german.json").write_text('{"words": ["mist"]}')
    monkeypatch.setattr(explicit_words, "weights_folder", lambda _: lists)
    by_another_list = registry.lyrics_identity(EncoderSettings())

    ids = {each.preprocessing_id for each in (before, by_another_lingua, by_another_list)}
    assert len(ids) == 3


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
