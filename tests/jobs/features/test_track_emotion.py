"""feat_track_emotion: a row per track and source, by the night's encoder only, never averaged."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from pyspark.sql import functions as F

from feature_store.tables.features import FEAT_AUDIO, FEAT_LYRICS
from jobs.encoders import registry
from jobs.encoders.audio.musicnn import encoder as musicnn
from jobs.features import track_emotion
from tests.jobs.features.worlds import encoders, frame, tracks

NO_TAGS = [0.0] * len(musicnn.TAGS)


@pytest.fixture
def features(spark, night):
    """Encoders, audio, lyrics: "loud" (no pulse; once more by older weights), "broken"; "sad"."""
    chosen = {
        FEAT_AUDIO: registry.audio_identity(night.settings.encoders),
        FEAT_LYRICS: registry.lyrics_identity(night.settings.encoders),
    }
    by_audio, by_lyrics = asdict(chosen[FEAT_AUDIO]), asdict(chosen[FEAT_LYRICS])
    loud = {"content_hash": "loud", "onset_rate_hz": 4.0, "tag_probabilities": NO_TAGS}
    audio = [
        {**loud, **by_audio, "loudness_lufs": -12.0},
        {**loud, **by_audio, "weights_sha256": "older", "loudness_lufs": -60.0},
        {**by_audio, "content_hash": "broken", "failure_reason": "unreadable"},
    ]
    sad = {"content_hash": "sad", "sentiment_compound": -0.5, "emotional_load_ratio": 0.365}
    return (
        encoders(spark, night, chosen),
        frame(spark, FEAT_AUDIO, audio),
        frame(spark, FEAT_LYRICS, [{**by_lyrics, **sad}]),
    )


def test_without_tags_the_other_cues_share_their_weight(spark, night, features):
    """Loudness half a spread above its centre counts .35 of .8 then: .5 x .35 / .8."""
    chosen, audio, lyrics = features
    without = audio.withColumn("tag_probabilities", F.lit(None).cast("array<float>"))
    catalogue = tracks(spark, night, {"audio_hash": "loud"})

    [row] = track_emotion.build(catalogue, chosen, without, lyrics, night=night).collect()

    assert (row.valence, row.arousal) == pytest.approx((0.0, 0.5 * 0.35 / 0.8))


def test_each_source_gives_its_own_row(spark, night, features):
    """A loud track with sad words has both rows, an instrumental one has one, a broken one none.

    Loudness half a spread above its centre: arousal .35 / 2, valence 0. Words: (.365 - .165) / .4.
    """
    catalogue = tracks(
        spark,
        night,
        {"audio_hash": "loud", "lyrics_hash": "sad"},
        {"audio_hash": "loud"},
        {"audio_hash": "broken"},
        {},
    )

    rows = track_emotion.build(catalogue, *features, night=night).collect()

    found = {(row.track_id, row.emotion_source): (row.valence, row.arousal) for row in rows}
    assert len(rows) == len(found)
    assert found == {
        ("t0", "audio"): pytest.approx((0.0, 0.175)),
        ("t0", "lyrics"): pytest.approx((-0.5, 0.5)),
        ("t1", "audio"): pytest.approx((0.0, 0.175)),
    }
    assert {row.as_of_date for row in rows} == {night.as_of}
    assert {(row.emotion_source, row.valence_sd, row.arousal_sd) for row in rows} == {
        ("audio", 0.5, 0.5),
        ("lyrics", 0.35, 0.43),
    }
