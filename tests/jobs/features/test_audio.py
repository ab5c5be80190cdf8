"""feat_audio and feat_mel: new recordings only, each once, and broken ones with their reason."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import soundfile

from feature_store.lake.storage import sha256_of
from feature_store.tables.features import FEAT_AUDIO, FEAT_MEL
from jobs.encoders.audio.decoding import audio_file
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
    built = audio.build(catalogue, *nothing(spark), night=night).collect()
    return night, catalogue, good, broken, [row.feat_audio for row in built], built


def nothing(spark):
    return frame(spark, FEAT_AUDIO, []), frame(spark, FEAT_MEL, [])


def stored(spark, built):
    """What the runner writes of built rows: a frame of each table."""
    return [
        spark.createDataFrame(
            [row[table.name] for row in built if row[table.name] is not None], table.spark_schema()
        )
        for table in (FEAT_AUDIO, FEAT_MEL)
    ]


def test_two_tracks_with_the_same_bytes_share_one_row(world):
    """Six tracks hold three different contents, of which the lake lacks one: two rows."""
    _, _, good, broken, rows, _ = world
    assert sorted(row.content_hash for row in rows) == sorted([good, broken])


def test_a_good_recording_has_every_feature_and_no_reason(world):
    """A sine of 440 Hz whose peak is half the full scale: the mono BS.1770 level of -9.7 LUFS."""
    _, _, good, _, rows, _ = world
    [row] = [row for row in rows if row.content_hash == good]
    assert (len(row.audio_embedding), len(row.tag_probabilities)) == (200, 50)
    assert (len(row.audio_embedding_max), len(row.tag_probabilities_max)) == (200, 50)
    assert row.loudness_lufs == pytest.approx(-9.7, abs=0.3)
    assert row.true_peak_dbtp == pytest.approx(-6.02, abs=0.1)
    assert row.spectral_centroid_hz == pytest.approx(440, rel=0.05)
    assert row.decoded_s == pytest.approx(1.0)
    assert row.failure_reason is None


def test_a_broken_file_is_a_row_with_a_reason(world):
    """It does not stop the night; it has a failure reason and no features."""
    _, _, _, broken, rows, _ = world
    reasons = {row.content_hash: row.failure_reason for row in rows if row.failure_reason}
    assert reasons == {broken: "unreadable"}
    assert all(row.audio_embedding is None for row in rows if row.failure_reason)


def test_a_file_that_comes_back_is_encoded_then(spark, night):
    """Gone, or replaced by other bytes: nothing is stored, so a night after the repair has it."""
    path, recording = "landing/audio/lost.wav", tone(330)
    catalogue = tracks(spark, night, {"audio_hash": sha256_of(recording), "audio_uri": path})

    assert audio.build(catalogue, *nothing(spark), night=night).collect() == []
    put(night, path, tone(550))
    assert audio.build(catalogue, *nothing(spark), night=night).collect() == []

    put(night, path, recording)
    [row] = audio.build(catalogue, *nothing(spark), night=night).collect()
    for each in row:
        assert (each.content_hash, each.failure_reason) == (sha256_of(recording), None)


def test_an_encoded_recording_is_not_encoded_again(spark, world):
    """With the first night's rows in place, failures included, nothing is left to do."""
    night, catalogue, *_, built = world
    assert audio.build(catalogue, *stored(spark, built), night=night).collect() == []


def test_a_good_recording_has_a_mel_spectrogram(world):
    """1,251 frames of 128 float16; a second of audio fills eleven of them."""
    *_, good, broken, _, built = world
    rows = {row.feat_mel.content_hash: row.feat_mel for row in built}
    assert len(rows[good].log_mel) == 1251 * 128 * 2
    assert rows[good].mel_frame_count == 11
    assert (rows[broken].log_mel, rows[broken].failure_reason) == (None, "unreadable")


def test_only_the_table_that_lacks_a_recording_gets_its_row(spark, world):
    """A night that was killed between the two commits, or one whose encoder changed."""
    night, catalogue, good, broken, _, built = world
    encoded, _ = stored(spark, built)
    _, no_mel = nothing(spark)

    again = audio.build(catalogue, encoded, no_mel, night=night).collect()

    assert [row.feat_audio for row in again] == [None, None]
    assert {row.feat_mel.content_hash for row in again} == {good, broken}


def test_a_service_that_wants_no_mel_gets_none(spark, world):
    night, catalogue, *_ = world
    encoders = night.settings.encoders.model_copy(update={"audio_mel": False})
    settings = night.settings.model_copy(update={"encoders": encoders})

    built = audio.build(
        catalogue, *nothing(spark), night=dataclasses.replace(night, settings=settings)
    ).collect()

    assert len(built) == 2
    assert [row.feat_mel for row in built] == [None, None]
    assert all(row.feat_audio is not None for row in built)


def test_a_recording_that_begins_with_silence_has_features_and_no_mel(spark, night):
    """Two minutes of silence, then a tone: windows of the whole hear it, the beginning does not."""
    moments_s = np.arange(200 * 2_000) / 2_000
    samples = np.where(moments_s < 121, 0.0, 0.5 * np.sin(2 * np.pi * 440 * moments_s))
    content = io.BytesIO()
    soundfile.write(content, samples, 2_000, format="FLAC")
    late = put(night, "landing/audio/late.flac", content.getvalue())
    catalogue = tracks(spark, night, {"audio_hash": late, "audio_uri": "landing/audio/late.flac"})

    [row] = audio.build(catalogue, *nothing(spark), night=night).collect()

    assert row.feat_audio.failure_reason is None
    assert row.feat_audio.decoded_s == pytest.approx(60.0)
    assert row.feat_audio.silence_ratio > 0.4
    assert (row.feat_mel.log_mel, row.feat_mel.failure_reason) == (None, "silent")


def test_another_preprocessing_encodes_every_recording_again(spark, world):
    """Another length of audio is another identity: new rows, and the earlier ones stay."""
    night, catalogue, *_, rows, built = world
    encoders = night.settings.encoders.model_copy(update={"max_audio_s": 0.75})
    settings = night.settings.model_copy(update={"encoders": encoders})

    again = audio.build(
        catalogue, *stored(spark, built), night=dataclasses.replace(night, settings=settings)
    ).collect()

    found = {row.feat_audio.content_hash: row.feat_audio for row in again}
    assert all(row.feat_mel is None for row in again)  # nothing of it has changed
    assert len(found) == 2
    assert {row.preprocessing_id for row in rows}.isdisjoint(
        row.preprocessing_id for row in found.values()
    )
    assert found[world[2]].decoded_s == pytest.approx(0.75)


def test_another_encoder_hears_its_own_sample_rate_and_knows_no_tags(spark, world, tmp_path):
    """A model of transformers in a folder; measures of the signal stay those of 16 kHz."""
    night, catalogue, good, *_, built = world
    model = save_wav2vec(tmp_path / "wav2vec", sampling_rate=24_000)
    encoders = night.settings.encoders.model_copy(update={"audio": f"transformers:{model}"})
    settings = night.settings.model_copy(update={"encoders": encoders})

    again = audio.build(
        catalogue, *stored(spark, built), night=dataclasses.replace(night, settings=settings)
    )

    found = [row.feat_audio for row in again.collect()]
    [row] = [row for row in found if row.content_hash == good]
    samples = audio_file.decode(tone(440), encoders.max_audio_s, 24_000)
    expected = TransformerAudio(model).encode([samples]).embedding
    assert row.audio_embedding == pytest.approx(expected.tolist(), abs=1e-6)
    assert (row.encoder_id, row.tag_probabilities) == ("transformers:wav2vec", None)
    assert row.spectral_centroid_hz == pytest.approx(440, rel=0.05)
