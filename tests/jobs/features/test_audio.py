"""feat_audio: new recordings only, each once, and broken ones with their reason."""

from __future__ import annotations

import dataclasses

import pytest

from feature_store.lake.storage import sha256_of
from feature_store.tables.features import FEAT_AUDIO
from jobs.encoders.audio import audio_file
from jobs.encoders.audio.transformer_audio import TransformerAudio
from jobs.features import audio
from tests.jobs.encoders.tiny_models import save_wav2vec
from tests.jobs.features.worlds import frame, put, tone, tracks


@pytest.fixture(scope="module")
def world(spark, session_settings):
    """A lake with one good recording under three paths, one broken and one that is gone."""
    from feature_store.settings import Night
    from tests.conftest import MARCH_1

    night = Night(MARCH_1, "test-run", session_settings)
    good = put(night, "landing/audio/good.wav", tone(440))
    put(night, "landing/audio/same.wav", tone(440))
    broken = put(night, "landing/audio/broken.flac", b"fLaC but then nothing")
    catalogue = tracks(
        spark,
        night,
        {"audio_hash": good, "audio_uri": "landing/audio/same.wav"},
        {"audio_hash": good, "audio_uri": "landing/audio/good.wav"},
        {"audio_hash": good, "audio_uri": "landing/audio/deleted.wav"},
        {"audio_hash": broken, "audio_uri": "landing/audio/broken.flac"},
        {"audio_hash": "0" * 64, "audio_uri": "landing/audio/gone.wav"},
        {},
    )
    nothing = frame(spark, FEAT_AUDIO, [])
    rows = audio.build(catalogue, nothing, night=night).collect()
    return night, catalogue, good, broken, rows


def test_two_tracks_with_the_same_bytes_share_one_row(world):
    """Six tracks hold three different contents, of which the lake lacks one: two rows."""
    _, _, good, broken, rows = world
    assert sorted(row.content_hash for row in rows) == sorted([good, broken])


def test_a_good_recording_has_every_feature_and_no_reason(world):
    """A sine of half the full scale has a mean square of 1/8, which is -9.03 dB."""
    _, _, good, _, rows = world
    [row] = [row for row in rows if row.content_hash == good]
    assert (len(row.audio_embedding), len(row.tag_probabilities)) == (200, 50)
    assert row.loudness_db == pytest.approx(-9.03, abs=0.01)
    assert row.decoded_s == pytest.approx(1.0)
    assert row.failure_reason is None


def test_a_broken_file_is_a_row_with_a_reason(world):
    """It does not stop the night; it has a failure reason and no features."""
    _, _, _, broken, rows = world
    reasons = {row.content_hash: row.failure_reason for row in rows if row.failure_reason}
    assert reasons == {broken: "unreadable"}
    assert all(row.audio_embedding is None for row in rows if row.failure_reason)


def test_a_file_that_comes_back_is_encoded_then(spark, night):
    """Gone, or replaced by other bytes: nothing is stored, so a night after the repair has it."""
    path, recording = "landing/audio/lost.wav", tone(330)
    catalogue = tracks(spark, night, {"audio_hash": sha256_of(recording), "audio_uri": path})
    nothing = frame(spark, FEAT_AUDIO, [])

    assert audio.build(catalogue, nothing, night=night).collect() == []
    put(night, path, tone(550))
    assert audio.build(catalogue, nothing, night=night).collect() == []

    put(night, path, recording)
    [row] = audio.build(catalogue, nothing, night=night).collect()
    assert (row.content_hash, row.failure_reason) == (sha256_of(recording), None)


def test_an_encoded_recording_is_not_encoded_again(spark, world):
    """With the first night's rows in place, failures included, nothing is left to do."""
    night, catalogue, _, _, rows = world
    encoded = spark.createDataFrame(rows, FEAT_AUDIO.spark_schema())
    assert audio.build(catalogue, encoded, night=night).collect() == []


def test_another_preprocessing_encodes_every_recording_again(spark, world):
    """Another length of audio is another identity: new rows, and the earlier ones stay."""
    night, catalogue, _, _, rows = world
    encoders = night.settings.encoders.model_copy(update={"max_audio_s": 0.75})
    settings = night.settings.model_copy(update={"encoders": encoders})
    encoded = spark.createDataFrame(rows, FEAT_AUDIO.spark_schema())

    again = audio.build(catalogue, encoded, night=dataclasses.replace(night, settings=settings))

    found = {row.content_hash: row for row in again.collect()}
    assert len(found) == 2
    assert {row.preprocessing_id for row in rows}.isdisjoint(
        row.preprocessing_id for row in found.values()
    )
    assert found[world[2]].decoded_s == pytest.approx(0.75)


def test_another_encoder_hears_its_own_sample_rate_and_knows_no_tags(spark, world, tmp_path):
    """A model of transformers in a folder; measures of the signal stay those of 16 kHz."""
    night, catalogue, good, _, rows = world
    model = save_wav2vec(tmp_path / "wav2vec", sampling_rate=24_000)
    encoders = night.settings.encoders.model_copy(update={"audio": f"transformers:{model}"})
    settings = night.settings.model_copy(update={"encoders": encoders})
    encoded = spark.createDataFrame(rows, FEAT_AUDIO.spark_schema())

    built = audio.build(catalogue, encoded, night=dataclasses.replace(night, settings=settings))

    [row] = [row for row in built.collect() if row.content_hash == good]
    samples = audio_file.decode(tone(440), encoders.max_audio_s, 24_000)
    expected = TransformerAudio(model).encode(samples).embedding
    assert row.audio_embedding == pytest.approx(expected.tolist(), abs=1e-6)
    assert (row.encoder_id, row.tag_probabilities) == ("transformers:wav2vec", None)
    assert row.loudness_db == pytest.approx(-9.03, abs=0.01)
